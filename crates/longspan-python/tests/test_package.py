"""What the package promises about itself: types, documentation, no dependency."""

import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import longspan

HERE = Path(__file__).parent


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=HERE.parent)


def test_the_stubs_are_true():
    # `batch` and `haystack` import packages that need not be there.
    allowed = HERE / "stubtest.txt"
    checked = run("-m", "mypy.stubtest", "longspan", "--mypy-config-file", "pyproject.toml", "--allowlist", str(allowed))
    assert checked.returncode == 0, checked.stdout


def test_code_that_uses_the_package_is_typed(tmp_path):
    code = tmp_path / "used.py"
    code.write_text(
        "import longspan\n"
        "reader = longspan.Reader(precision='f32')\n"
        "answer = reader.ask('Who?', longspan.read('a.pdf'), top_k=3)\n"
        "reveal_type(answer.text); reveal_type(answer.start); reveal_type(answer.boxes[0].x)\n"
        "reveal_type(reader.ask_many([], errors='return')); reveal_type(reader.ask_many([]))\n"
        "reader.ask('Who?', 'text', limit_of_odds=1)\n"
        "longspan.Reader(precision='f64')\n"
    )
    lines = run("-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(code)).stdout.splitlines()
    revealed = [line.split('"')[1] for line in lines if "Revealed type" in line]
    plain = [kind.replace("builtins.", "").replace("longspan.answers.", "").replace("longspan.errors.", "") for kind in revealed]
    assert plain == ["str", "int | None", "float", "list[Answer | Error]", "list[Answer]"], lines
    assert sum(": error: " in line for line in lines) == 2, lines


def test_everything_public_is_documented():
    for name in longspan.__all__:
        item = getattr(longspan, name)
        assert inspect.getdoc(item), name
        if inspect.isclass(item) and item.__module__.startswith("longspan"):
            for member, value in vars(item).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert inspect.getdoc(value), f"{name}.{member}"


def test_the_wheel_needs_nothing_but_its_weights():
    needed = [one for one in importlib.metadata.requires("longspan") if "extra" not in one]
    assert [one.split(">")[0].strip() for one in needed] == ["longspan-mini"]
    assert importlib.metadata.requires("longspan-mini") in (None, [])


def test_importing_it_imports_little():
    script = "import sys, longspan; print([name for name in sys.modules if name.split('.')[0] in {'numpy', 'pyarrow', 'torch'}])"
    assert run("-c", script).stdout == "[]\n"
