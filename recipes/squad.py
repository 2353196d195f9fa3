"""Shared by the scripts in this folder: arguments, errors, and reading and writing files in the format of SQuAD."""

import argparse
import gzip
import json
import os
import sys
import zlib


def fail(message, hint):
    sys.exit(f"error: {message}\nhint: {hint}")


class Parser(argparse.ArgumentParser):
    """An argument parser whose help text is the docstring of the script."""

    def __init__(self, doc):
        super().__init__(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message):
        fail(message, "see `--help`")

    def add_shares(self, defaults, of):
        """An option for the share of each kind, and `--only` for a single kind."""
        for kind, share in defaults.items():
            self.add_argument(f"--{kind}", type=float, default=share, metavar="SHARE", help=f"{of} [{share}]")
        self.add_argument("--only", choices=defaults, help="this kind has a share of 1, the others of 0")

    def shares(self, args, kinds):
        """The share of each kind, from 0 to 1."""
        if args.only:
            return {kind: float(kind == args.only) for kind in kinds}
        shares = {kind: getattr(args, kind) for kind in kinds}
        for kind, share in shares.items():
            if not 0 <= share <= 1:
                self.error(f"--{kind} {share}: expected 0 to 1")
        return shares


def opened(path, mode):
    return (gzip.open if path.endswith(".gz") else open)(path, mode, encoding="utf-8")


def read(path, out):
    """Reads data in the format of SQuAD; `out`, where the result will go, must be another file.

    This checks only what the scripts rely on; `longspan eval` checks more.
    """
    try:
        with opened(path, "rt") as file:
            data = json.load(file)
        if os.path.exists(out) and os.path.samefile(path, out):
            fail(f"`{out}`: input and output are the same file", "give another output file")
    except OSError as error:
        fail(f"`{path}`: {error.strerror or error}", "give a file with questions in the format of SQuAD")
    except (EOFError, ValueError, RecursionError, zlib.error) as error:
        fail(f"`{path}`: {error}", "give a complete JSON file; a gzip file needs a name that ends in .gz")
    try:
        fits = all(paragraph_fits(paragraph["context"], paragraph["qas"]) for paragraph in paragraphs(data))
    except (KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        fail(f"`{path}`: not in the format of SQuAD", f"`longspan eval {path}` shows what is wrong")
    return data


def by_id(path, kinds):
    """Reads a JSON object of values by question id, as `longspan eval` writes it."""
    hint = "give the folder of a finished `longspan eval --out`"
    try:
        with opened(path, "rt") as file:
            values = json.load(file)
    except OSError as error:
        fail(f"`{path}`: {error.strerror or error}", hint)
    except (ValueError, RecursionError) as error:
        fail(f"`{path}`: {error}", hint)
    if not isinstance(values, dict) or not all(isinstance(value, kinds) for value in values.values()):
        fail(f"`{path}`: not an object of values by question id", hint)
    return values


def paragraph_fits(context, questions):
    def answer_fits(text, start):
        return type(start) is int and start >= 0 and context.startswith(text, start)

    texts = all(isinstance(question[key], str) for question in questions for key in ("id", "question"))
    answers = [answer for question in questions for answer in question["answers"]]
    places = all(answer_fits(answer["text"], answer["answer_start"]) for answer in answers)
    return isinstance(context, str) and texts and places


def paragraphs(data):
    """All paragraphs of all articles, in order."""
    return [paragraph for article in data["data"] for paragraph in article["paragraphs"]]


def write(data, path):
    """Writes to a temporary file beside `path` and then renames it, so that a failure destroys nothing."""
    folder, name = os.path.split(path)
    is_device = os.path.exists(path) and not os.path.isfile(path)
    beside = path if is_device else os.path.join(folder, f".part-{name}")
    try:
        with opened(beside, "wt") as file:
            json.dump(data, file)
        if beside != path:
            os.replace(beside, path)
    except OSError as error:
        if os.path.isfile(beside):
            os.remove(beside)
        fail(f"`{path}`: {error.strerror or error}", "give a path that can be written to")
