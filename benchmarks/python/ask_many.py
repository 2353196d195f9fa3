"""Compares `Reader.ask_many` with `longspan eval`, in turns, and counts what other threads do meanwhile.

    python ask_many.py target/release/longspan dev-v2.0.json --limit 500 --threads 2
"""

import argparse
import json
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import longspan
from longspan.evaluation import _file


def by_program(program, data, limit, threads):
    with tempfile.TemporaryDirectory() as out:
        command = [program, "eval", "--limit", str(limit), "--threads", str(threads), "--precision", "f32", "--out", out, data]
        subprocess.run(command, check=True, capture_output=True)
        ids = set(json.loads((Path(out) / "predictions_best.json").read_text()))
        return json.loads((Path(out) / "report.json").read_text())["run"]["questions_per_second"], ids


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    reader = longspan.Reader(precision="f32", threads=arguments.threads)
    rows = _file(arguments.data)
    for _ in range(arguments.turns):
        of_program, ids = by_program(arguments.program, arguments.data, arguments.limit, arguments.threads)
        rows = [row for row in rows if row[0] in ids]
        pairs = [(question, longspan.Document(document.text)) for _, question, document, _ in rows]
        started = time.perf_counter()
        reader.ask_many(pairs)
        own = len(pairs) / (time.perf_counter() - started)
        print(f"ask_many {own:.1f} questions/s, eval {of_program:.1f}: {own / of_program:.3f}")
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1

    for is_beside in (False, True):
        counted[0] = 0
        stop.clear()
        thread = threading.Thread(target=count)
        thread.start()
        started = time.perf_counter()
        if is_beside:
            reader.ask_many([(question, longspan.Document(document.text)) for _, question, document, _ in rows])
        else:
            time.sleep(5)
        seconds = time.perf_counter() - started
        stop.set()
        thread.join()
        print(f"a counting thread {'beside ask_many' if is_beside else 'alone'}: {counted[0] / seconds / 1e6:.1f} million/s")
    started = time.perf_counter()
    parts = [rows[number::8] for number in range(8)]
    ask = lambda part: reader.ask_many([(question, document) for _, question, document, _ in part])  # noqa: E731
    threads = [threading.Thread(target=ask, args=(part,)) for part in parts]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(f"eight threads, one reader: {len(rows) / (time.perf_counter() - started):.1f} questions/s")


if __name__ == "__main__":
    main()
