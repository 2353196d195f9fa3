"""The official figures of SQuAD v2.0, from predictions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import _native
from .errors import DatasetError

__all__ = ["official", "squad_v2"]


def squad_v2(
    predictions: Iterable[Mapping[str, Any]],
    references: Iterable[Mapping[str, Any]],
    no_answer_threshold: float = 1.0,
) -> dict[str, float]:
    """The figures of the metric ``squad_v2`` of the package ``evaluate``, in its form.

    >>> squad_v2([{"id": "1", "prediction_text": "1911", "no_answer_probability": 0.0}],
    ...          [{"id": "1", "answers": {"text": ["1911"], "answer_start": [4]}}])["exact"]
    100.0

    :param predictions: dicts with ``id``, ``prediction_text`` and ``no_answer_probability``
    :param references: dicts with ``id`` and ``answers``, a dict with ``text`` (and ``answer_start``)
    :param no_answer_threshold: a prediction with a larger probability counts as 'no answer'
    :raises DatasetError: if two predictions or two references have the same id, or a probability is not finite
    """
    golds = {id: one["answers"]["text"] for id, one in with_ids(references, "reference")}
    texts, odds = {}, {}
    for id, one in with_ids(predictions, "prediction"):
        texts[id], odds[id] = one["prediction_text"], one["no_answer_probability"]
    figures = official(golds, texts, odds, no_answer_threshold)
    return {name: value for name, value in figures.items() if not name.startswith("pr_")}


def official(
    golds: Mapping[str, Iterable[str]],
    predictions: Mapping[str, str],
    null_odds: Mapping[str, float] | None = None,
    threshold: float = 1.0,
) -> dict[str, float]:
    """The figures of ``evaluate-v2.0.py`` under its keys, in percent.

    :param golds: the gold answers of each question, by its id; none where the text has no answer
    :param predictions: the predicted text of each, empty for 'no answer'. A question without a prediction is not counted
    :param null_odds: of each; with them there are the best thresholds and the average precisions too
    :param threshold: where the null odds are above it, the prediction is 'no answer'
    :raises DatasetError: if the gold answers of a question are no list, or the null odds of a prediction are missing or not
        finite
    """
    ids = [id for id in golds if id in predictions]
    numbers = {id: number for number, id in enumerate(ids)}
    odds = None
    if null_odds is not None:
        for id in ids:
            if id not in null_odds:
                raise DatasetError(f"no null odds of question `{id}`, which has a prediction")
        odds = [(numbers[id], _finite(id, value)) for id, value in null_odds.items() if id in numbers]
    texts = [predictions[id] for id in ids]
    return json.loads(_native.figures([gold_texts(id, golds[id]) for id in ids], texts, odds, threshold))


def with_ids(rows: Iterable[Mapping[str, Any]], what: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows with their ids, of which no two may be the same."""
    seen: set[str] = set()
    for row in rows:
        id = str(row["id"])
        if id in seen:
            raise DatasetError(f"{what} `{id}`: another {what} has the same id")
        seen.add(id)
        yield id, row


def gold_texts(id: str, texts: Iterable[str]) -> list[str]:
    """The gold answers of a question. A text alone is refused: as a list, it would be its characters."""
    if isinstance(texts, str):
        raise DatasetError(f"question `{id}`: its gold answers are one text: expected a list of texts")
    return list(texts)


def _finite(id: str, value: float) -> float:
    odds = float(value)
    if not math.isfinite(odds):
        raise DatasetError(f"question `{id}`: null odds {odds}: expected a finite number")
    return odds
