"""How good a reader is, on data in the form of SQuAD."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Unpack

from . import _native, metrics
from .documents import Document
from .errors import Error
from .reader import Progress, Reader, ReadOptions

__all__ = ["Evaluation", "evaluate"]


class Evaluation(NamedTuple):
    """What an evaluation found."""

    figures: dict[str, float]
    """The official figures of SQuAD v2.0 under their keys, in percent."""
    predictions: dict[str, str]
    """The answer to each question, by its id; empty on abstention."""
    null_odds: dict[str, float]
    """Its log odds of 'no answer'."""
    errors: dict[str, Error]
    """Questions that could not be asked, and why. No figure counts them."""


def evaluate(
    reader: Reader,
    data: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    *,
    limit: int | None = None,
    progress: Callable[[Progress], object] | None = None,
    **options: Unpack[ReadOptions],
) -> Evaluation:
    """Asks the questions of a dataset and returns the official figures, those of ``longspan eval``.

    :param data: a JSON file of SQuAD, version 1.1 or 2.0, plain or gzip; or rows with ``id``, ``question``, ``context`` and ``answers``, as
        ``datasets.load_dataset("squad_v2")`` has them
    :param limit: only so many questions, the first ones
    :param progress: called after each pass
    :param options: how documents are read, as in :meth:`Reader.ask`
    :raises DatasetError: if the data contradict themselves, or two questions have the same id
    :raises OptionError: if an option is out of its range, or does not fit the model
    """
    if limit is not None and limit < 0:
        raise ValueError(f"limit={limit}: expected 0 or more")
    rows = _file(data) if isinstance(data, (str, os.PathLike)) else _rows(data)
    rows = rows[:limit]
    threshold = reader._native.threshold_of(dict(options))
    pairs = [(question, document) for _, question, document, _ in rows]
    outcomes = reader.ask_many(pairs, progress=progress, errors="return", **options)
    golds, best, predictions, null_odds, errors = {}, {}, {}, {}, {}
    for (id, _, _, answers), outcome in zip(rows, outcomes):
        if isinstance(outcome, Error):
            errors[id] = outcome
            continue
        golds[id], predictions[id], null_odds[id] = answers, outcome.text, outcome.null_odds
        best[id] = outcome.spans[0].text
    figures = metrics.official(golds, best, null_odds, threshold)
    return Evaluation(figures, predictions, null_odds, errors)


Row = tuple[str, str, Document, list[str]]


def _file(path: str | os.PathLike[str]) -> list[Row]:
    questions, contexts = _native.squad_questions(path)
    documents = [Document(context) for context in contexts]
    return [(id, question, documents[index], golds) for id, question, index, golds in questions]


def _rows(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    documents: dict[str, Document] = {}
    found = []
    for id, row in metrics.with_ids(rows, "question"):
        context = row["context"]
        if context not in documents:
            documents[context] = Document(context)
        found.append((id, row["question"], documents[context], metrics.gold_texts(id, row["answers"]["text"])))
    return found
