"""Compares what Longspan and others read from PDFs: words, their order, seconds and memory.

    python benchmarks/documents.py LONGSPAN FOLDER [--out TABLE.json]

LONGSPAN is the program, FOLDER has PDFs of any kind. Files count where two readers that know nothing of each other,
poppler and PDFium, agree: 50 words or more, and 98% of them in common. For these files:

- words: the F1 of the words with those of poppler, without regard to their order;
- order: of the pairs of neighbouring words that both poppler and PDFium have, the share that a reader has;
- seconds: each file in a process of its own, the sum; memory: of the file that took this reader the longest.

The tools: `pdftotext` on the path; `pip install pypdfium2 pypdf pdfminer.six kreuzberg`.
"""

import argparse
import collections
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time
import unicodedata

READERS = {
    "pypdfium2": "import pypdfium2; d = pypdfium2.PdfDocument(path)\n"
    "print('\\n'.join(p.get_textpage().get_text_range() for p in d))",
    "pypdf": "import pypdf; print('\\n'.join(p.extract_text() for p in pypdf.PdfReader(path).pages))",
    "pdfminer.six": "from pdfminer.high_level import extract_text; print(extract_text(path))",
    "kreuzberg": "import kreuzberg; print(kreuzberg.extract_file_sync(path).content)",
}
COMPARED = ["longspan", "poppler", "pypdf", "pdfminer.six", "kreuzberg"]


def command(reader, longspan, path):
    if reader == "longspan":
        return [longspan, "text", path]
    if reader == "poppler":
        return ["pdftotext", path, "-"]
    start = f"import sys; sys.stdout.reconfigure(encoding='utf-8', errors='replace'); path = {str(path)!r}\n"
    return [sys.executable, "-c", start + READERS[reader]]


def read(reader, longspan, path, seconds_max=60):
    """The text, or None if the reader fails or takes too long; the seconds."""
    start = time.monotonic()
    try:
        done = subprocess.run(command(reader, longspan, path), capture_output=True, timeout=seconds_max)
    except subprocess.TimeoutExpired:
        return None, seconds_max
    text = done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
    return text, time.monotonic() - start


def words(text):
    text = unicodedata.normalize("NFKC", text).replace("\u00ad", "")
    text = re.sub(r"(\w)[-\u2010]\s*\n\s*(\w)", r"\1\2", text)
    return re.findall(r"\w+", text)


def f1(found, gold):
    common = (found & gold).total()
    return 2 * common / max(1, found.total() + gold.total())


def pairs(words):
    return collections.Counter(zip(words, words[1:]))


def agreed(longspan, paths):
    """(path, words of poppler, pairs of both) of the files on which poppler and PDFium agree."""
    for path in paths:
        texts = [read(reader, longspan, path)[0] for reader in ("poppler", "pypdfium2")]
        if None in texts:
            continue
        poppler, pdfium = (words(text) for text in texts)
        bags = collections.Counter(poppler), collections.Counter(pdfium)
        if len(poppler) >= 50 and f1(*bags) >= 0.98:
            yield path, bags[0], pairs(poppler) & pairs(pdfium)


def memory(reader, longspan, path):
    """Megabytes at most of one process that reads the file."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], capture_output=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    run = [sys.executable, "-c", code, *map(str, command(reader, longspan, path))]
    return int(subprocess.run(run, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("longspan")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()

    files = list(agreed(options.longspan, sorted(options.folder.rglob("*.pdf"))))
    print(f"{len(files)} files on which poppler and PDFium agree")
    print(f"{'reader':14} {'words':>8} {'order':>8} {'failed':>8} {'seconds':>8} {'MB':>6}")
    rows = {}
    for reader in COMPARED:
        scores, orders, seconds, failed = [], [], 0.0, 0
        by_file = {}
        for path, gold, gold_pairs in files:
            text, took = read(reader, options.longspan, path)
            seconds += took
            failed += text is None
            found = words(text or "")
            scores.append(f1(collections.Counter(found), gold))
            orders.append((pairs(found) & gold_pairs).total() / max(1, gold_pairs.total()))
            by_file[str(path)] = (scores[-1], orders[-1], took)
        largest = max((path for path, _, _ in files), key=lambda path: by_file[str(path)][2])
        peak = memory(reader, options.longspan, largest)
        print(
            f"{reader:14} {statistics.mean(scores):8.4f} {statistics.mean(orders):8.4f} {failed:8} "
            f"{seconds:8.1f} {peak:6}",
            flush=True,
        )
        rows[reader] = by_file
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
