"""Asks the questions of document_questions.json of files, and of the same documents as plain text.

    python benchmarks/document_questions.py LONGSPAN FOLDER [OPTION...]

FOLDER has the files (BENCHMARKS.md says where they are from), LONGSPAN is the program, OPTION goes to `longspan ask`.
The plain text is the file's own where there is one, else that of `pdftotext` or `pandoc`. For each question one line:
what was expected, and the answer and page of the file and the answer of the text, in brackets the surest span where the
model abstains. People judge; the program counts pages alone.
"""

import json
import pathlib
import subprocess
import sys
import tempfile


def plain(file, text, folder):
    if text:
        return file.parent / text
    out = folder / (file.name + ".txt")
    converter = ["pdftotext", file, out] if file.suffix == ".pdf" else ["pandoc", "-t", "plain", file, "-o", out]
    subprocess.run(converter, check=True, stderr=subprocess.DEVNULL)
    return out


def ask(longspan, question, file, options):
    run = [longspan, "ask", question, file, "--json", "--all", *options]
    done = subprocess.run(run, capture_output=True, text=True)
    if not done.stdout:
        sys.exit(f"{file}: {done.stderr.strip()}")
    answer = json.loads(done.stdout.splitlines()[0])
    best = next(iter(answer["answers"]), {"text": "", "start": 0})
    page = answer.get("page") or best.get("page") or 0
    shown = answer["answer"] or f"({best['text']})"
    return " ".join(shown.split()), page


def main():
    longspan, folder, *options = sys.argv[1:]
    documents = json.loads(pathlib.Path(__file__).with_name("document_questions.json").read_text())
    asked = pages = of_pages = 0
    with tempfile.TemporaryDirectory() as texts:
        for kind, document in documents.items():
            file = pathlib.Path(folder) / document["file"]
            text = plain(file, document.get("text"), pathlib.Path(texts))
            for question, expected, page in document["questions"]:
                found, on = ask(longspan, question, file, options)
                of_text, _ = ask(longspan, question, text, options)
                asked += 1
                if page and expected and expected.lower() in found.lower():
                    of_pages += 1
                    pages += on == page
                print(f"| {kind} | {question} | {expected or '–'}, {page or '–'} | {found}, {on or '–'} | {of_text} |")
    print(f"{asked} questions; the page is right for {pages} of {of_pages} answers that hold what was expected")


if __name__ == "__main__":
    main()
