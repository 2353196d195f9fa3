"""Compares the pipeline of longspan with that of transformers 4.57.1: the same model, questions and windows on both sides.

    A/bin/python pipeline.py ask transformers MODEL DATA --limit 300 --out a.json      # an environment with torch
    B/bin/python pipeline.py ask longspan MODEL DATA --limit 300 --out b.json          # one with longspan
    B/bin/python pipeline.py compare a.json b.json
    B/bin/python pipeline.py installed A B                                             # what each environment takes

DATA is a file in the form of SQuAD: paragraphs, or one long contract. Of each question the best span before any
normalisation is compared: that with the largest sum of logits over all windows. Numbers are compared to a tolerance.
"""

import argparse
import gzip
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

MAX_ANSWER_LEN = 15


def questions(data, limit):
    with (gzip.open if data.endswith(".gz") else open)(data, "rt", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    pairs = [(qa["question"], paragraph["context"]) for article in articles for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
    return pairs[:: max(1, len(pairs) // limit)][:limit] if limit else pairs


def of_transformers(model, pairs, windows):
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    torch.set_num_threads(windows["threads"])
    qa = transformers.pipeline("question-answering", model=model, dtype="float32")
    sizes = {"max_seq_len": windows["max_seq_len"], "doc_stride": windows["doc_stride"]}

    def best(question, context):
        found = (float("-inf"), 0, 0)
        for features in qa.preprocess(qa.create_sample(question, context), **sizes):
            encoding = features["encoding"]
            with torch.inference_mode():
                output = qa._forward(features)
            tokens = [t for t, of in enumerate(encoding.sequence_ids) if of == 1]
            first, last = tokens[0], tokens[-1] + 1
            sums = output["start"][0, first:last, None] + output["end"][0, None, first:last]
            sums = torch.where(torch.triu(torch.ones_like(sums)).tril(MAX_ANSWER_LEN - 1) > 0, sums, -torch.inf)
            start, end = divmod(int(sums.argmax()), last - first)
            found = max(found, (float(sums.max()), encoding.offsets[first + start][0], encoding.offsets[first + end][1]))
        return found

    return best


def of_longspan(model, pairs, windows):
    import longspan

    reader = longspan.Reader(model, precision="f32", threads=windows["threads"])

    def best(question, context):
        answer = reader.ask(
            question, context, max_tokens=windows["max_seq_len"], doc_stride=windows["doc_stride"],
            max_answer_length=MAX_ANSWER_LEN, verify_tokens=0,
        )  # fmt: skip
        span = answer.spans[0]
        return span.start_logit + span.end_logit, span.start, span.end

    return best


def ask(arguments):
    pairs = questions(arguments.data, arguments.limit)
    windows = {name: getattr(arguments, name) for name in ("max_seq_len", "doc_stride", "threads")}
    started = time.perf_counter()
    best = {"transformers": of_transformers, "longspan": of_longspan}[arguments.side](arguments.model, pairs, windows)
    opened = time.perf_counter()
    best(*pairs[0])
    warm = time.perf_counter()
    found = [best(*pair) for pair in pairs]
    result = {
        "side": arguments.side,
        "open_seconds": opened - started,
        "seconds": time.perf_counter() - warm,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "spans": found,
        "texts": [context[start:end] for (_, context), (_, start, end) in zip(pairs, found)],
    }
    Path(arguments.out).write_text(json.dumps(result))
    print({key: value for key, value in result.items() if key not in ("spans", "texts")})


def compare(arguments):
    one, other = [json.loads(Path(file).read_text()) for file in (arguments.one, arguments.other)]
    same = 0
    for number, (a, b) in enumerate(zip(one["spans"], other["spans"], strict=True)):
        if a[1:] == b[1:]:
            same += 1
        else:
            print(f"{number}: {one['texts'][number]!r} {a} | {other['texts'][number]!r} {b}")
    difference = max(abs(a[0] - b[0]) for a, b in zip(one["spans"], other["spans"]))
    print(f"{same} of {len(one['spans'])} spans are equal; the largest difference of a sum of logits is {difference:.1e}")


def installed(arguments):
    for folder in arguments.environments:
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file() and not file.is_symlink())
        python = Path(folder) / "bin" / "python"
        for module in ("transformers.pipelines", "longspan"):
            script = f"import time; started = time.perf_counter(); import {module}; print(time.perf_counter() - started)"
            times = [subprocess.run([python, "-c", script], capture_output=True, text=True) for _ in range(5)]
            if all(run.returncode == 0 for run in times):
                print(f"{folder}: {size / 1e6:.0f} MB; import {module}: {min(float(run.stdout) for run in times):.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("ask")
    command.add_argument("side", choices=["transformers", "longspan"])
    command.add_argument("model")
    command.add_argument("data")
    command.add_argument("--limit", type=int, default=0)
    command.add_argument("--max-seq-len", type=int, default=384)
    command.add_argument("--doc-stride", type=int, default=128)
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--out", required=True)
    command.set_defaults(run=ask)
    command = commands.add_parser("compare")
    command.add_argument("one")
    command.add_argument("other")
    command.set_defaults(run=compare)
    command = commands.add_parser("installed")
    command.add_argument("environments", nargs="+")
    command.set_defaults(run=installed)
    arguments = parser.parse_args()
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
