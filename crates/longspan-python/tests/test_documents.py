"""Files, bytes and texts."""

import io
import pickle
import subprocess
import sys

import pytest

import longspan
from common import BREAD, PDF, PUMP, WHO, bits

DEEP, HOW_DEEP = "12 m deep", "How deep is it?"


def test_a_pdf_has_pages_and_boxes(reader):
    document = longspan.read(PDF / "pages.pdf")
    assert (document.format, document.pages) == ("pdf", 3) and document.name == str(PDF / "pages.pdf")
    assert len(document) == len(document.text) and repr(document).endswith(", 3 pages)")
    answer = reader.ask(HOW_DEEP, document, threshold=1e9)
    assert answer.text == DEEP and answer.page == 3 and answer.heading[-1] == "1.1 Depth"
    assert answer.place.endswith('line 3, under "1.1 Depth"') and "page" in answer.place
    [box] = answer.boxes
    page = document.map()["pages"][2]
    assert box.page == 3 and 0 < box.x < box.x + box.width < page["width"] and 0 < box.y < page["height"]


def test_paths_bytes_and_file_objects_give_the_same():
    path = PDF / "pages.pdf"
    expected = longspan.read(path).text
    with open(path, "rb") as file:
        by_file = longspan.read(file)
    assert by_file.text == expected and by_file.name == str(path)
    by_bytes = [longspan.read(given, name="x") for given in (path.read_bytes(), bytearray(path.read_bytes()))]
    assert [(one.text, one.name) for one in by_bytes] == [(expected, "x")] * 2
    assert longspan.read(str(path)).text == longspan.read(io.BytesIO(path.read_bytes())).text == expected


def test_a_file_object_in_text_mode_gives_a_text_unless_it_has_a_format():
    page = "<meta charset=iso-8859-1><h1>Café</h1>"
    for format, text in [(None, page), ("text", page), ("html", "Café")]:
        assert longspan.read(io.StringIO(page), format=format).text == text
    with pytest.raises(longspan.OptionError, match="`format`: \"doc\": expected one of"):
        longspan.read(io.StringIO(page), format="doc")


@pytest.mark.skipif(sys.platform == "win32", reason="needs waitpid")
def test_a_child_reads_the_same_and_runs_nothing_of_the_current_folder(tmp_path):
    for name in ("json", "longspan", "base64"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w')\n")
    path = str(PDF / "pages.pdf")
    script = f"""
import longspan, os
own, by_child = longspan.read({path!r}), longspan.read({path!r}, isolated=True)
assert (by_child.text, by_child.map()) == (own.text, own.map())
try:
    os.waitpid(-1, os.WNOHANG)
    print("has a child")
except ChildProcessError:
    print("read it itself")
try:
    longspan.read({str(PDF / "scan_alone.pdf")!r}, isolated=True)
except longspan.NoText:
    print("no text")
"""
    ran = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert ran.stdout == "has a child\nno text\n", ran.stderr
    assert not (tmp_path / "ran").exists()


def test_passwords():
    path = PDF / "encrypted.pdf"
    for password, code in ((None, "password_required"), ("wrong", "wrong_password")):
        with pytest.raises(longspan.PasswordRequired) as raised:
            longspan.read(path, password=password)
        assert raised.value.code == code and raised.value.document == str(path)
    assert "who knows the word" in longspan.read(path, password="pump").text


def test_what_cannot_be_read_says_why(tmp_path):
    binary = tmp_path / "a.bin"
    binary.write_bytes(b"\0\1\2" * 100)
    for path, code in [(tmp_path / "missing.pdf", "unreadable"), (tmp_path, "unreadable"), (binary, "unknown_format")]:
        with pytest.raises(longspan.DocumentError) as raised:
            longspan.read(path)
        assert raised.value.code == code and str(path) in str(raised.value)
    with pytest.raises(longspan.OptionError, match="`format`: \"doc\": expected one of"):
        longspan.read(binary, format="doc")
    with pytest.raises(TypeError):
        longspan.read(7)


def test_half_a_surrogate_pair_is_no_text():
    with pytest.raises(longspan.DocumentError, match="`x`: character 1 is half of a surrogate pair, U\\+D800"):
        longspan.Document("a\ud800", "x")


def test_warnings_are_handed_on(reader):
    document = longspan.read(PDF / "scan.pdf")
    assert any("no text" in warning for warning in document.warnings)
    assert reader.ask(WHO, document).warnings == document.warnings


def test_a_document_pickles_with_its_map(reader):
    document = longspan.read(PDF / "pages.pdf")
    again = pickle.loads(pickle.dumps(document))
    assert (again.text, again.map(), again.name) == (document.text, document.map(), document.name)
    assert bits(reader.ask(HOW_DEEP, again)) == bits(reader.ask(HOW_DEEP, document))
    assert again.page_image(1, 100) == document.page_image(1, 100)
    secret = longspan.read((PDF / "encrypted.pdf").read_bytes(), password="pump")
    assert secret.page_image(1).startswith(b"\x89PNG")
    again = pickle.loads(pickle.dumps(secret))
    with pytest.raises(longspan.PasswordRequired):
        again.page_image(1)
    page = b"<h1>Title</h1><!-- a comment -->"
    assert b"comment" not in pickle.dumps(longspan.read(page, format="html"))


def test_a_map_is_made_when_it_is_asked_for():
    for source in (PDF / "pages.pdf", PDF / "scan.pdf", b"<title>Bread</title><h1>Flour</h1>"):
        document = longspan.read(source)
        found = (document.format, document.title, document.pages, document.warnings, document.name)
        assert repr(document) and document._map is None
        map = document.map()
        warnings = [warning["message"] for warning in map.get("warnings", ())]
        assert found == (map["format"], map.get("title"), len(map["pages"]), warnings, map["document"])


def test_pages_are_drawn():
    document = longspan.read(PDF / "pages.pdf")
    assert document.page_image(2, width=200).startswith(b"\x89PNG")
    assert longspan.read((PDF / "pages.pdf").read_bytes()).page_image(2, 200) == document.page_image(2, 200)
    for wrong in (lambda: longspan.Document(PUMP).page_image(1), lambda: document.page_image(9)):
        with pytest.raises(longspan.DocumentError):
            wrong()
    for page, width, message in [(0, 9, "`page`: 0: expected"), (1, -1, "`width`: -1: expected"), (1, 1 << 16, "to 65535")]:
        with pytest.raises(longspan.OptionError, match=message):
            document.page_image(page, width)


def test_an_answer_is_shown_in_its_document(reader):
    document = longspan.read(PDF / "pages.pdf")
    shown = document.show(reader.ask(HOW_DEEP, document, threshold=1e9))._repr_html_()
    assert "data:image/png;base64," in shown and shown.count("position: absolute") == 1
    text = longspan.Document(BREAD * 20 + PUMP + "<script>")
    shown = text.show(reader.ask(WHO, text))._repr_html_()
    assert "…" in shown and "<mark>Ada Brown</mark> 🚰" in shown and "&lt;script&gt;" in shown
    assert "no answer" in text.show(reader.ask("Who painted the ceiling?", text, threshold=-1e9))._repr_html_()
