"""Drives the page of `longspan serve` in Chromium, from a dropped file to the marked answer, against the real program.

    python3 drive.py PROGRAM --axe axe.min.js [--chromium /usr/bin/chromium] [--shots DIR]

It needs `playwright` and `pillow`, a Chromium, and axe-core, which looks for what people with disabilities would stumble
over: it must find nothing, wherever a check ends. `--shots` saves pictures of the page in the checks' last states.
`.ci/integrations` installs all of it.
"""

import argparse
import base64
import io
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parents[4]
PDFS = ROOT / "crates/longspan-documents/tests/golden/pdf"
LICENSE = ROOT / "LICENSE"
KEY = "a key of words"
CHECKS = []


def check(run):
    """A check of the page, run in a browser context of its own."""
    CHECKS.append(run)
    return run


@contextmanager
def served(program, *options):
    """A server on a free port; gives its address, which is the first line that it prints."""
    with tempfile.TemporaryFile() as log:
        command = [program, "serve", "--port", "0", *options]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            address = server.stdout.readline().strip()
            if not address:
                server.wait()
                log.seek(0)
                sys.exit(f"the server ended: {log.read().decode()}")
            yield address + "/"
        finally:
            server.terminate()
            server.wait()


def api(address, path, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(address + path, method=method)) as reply:
        return reply.read()


def drop(page, *files):
    """Drops files on the page; each is a path or a name with its bytes."""
    files = [(file.name, file.read_bytes()) if isinstance(file, Path) else file for file in files]
    given = [{"name": name, "data": base64.b64encode(data).decode()} for name, data in files]
    transfer = page.evaluate_handle(
        """files => {
            const transfer = new DataTransfer();
            for (const { name, data } of files)
                transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
            return transfer;
        }""",
        given,
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event("body", event, {"dataTransfer": transfer})


def ready(page, count=1):
    expect(page.locator("#documents li.ready")).to_have_count(count)


def ask(page, question):
    groups = page.locator("#answers .group").count()
    page.fill("#question", question)
    page.press("#question", "Enter")
    expect(page.locator("#answers .group")).to_have_count(groups + 1)


def pane(page, name):
    """Brings the answers or the document to the front where the page is narrow."""
    if page.is_visible(".panes"):
        page.click(f"[data-show={name}]")


@check
def the_answer_of_a_dropped_pdf_is_marked_on_its_page(page, address):
    drop(page, PDFS / "pages.pdf")
    ready(page)
    ask(page, "How deep is it?")
    expect(page.locator(".first .answer")).to_have_text("12 m deep")
    expect(page.locator(".first > .place")).to_contain_text("page 3 (A-8), line 3")
    expect(page.locator("#live")).to_contain_text("Answer: 12 m deep")
    pane(page, "viewer")
    box = page.locator('[data-page="3"] .filled')
    expect(box).to_be_in_viewport()
    expect(page.locator('[data-page="3"].drawn')).to_be_visible()
    expect(page.locator("#page-number")).to_have_value("3")
    compare_with_pixels(page, address, 3, box)


def compare_with_pixels(page, address, number, box):
    """The box must hold the ink of its words: no letter is cut at its edges, and it is filled where it is seen."""
    document = json.loads(api(address, "v1/documents"))["documents"][0]["document_id"]
    picture = Image.open(io.BytesIO(api(address, f"v1/documents/{document}/pages/{number}.png?width=1200"))).convert("L")
    sheet, seen = page.locator(f'[data-page="{number}"]').bounding_box(), box.bounding_box()
    scale = picture.width / sheet["width"]
    margin = 3 * scale  # the page draws the box wider by 2 pixels and their padding
    left, top = (seen["x"] - sheet["x"]) * scale + margin, (seen["y"] - sheet["y"]) * scale
    right, bottom = left + seen["width"] * scale - 2 * margin, top + seen["height"] * scale
    dark = lambda area: sum(value < 128 for value in picture.crop(tuple(map(round, area))).tobytes())
    columns = [x for x in range(round(left - 80), round(right + 80)) if dark((x, top, x + 1, bottom))]
    inside = [x for x in columns if left - margin <= x <= right + margin]
    assert inside, "the box is empty"
    cut = [x for x in (round(left - margin), round(right + margin)) if x in columns]
    assert not cut and inside[0] - left < 6 * scale and right - inside[-1] < 6 * scale, (left, right, inside[0], inside[-1])
    lines = dark((inside[0], top, inside[-1] + 1, bottom)), dark((inside[0], top - 8, inside[-1] + 1, bottom + 8))
    assert lines[0] == lines[1] > 0, f"ink above or below the box: {lines}"
    shot = Image.open(io.BytesIO(page.screenshot(clip=seen))).convert("RGB")
    pixels = shot.tobytes()
    yellow = sum(blue < 0.7 * red and red > 90 for red, blue in zip(pixels[::3], pixels[2::3])) / (shot.width * shot.height)
    assert yellow > 0.6, f"{yellow:.0%} of the box is filled"


@check
def the_words_of_a_page_can_be_selected(page, address):
    drop(page, PDFS / "columns.pdf")
    ready(page)
    pane(page, "viewer")
    word = page.locator('[data-page="1"] .layer span', has_text="column").first
    word.dblclick()
    assert page.evaluate("() => getSelection().toString().trim()") == "column"
    [document] = json.loads(api(address, "v1/documents"))["documents"]
    printed = json.loads(api(address, f"v1/documents/{document['document_id']}/pages/1"))
    first = next(one for line in printed["lines"] for one in line["words"] if one["text"] == "column")
    seen, sheet = word.bounding_box(), page.locator('[data-page="1"]').bounding_box()
    scale = sheet["width"] / printed["width"]
    space = 0.6 * first["height"] * scale  # the element ends behind the space
    assert abs(seen["x"] - sheet["x"] - first["x"] * scale) < 1.5, (seen, first)
    assert -1.5 < seen["width"] - first["width"] * scale < space, (seen, first)


@check
def no_answer_says_how_close_it_was_and_the_threshold_decides_again(page, address):
    drop(page, LICENSE)
    ready(page)
    ask(page, "Who painted the ceiling?")
    expect(page.locator(".none")).to_have_text("No answer in this document")
    expect(page.locator(".hint").first).to_contain_text("Of 100 findings")
    slider = page.locator(".threshold input")
    slider.focus()
    slider.press("End")
    expect(page.locator(".none")).to_have_count(0)
    expect(page.locator(".first .answer")).to_be_visible()
    expect(slider).to_be_focused()
    slider.press("Home")
    expect(page.locator(".none")).to_be_visible()


@check
def offsets_behind_emoji_and_a_byte_order_mark_are_right(page, address):
    text = "\ufeff👩‍👩‍👧 <b>🚰🚰🚰</b>\r\n\r\nThe museum in Delft was opened in 1911. 🚰"
    drop(page, ("<b>museum</b>.txt", text.encode()))
    ready(page)
    ask(page, "When was the museum opened?")
    expect(page.locator(".first .answer")).to_have_text("1911")
    pane(page, "viewer")
    expect(page.locator(".text .hit.filled")).to_have_text("1911")
    expect(page.locator(".text b, .name b")).to_have_count(0)  # markup of a document is text


@check
def several_documents_are_ranked_and_can_be_left_out(page, address):
    drop(page, ("delft.txt", b"The museum in Delft was opened in 1911."), ("moon.txt", b"The moon has no air. It is far away."), LICENSE)
    ready(page, 3)
    ask(page, "When was the museum opened?")
    expect(page.locator(".first .answer")).to_have_text("1911")
    expect(page.locator(".first > .place")).to_contain_text("delft.txt")
    expect(page.locator(".group > details > summary").first).to_have_text("No answer in 2 documents")
    page.uncheck("[aria-label='Ask delft.txt']")
    ask(page, "When was the museum opened?")
    expect(page.locator(".group").first.locator(".none")).to_have_text("No answer in these 2 documents")


@check
def a_file_that_is_there_already_is_not_listed_twice(page, address):
    drop(page, LICENSE)
    ready(page)
    page.reload()
    ready(page)
    drop(page, LICENSE)
    expect(page.locator("#live")).to_contain_text("LICENSE is ready.")
    expect(page.locator("#documents li")).to_have_count(1)
    expect(page.locator("#documents li")).to_have_attribute("aria-current", "true")


@check
def what_cannot_be_read_says_why(page, address):
    drop(page, PDFS / "encrypted.pdf", PDFS / "scan_alone.pdf", ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(99)))
    locked = page.locator("#documents li.password")
    expect(locked).to_contain_text("Needs a password")
    expect(page.locator("#documents li.no_text")).to_contain_text("ocrmypdf")
    expect(page.locator("#documents li.failed")).to_contain_text("A picture, which is not read.")
    locked.locator("input").fill("wrong")
    locked.locator("input").press("Enter")
    expect(locked).to_contain_text("The password is wrong.")


@check
def a_long_reading_shows_progress_and_can_be_cancelled(page, address):
    words = LICENSE.read_bytes() * 60
    drop(page, ("long.txt", words))
    expect(page.locator("#documents li.ready")).to_have_count(1, timeout=60_000)
    page.fill("#question", "Who painted the ceiling?")
    page.press("#question", "Enter")
    expect(page.locator("#progress-text")).to_have_text(re.compile(r"[\d,]+ of [\d,]+ tokens"))
    page.keyboard.press("Escape")
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#answers .group")).to_have_count(0)


@check
def keys_move_through_answers_and_pages(page, address):
    drop(page, PDFS / "pages.pdf")
    ready(page)
    ask(page, "How deep is it?")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("j")
    chosen = page.locator("#answers [aria-current]")
    expect(chosen).to_contain_text("2")
    page.keyboard.press("k")
    expect(chosen).to_have_text("12 m deep")
    pane(page, "viewer")
    for key, number in (("p", "2"), ("p", "1"), ("n", "2")):
        page.keyboard.press(key)
        expect(page.locator("#page-number")).to_have_value(number)
    page.keyboard.press("t")
    expect(page.locator(".text .hit.filled")).to_have_text("12 m deep")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.uncheck("#use-keys")
    page.keyboard.press("Escape")
    pane(page, "panel")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("/")
    expect(page.locator("#question")).not_to_be_focused()


@check
def a_link_asks_its_question_again(page, address):
    drop(page, LICENSE)
    ready(page)
    ask(page, "When was the license published?")
    assert "#d=d_" in page.url and "&q=When" in page.url, page.url
    page.reload()
    expect(page.locator(".first .answer")).to_have_text("January 2004")


@check
def the_session_is_saved_and_an_answer_copied(page, address):
    page.click(".sample >> nth=0")
    expect(page.locator(".first .answer")).to_have_text("January 2004")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("[aria-label='Copy as a quotation']")
    expect(page.locator("#toast")).to_have_text("Quotation copied")
    assert "January 2004" in page.evaluate("() => navigator.clipboard.readText()")
    for name, begins in (("json", '{\n "answers"'), ("csv", "question,document,answer")):
        page.click("#export summary")
        with page.expect_download() as download:
            page.click(f"#save-{name}")
        assert Path(download.value.path()).read_text().startswith(begins)


@check
def quotations_are_proven(page, address):
    drop(page, PDFS / "pages.pdf")
    ready(page)
    page.click("#mode-cite")
    page.fill("#cite-text", "It says “Water is lifted by a pump” and “It is 14 m deep” and “the moon has no air at all”.")
    page.click("#cite .primary")
    proofs = page.locator(".proof")
    expect(proofs).to_have_count(3)
    for index, words in enumerate(("Word for word", "Altered", "Not found")):
        expect(proofs.nth(index)).to_contain_text(words)
    pane(page, "viewer")
    expect(page.locator('[data-page="1"] .filled')).to_be_visible()


def stumbles(page, axe):
    page.evaluate(axe)
    found = page.evaluate("() => axe.run()")["violations"]
    return [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]


def run_check(browser, address, run, axe, shots, width, scheme):
    for document in json.loads(api(address, "v1/documents"))["documents"]:
        api(address, f"v1/documents/{document['document_id']}", "DELETE")
    height = 844 if width < 600 else 900
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: "Content Security Policy" in message.text and faults.append(message.text))
    page.goto(address)
    expect(page.locator("#about")).not_to_be_empty()
    run(page, address)
    faults += stumbles(page, axe)
    if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
        faults.append("the page is wider than the window")
    if shots:
        page.screenshot(path=shots / f"{run.__name__}-{width}-{scheme}.png")
    context.close()
    assert not faults, faults


def the_key_is_asked_for(browser, program):
    with served(program, "--api-key", KEY) as address:
        page = browser.new_page()
        page.goto(address)
        for key in ("wrong", KEY):
            page.fill("#key-text", key)
            page.press("#key-text", "Enter")
        expect(page.locator("#key")).to_be_hidden()
        expect(page.locator("#about")).not_to_be_empty()
        drop(page, LICENSE)
        ready(page)
        assert page.evaluate("() => sessionStorage.getItem('longspan-key')") == KEY
        page.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--axe", type=Path, required=True)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    expect.set_options(timeout=20_000)
    if arguments.shots:
        arguments.shots.mkdir(parents=True, exist_ok=True)
    failed = 0
    with sync_playwright() as playwright, served(arguments.program) as address:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox"])
        looks = [(1440, "light"), (390, "dark")]
        runs = [(run.__name__, lambda run=run, look=look: run_check(browser, address, run, arguments.axe.read_text(), arguments.shots, *look), look)
                for run in CHECKS for look in looks]
        runs.append(("the_key_is_asked_for", lambda: the_key_is_asked_for(browser, arguments.program), ()))
        for name, run, look in runs:
            if arguments.only not in name:
                continue
            try:
                run()
                print("ok  ", name, *look)
            except Exception as error:  # every fault is shown, then the script fails
                failed += 1
                print("FAIL", name, *look, "\n    ", str(error).replace("\n", "\n     ")[:1500])
        browser.close()
    sys.exit(f"{failed} failed" if failed else 0)


if __name__ == "__main__":
    main()
