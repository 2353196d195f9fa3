"""Makes official.json.gz: the output of the official evaluation of SQuAD v2.0 for unusual data, predictions and odds.

The script was written from the description of the rules. The raw scores of a question, its exact match and F1, are
computed by make.py.

A question has an answer if its list `answers` is not empty, whatever the value of `is_impossible`. If its odds exceed
the threshold, its score is 1 if it has no answer and 0 if it has one; otherwise it keeps its raw scores. Without a file
of odds, all odds are 0. The output shows the means over all questions, over those with and over those without an answer,
in per cent. With odds, it also shows two results that are computed from raw scores in the order of the odds (equal odds
keep the order of their file):

    best_*      the best sum of scores that a threshold could reach; ids with equal odds are separate steps; the
                threshold is 0.0 if it is best to abstain always
    pr_*_ap     average precision of a curve that has one point for all ids of equal odds; absent without any answer

The official script fails if a question has no prediction, or if predictions or odds contain an id that is not in the
data. Here such a question is left out as if the data lacked it, and such an id is ignored.

    python official.py
    python official.py DATA PREDICTIONS NULL_ODDS THRESHOLD

The first form writes official.json.gz beside this file. The second writes real.json.gz with one case from files that
`longspan eval --out` wrote for the first four articles of the development set (predictions_best.json, null_odds.json):

    versions        of Python and its Unicode tables
    cases: [{
        data            a whole SQuAD file
        predictions     {id: text}
        null_odds       {id: number} or null
        threshold       for null_odds
        missing         ids of the questions that are left out, in the order of the data
        expected        the printed text
    }]
"""

import gzip
import json
import platform
import random
import sys
import unicodedata
from pathlib import Path

from make import PARTS, SPACES, case

CASES = 1200
NOTHING = ["", "the", "...", "A", " ", "\x1f", "'the' -- an"]
TIES = [-1.5, 0.5, 1.0, 3.25]
EXTREMES = """
0.0 -0.0 0.0001 1e-05 -1e-05 1e-07 -1e-07 5e-324 2.2250738585072014e-308 0.30000000000000004 1e15 123456789012345.6
9999999999999998.0 1e16 3.5e+16 -3.5e+16 1e22 1.5e300 1.7976931348623157e308 -1.7976931348623157e308
"""
EXTREMES = [float(number) for number in EXTREMES.split()]


# ---- The evaluation. ----


def evaluate(data, predictions, null_odds, threshold):
    """What is printed, and the ids of the questions without a prediction."""
    has_answer, raw, missing = {}, {"exact": {}, "f1": {}}, []
    for question in questions(data):
        name, golds = question["id"], [answer["text"] for answer in question["answers"]]
        if name not in predictions:
            missing.append(name)
            continue
        has_answer[name] = bool(golds)
        scores = case(golds, predictions[name])
        for metric in raw:
            raw[metric][name] = scores[metric]
    given = dict.fromkeys(has_answer, 0.0) if null_odds is None else null_odds
    odds = {name: number for name, number in given.items() if name in has_answer}
    answers_count = list(has_answer.values()).count(True)

    def decided(metric, name):
        return float(not has_answer[name]) if odds[name] > threshold else raw[metric][name]

    result = {}
    for prefix, wanted in (("", (True, False)), ("HasAns_", (True,)), ("NoAns_", (False,))):
        names = [name for name in has_answer if has_answer[name] in wanted]
        if names:
            for metric in raw:
                result[prefix + metric] = 100.0 * plain_sum(decided(metric, name) for name in names) / len(names)
            result[prefix + "total"] = len(names)
    if null_odds is not None:
        ranked = sorted(odds, key=odds.get)
        for metric in raw:
            best, at = best_threshold(ranked, raw[metric], odds, has_answer, predictions)
            result[f"best_{metric}"] = 100.0 * best / len(has_answer)
            result[f"best_{metric}_thresh"] = at
        if answers_count:
            for metric, scores in {**raw, "oracle": dict.fromkeys(has_answer, 1.0)}.items():
                precision = average_precision(ranked, scores, odds, has_answer, answers_count)
                result[f"pr_{metric}_ap"] = 100.0 * precision
    return json.dumps(result, indent=2), missing


def best_threshold(ranked, scores, odds, has_answer, predictions):
    best = score = list(has_answer.values()).count(False)
    threshold = 0.0
    for name in ranked:
        if has_answer[name]:
            score += scores[name]
        elif predictions[name] != "":
            score -= 1
        if score > best:
            best, threshold = score, odds[name]
    return best, threshold


def average_precision(ranked, scores, odds, has_answer, answers_count):
    true_positives = average = recall_before = 0.0
    for count, name in enumerate(ranked, 1):
        if has_answer[name]:
            true_positives += scores[name]
        if count == len(ranked) or odds[ranked[count]] != odds[name]:
            recall = true_positives / answers_count
            average += true_positives / count * (recall - recall_before)
            recall_before = recall
    return average


def plain_sum(numbers):
    """From left to right; Python's own `sum` compensates from 3.12 on."""
    total = 0.0
    for number in numbers:
        total += number
    return total


def questions(data):
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            yield from paragraph["qas"]


# ---- What is evaluated. ----


def words(choice, count):
    spaces = SPACES if choice.random() < 0.4 else [" "]
    return "".join(part + choice.choice(spaces) for part in choice.choices(PARTS, k=count))


def some_golds(choice, answerable):
    if choice.random() >= answerable:
        return []
    if choice.random() < 0.1:
        return choice.choices(NOTHING, k=choice.randint(1, 2))
    golds = [words(choice, choice.randint(1, 5))]
    while choice.random() < 0.3:
        golds.append(choice.choice([words(choice, 3), golds[0].upper(), golds[0], *NOTHING[:3]]))
    choice.shuffle(golds)
    return golds


def some_data(choice):
    """A SQuAD file of 1 to 12 questions. Some articles lack paragraphs, some paragraphs questions."""
    version_1, lies = choice.random() < 0.2, choice.random() < 0.1
    answerable = choice.choice([0.0, 0.6, 0.6, 0.6, 0.6, 0.8, 0.8, 1.0])
    articles = [[("", []) for _ in range(choice.randint(0, 2))] for _ in range(choice.randint(0, 2))]
    articles.insert(choice.randint(0, len(articles)), [("", [])])
    places = [(article, at) for article in articles for at in range(len(article))]
    for name in choice.sample(range(1000), choice.randint(1, 12)):
        article, at = choice.choice(places)
        context, qas = article[at]
        question = {"id": str(name), "question": "Which?", "answers": []}
        for gold in some_golds(choice, answerable):
            context += words(choice, choice.randint(0, 1))
            question["answers"].append({"text": gold, "answer_start": len(context)})
            context += gold
        if not version_1:
            question["is_impossible"] = (not question["answers"]) != (lies and choice.random() < 0.5)
        article[at] = (context + choice.choice([".", " "]), [*qas, question])
    return {
        "version": "1.1" if version_1 else "v2.0",
        "data": [
            {"title": "", "paragraphs": [{"context": context, "qas": qas} for context, qas in article]}
            for article in articles
        ],
    }


def some_prediction(choice, golds):
    kind = choice.random()
    if kind < 0.25:
        return choice.choice(["", "", "", *NOTHING, "\t", "\u00a0"])
    if kind < 0.35 or not golds:
        return words(choice, choice.randint(1, 4))
    gold = choice.choice(golds)
    if kind < 0.6:
        return choice.choice([gold, f"the {gold}!", gold.swapcase()])
    parts = gold.split() + choice.choices(PARTS, k=choice.randint(0, 3))
    choice.shuffle(parts)
    return " ".join(parts)


def some_odds(choice, names):
    kind = choice.choice([
        lambda: float(choice.randint(-2, 2)),
        lambda: float(choice.randint(-2, 2)),
        lambda: choice.choice(TIES),
        lambda: choice.choice(TIES[:1]),
        lambda: choice.choice(EXTREMES),
        lambda: choice.choice(EXTREMES) * choice.choice([1.0, 1.0, -1.0, 0.7]),
        lambda: choice.gauss(0.0, 5.0),
        lambda: round(choice.gauss(0.0, 2.0), 1),
        lambda: choice.random(),
    ])
    return {name: kind() for name in choice.sample(names, len(names))}


def some_case(choice):
    data = some_data(choice)
    golds = {question["id"]: [gold["text"] for gold in question["answers"]] for question in questions(data)}
    names = list(golds)
    predicted = choice.sample(names, len(names))
    if choice.random() < 0.25:
        del predicted[choice.randint(1, len(predicted)) :]
    predictions = {name: some_prediction(choice, golds[name]) for name in predicted}
    rated = names if choice.random() < 0.5 else list(predictions)
    if choice.random() < 0.2:
        rated = [*rated, "extra", "1000"]
        predictions = {"0000": "x", **predictions, "extra": choice.choice(["", "x"])}
    null_odds = some_odds(choice, rated) if choice.random() < 0.75 else None
    near = list(null_odds.values()) if null_odds else [0.0, -1.0]
    threshold = choice.choice([1.0, choice.choice(near), choice.choice(near), choice.gauss(0.0, 2.0)])
    return whole_case(data, predictions, null_odds, threshold)


def whole_case(data, predictions, null_odds, threshold):
    expected, missing = evaluate(data, predictions, null_odds, threshold)
    return {
        "data": data,
        "predictions": predictions,
        "null_odds": null_odds,
        "threshold": threshold,
        "missing": missing,
        "expected": expected,
    }


def write(name, cases):
    versions = {"python": platform.python_version(), "unicode": unicodedata.unidata_version}
    text = json.dumps({"versions": versions, "cases": cases})
    (Path(__file__).parent / name).write_bytes(gzip.compress(text.encode(), mtime=0))


def main():
    if sys.argv[1:]:
        data, predictions, null_odds = (json.loads(Path(path).read_bytes()) for path in sys.argv[1:4])
        return write("real.json.gz", [whole_case(data, predictions, null_odds, float(sys.argv[4]))])
    choice = random.Random(1806_03822)
    write("official.json.gz", [some_case(choice) for _ in range(CASES)])


if __name__ == "__main__":
    main()
