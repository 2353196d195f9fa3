"""What the scripts beside share: data in the form of SQuAD, read and written whole."""

import gzip
import json
import os
import sys
import zlib


def fail(message, hint):
    sys.exit(f"error: {message}\nhint: {hint}")


def opened(path, mode):
    return (gzip.open if path.endswith(".gz") else open)(path, mode, encoding="utf-8")


def read(path):
    """Data in the form of SQuAD; ends the program where they have another one. `longspan eval` checks more."""
    try:
        with opened(path, "rt") as file:
            data = json.load(file)
    except OSError as error:
        fail(f"`{path}`: {error.strerror or error}", "give a file of questions in the form of SQuAD")
    except (EOFError, ValueError, RecursionError, zlib.error) as error:
        fail(f"`{path}`: {error}", "give a whole file of JSON, plain, or gzip by the name")
    try:
        fits = all(isinstance(paragraph["context"], str) for paragraph in paragraphs(data))
        questions = [question for paragraph in paragraphs(data) for question in paragraph["qas"]]
        fits = fits and all(isinstance(question["question"], str) and "id" in question for question in questions)
        answers = [answer for question in questions for answer in question["answers"]]
        fits = fits and all(isinstance(answer["text"], str) for answer in answers)
        fits = fits and all(isinstance(answer["answer_start"], int) for answer in answers)
    except (KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        fail(f"`{path}`: not in the form of SQuAD", f"`longspan eval {path}` says where")
    return data


def paragraphs(data):
    """All of them, in order."""
    return [paragraph for article in data["data"] for paragraph in article["paragraphs"]]


def write(data, path, source):
    """Writes a file beside, which then takes the place: nothing is lost where it does not fit."""
    if os.path.exists(path) and os.path.samefile(source, path):
        fail(f"`{path}`: the data themselves", "give another file, the original is kept")
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
        fail(f"`{path}`: {error.strerror or error}", "give a file that can be written")
