"""Cuts the contracts of CUAD into paragraphs for training, in the format of SQuAD v2.0.

    python recipes/contracts.py cuad-train.json contracts.json.gz [--seed 1]

The input is CUAD (Hendrycks et al., arXiv 2103.06268) in the format of SQuAD, compressed with gzip if the name ends in
`.gz`. The script needs only Python. In CUAD, a contract is one context of 12,700 tokens on average. All contracts have
the same 41 questions, of which a contract answers about 13.

In the output, a contract is an article. Its paragraphs end at line ends and never inside an answer. A paragraph gets
the questions that it answers, and as many questions that the whole contract leaves unanswered, if there are enough. A
few of the paragraphs without answers get one unanswered question; the rest have no question and only serve as
neighbours in long documents. A neighbour may answer a question too; training on long documents (`--long-share`) treats
such an answer as wrong.

Half of the questions keep the wording of CUAD:

    Highlight the parts (if any) of this contract related to "Governing Law" that should be reviewed by a lawyer.
    Details: Which state/country's law governs the interpretation of the contract?

The other half keep only the part after "Details:", which is closer to how people ask.
"""

import random
import re

import squad

CHARACTERS = (500, 1_800)  # bounds of the minimum length drawn for each paragraph; the last may be shorter
DETAILS = "Details: "  # everything in a question up to here is boilerplate
UNANSWERED_SHARE = 0.1  # of the paragraphs without answers get one unanswered question


def bounds(text, answers, rng):
    """The (begin, end) of each paragraph. Paragraphs cover the whole text, and none ends inside an answer."""
    found, begin, enough = [], 0, rng.randint(*CHARACTERS)
    for line_end in re.finditer(r"\n\s*", text):
        end = line_end.end()
        if end - begin >= enough and not any(first < end < last for first, last in answers):
            found.append((begin, end))
            begin, enough = end, rng.randint(*CHARACTERS)
    return found + [(begin, len(text))]


def cut(paragraph, rng):
    """Yields the paragraphs of a contract, each with its questions."""
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
        count = len(below) or int(rng.random() < UNANSWERED_SHARE)
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
        squad.fail(f"`{args.data}`: these are not the questions of CUAD", "give the original contracts of CUAD")
    for article in data["data"]:
        article["paragraphs"] = [part for paragraph in article["paragraphs"] for part in cut(paragraph, rng)]
    questions = [question for paragraph in squad.paragraphs(data) for question in paragraph["qas"]]
    answered = sum(not question["is_impossible"] for question in questions)
    if not answered:
        squad.fail(f"`{args.data}`: no question has an answer", "give the contracts of CUAD")
    data["version"] = "v2.0"
    squad.write(data, args.out)
    print(f"{len(questions):,} questions, {answered:,} of them with an answer")


if __name__ == "__main__":
    main()
