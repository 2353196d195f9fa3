"""Keeps the questions that a teacher is sure about, with the teacher's answers as their labels.

    longspan eval unsure.json.gz -m TEACHER --out asked
    python recipes/teacher_labels.py unsure.json.gz asked labelled.json.gz [--margin 2] [--threshold 0]

Reads data in the format of SQuAD and two files of the folder that `longspan eval --out` fills: the best span for each
question (`predictions_best.json`) and its null odds (`null_odds.json`). Any program that writes such files can be the
teacher. Writes SQuAD v2.0, compressed with gzip if the name ends in `.gz`. The script needs only Python.

A question becomes unanswerable if its null odds are at least the margin above the threshold, and gets the best span as
its answer if they are at least the margin below. In between, the teacher is unsure and the question is left out; so is
one whose answer stands in the text several times, because its place is not known.
"""

import math
import os

import squad

BEST, NULL_ODDS = "predictions_best.json", "null_odds.json"


def label(question, context, best, above, margin):
    """The question with the teacher's label, or None if it is unsure. `above`: null odds less the threshold."""
    start = context.find(best)
    if above >= margin:
        answers = []
    elif above <= -margin and best and context.find(best, start + 1) < 0 <= start:
        answers = [{"text": best, "answer_start": start}]
    else:
        return None
    return {"id": question["id"], "question": question["question"], "answers": answers, "is_impossible": not answers}


def main():
    parser = squad.Parser(__doc__)
    parser.add_argument("data")
    parser.add_argument("asked", help="the folder of `longspan eval --out`")
    parser.add_argument("out")
    parser.add_argument("--margin", type=float, default=2.0)
    parser.add_argument("--threshold", type=float, default=0.0)
    args = parser.parse_args()
    if not 0 <= args.margin < math.inf:
        parser.error(f"--margin {args.margin}: expected 0 or more")
    data = squad.read(args.data, args.out)
    best = squad.by_id(os.path.join(args.asked, BEST), str)
    odds = squad.by_id(os.path.join(args.asked, NULL_ODDS), (int, float))
    asked = answered = impossible = 0
    for paragraph in squad.paragraphs(data):
        context, asked = paragraph["context"], asked + len(paragraph["qas"])
        missing = [q["id"] for q in paragraph["qas"] if q["id"] not in best or q["id"] not in odds]
        if missing:
            squad.fail(f"`{args.asked}`: question `{missing[0]:.100}` was not asked", "ask the teacher all questions")
        above = {q["id"]: odds[q["id"]] - args.threshold for q in paragraph["qas"]}
        labels = [label(q, context, best[q["id"]], above[q["id"]], args.margin) for q in paragraph["qas"]]
        paragraph["qas"] = [question for question in labels if question]
        answered += sum(bool(question["answers"]) for question in paragraph["qas"])
        impossible += sum(question["is_impossible"] for question in paragraph["qas"])
    data["version"] = "v2.0"
    data["data"] = [article for article in data["data"] if any(p["qas"] for p in article["paragraphs"])]
    if not data["data"]:
        squad.fail(f"`{args.asked}`: the teacher is sure about no question", "lower --margin")
    squad.write(data, args.out)
    print(f"{asked:,} questions, the teacher is sure about {answered + impossible:,}")
    print(f"{answered:,} have an answer, {impossible:,} have none")


if __name__ == "__main__":
    main()
