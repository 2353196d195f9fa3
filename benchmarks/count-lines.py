"""Counts the code lines of each crate, without tests, comments and examples.

    python3 benchmarks/count-lines.py [FOLDER]

FOLDER is a checkout of the repository; the default is this one. A code line is a line in a `.rs` file under `src/` that
is neither blank nor a `//` comment. Not counted are `examples/`, test files (`tests.rs`, anything under `tests/`, the AMX
emulator), the crate in `fuzz`, and items behind `#[cfg(test)]`, such as a module of tests at the end of a file.
"""

import re
import sys
from pathlib import Path

TEST_FILES = re.compile(r"(^|/)(tests\.rs|tests/.*|amx/emulator\.rs)$")
TEST_ITEM = re.compile(r"#\[cfg\((test|all\(test\b.*)\)\]")


def code_lines(text):
    """The number of code lines. A `#[cfg(test)]` item ends on its first line (`mod tests;`) or at its closing brace."""
    count, ends = 0, None  # `ends` holds the lines that end the test item being skipped.
    for line in text.splitlines():
        code = line.strip()
        if not code or code.startswith("//"):
            continue
        if ends is None and TEST_ITEM.match(code):
            indent, ends = line[: -len(code)], ()
        elif ends is None:
            count += 1
        elif ends:
            ends = None if line in ends else ends
        elif not code.startswith("#"):
            ends = None if code.endswith((";", "}")) else (indent + "}", indent + "};")
    return count


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    total = 0
    for crate in sorted((root / "crates").iterdir()):
        sources = [path for path in crate.glob("src/**/*.rs") if not TEST_FILES.search(path.relative_to(crate).as_posix())]
        count = sum(code_lines(path.read_text(encoding="utf-8")) for path in sources)
        print(f"{crate.name:20} {count:7,}")
        total += count
    print(f"{'all':20} {total:7,}")


if __name__ == "__main__":
    main()
