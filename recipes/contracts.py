"""Cuts the contracts of CUAD into paragraphs to train on, in the form of SQuAD v2.0.

    python recipes/contracts.py cuad-train.json contracts.json.gz [--seed 1]

Reads CUAD (Hendrycks et al., arXiv 2103.06268) in the form of SQuAD, plain or gzip by the name, and needs nothing but
Python. There a contract is one context, of 12,700 tokens on average, and of its 41 questions, the same for all
contracts, it answers about 13. Here it is an article, whose paragraphs end at line ends, outside of answers. Under a
paragraph stand the questions that it answers, and as many that the whole contract leaves unanswered, where there are;
under a few of those that answer nothing, one such question. The others serve as neighbours. A neighbour may answer a
question too: what trains on long documents (`--long-share`) takes that for wrong.

Half of the questions keep the words of CUAD:

    Highlight the parts (if any) of this contract related to "Governing Law" that should be reviewed by a lawyer.
    Details: Which state/country's law governs the interpretation of the contract?

The other half are their last part alone, as people would ask.
"""

import random
import re

import squad

CHARACTERS = (500, 1_800)  # of a paragraph at least, but the last, drawn for each
DETAILS = "Details: "  # ends the part of a question that is the same for all
SILENT_SHARE = 0.1  # of the paragraphs that answer nothing, which get one question


def bounds(text, answers, rng):
    """Where paragraphs begin and end: they cover the text, and no answer lies in two of them."""
    found, begin, enough = [], 0, rng.randint(*CHARACTERS)
    for line_end in re.finditer(r"\n\s*", text):
        end = line_end.end()
        if end - begin >= enough and not any(first < end < last for first, last in answers):
            found.append((begin, end))
            begin, enough = end, rng.randint(*CHARACTERS)
    return found + [(begin, len(text))]


def cut(paragraph, rng):
    """The paragraphs of a contract."""
    text, questions = paragraph["context"], paragraph["qas"]
    places = [
        (answer["answer_start"], answer["answer_start"] + len(answer["text"]))
        for question in questions
        for answer in question["answers"]
    ]
    unanswered = [question for question in questions if not question["answers"]]

    def asked(question, answers, number):
        words = question["question"]
        if rng.random() < 0.5:
            words = words.rpartition(DETAILS)[2].strip()
        ident = f"{question['id']}-{number}"
        return {"id": ident, "question": words, "answers": answers, "is_impossible": not answers}

    for number, (begin, end) in enumerate(bounds(text, places, rng)):
        if not text[begin:end].strip():
            continue
        below = []
        for question in questions:
            answers = [
                {"text": answer["text"], "answer_start": answer["answer_start"] - begin}
                for answer in question["answers"]
                if begin <= answer["answer_start"] < end
            ]
            if answers:
                below.append(asked(question, answers, number))
        count = len(below) or int(rng.random() < SILENT_SHARE)
        below += [asked(question, [], number) for question in rng.sample(unanswered, min(count, len(unanswered)))]
        yield {"context": text[begin:end], "qas": below}


def main():
    parser = squad.Parser(__doc__)
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    data, rng = squad.read(args.data, args.out), random.Random(args.seed)
    if not all(DETAILS in question["question"] for p in squad.paragraphs(data) for question in p["qas"]):
        squad.fail(f"`{args.data}`: not the questions of CUAD", "give the contracts of CUAD, which were not cut yet")
    for article in data["data"]:
        article["paragraphs"] = [part for paragraph in article["paragraphs"] for part in cut(paragraph, rng)]
    questions = [question for paragraph in squad.paragraphs(data) for question in paragraph["qas"]]
    answered = sum(not question["is_impossible"] for question in questions)
    if not answered:
        squad.fail(f"`{args.data}`: no question that is answered", "give the contracts of CUAD")
    data["version"] = "v2.0"
    squad.write(data, args.out)
    print(f"{len(questions):,} questions, {answered:,} of them with an answer")


if __name__ == "__main__":
    main()
