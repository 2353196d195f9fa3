"""Asks questions about texts that they were not written for, where they have no answer or perhaps none.

    python recipes/elsewhere.py train-v2.0.json.gz elsewhere.json.gz [--foreign 10000] [--neighbours 10000] \\
        [--unsure unsure.json.gz] [--seed 1]

Reads SQuAD and writes SQuAD v2.0 with the new questions only, compressed with gzip if the name ends in `.gz`. The
script needs only Python. The questions are those that have an answer in their own paragraph:

    foreign     before a paragraph of another article, which has nothing to do with the question
    neighbours  before another paragraph of the same article: of five, the one with most words of the question

A question counts as unanswerable by this rule: none of its answers stands in the paragraph, and fewer than half of its
keywords do. With `--unsure`, the questions before paragraphs of their own article that the rule leaves open are written
to a second file. They are marked as unanswerable too, but some have an answer: let a teacher decide, with
`recipes/teacher_labels.py`.

Foreign questions stand in copies of the articles, with all paragraphs, so that training on long documents
(`--long-share`) has long documents that do not answer them. Each paragraph with neighbours' questions is an article by
itself, because the paragraph that answers them must not come into its context.

The id of a question is `foreign:` or `neighbour:` and the id of the original. The script is for English data only.
"""

import os
import random
import re

import squad
import wording

QUESTIONS_MAX = 1_000_000_000
CANDIDATES = 5  # paragraphs that a question could be asked about
STEM = 5  # letters by which two forms of a word are the same keyword
TRIES = 10


def stems(text):
    """The words of a text, cut so that most forms of a word are equal."""
    return {word[:STEM] for word in re.findall(r"\w+", text.casefold())}


def keywords(question):
    return {word[:STEM] for word in re.findall(r"\w+", question.casefold()) if word not in wording.QUESTION_WORDS}


class Paragraph:
    """A paragraph and what the rule compares with it."""

    def __init__(self, article, index, data):
        self.article, self.index, self.data = article, index, data
        self.text, self.stems = data["context"].casefold(), stems(data["context"])
        self.asked = {question["question"].strip().casefold() for question in data["qas"]}

    def overlap(self, words):
        return len(words & self.stems)

    def answers_nothing(self, question, words):
        """Whether the rule is sure that the paragraph does not answer the question."""
        answered = any(answer["text"].casefold() in self.text for answer in question["answers"])
        return not answered and 2 * self.overlap(words) < len(words)


def foreign(articles, origin, question, words, rng):
    """A paragraph of another article that surely does not answer the question, or None."""
    for _ in range(TRIES):
        host = rng.choice(rng.choice(articles))
        if host.article != origin.article and host.answers_nothing(question, words):
            return host
    return None


def neighbour(articles, origin, question, words, rng):
    """Another paragraph of the article, with words of the question, or None."""
    others = [other for other in articles[origin.article] if other is not origin and other.data["context"].strip()]
    others = [other for other in others if question["question"].strip().casefold() not in other.asked]
    candidates = rng.sample(others, min(CANDIDATES, len(others)))
    return max(candidates, key=lambda other: other.overlap(words), default=None)


def asked(question, kind):
    return {"id": f"{kind}:{question['id']}", "question": question["question"], "answers": [], "is_impossible": True}


def drawn(data, foreign_count, neighbour_count, rng):
    """The new questions, as three lists of (paragraph, question): foreign, neighbours, unsure neighbours."""
    articles = [
        [Paragraph(a, p, paragraph) for p, paragraph in enumerate(article["paragraphs"])]
        for a, article in enumerate(data["data"])
    ]
    filled = [article for article in articles if article]
    questions = [(own, q) for article in articles for own in article for q in own.data["qas"] if q["answers"]]
    questions = rng.sample(questions, len(questions))
    found, sure, unsure = [], [], []
    for own, question in questions if len(filled) > 1 else []:
        if len(found) == foreign_count:
            break
        if host := foreign(filled, own, question, keywords(question["question"]), rng):
            found.append((host, asked(question, "foreign")))
    for own, question in reversed(questions):  # few data give the same questions to both kinds
        if len(sure) == neighbour_count:
            break
        words = keywords(question["question"])
        if host := neighbour(articles, own, question, words, rng):
            is_sure = host.answers_nothing(question, words)
            (sure if is_sure else unsure).append((host, asked(question, "neighbour")))
    return found, sure, unsure


def copies(data, found):
    """Copies of the articles of the questions found; their paragraphs have these questions only."""
    hosted = {}
    for host, question in found:
        hosted.setdefault((host.article, host.index), []).append(question)
    for a in sorted({article for article, _ in hosted}):
        paragraphs = enumerate(data["data"][a]["paragraphs"])
        new = [{"context": old["context"], "qas": hosted.get((a, p), [])} for p, old in paragraphs]
        yield {**data["data"][a], "paragraphs": new}


def alone(articles):
    """Each paragraph with a question as an article by itself."""
    return [{**a, "paragraphs": [paragraph]} for a in articles for paragraph in a["paragraphs"] if paragraph["qas"]]


def main():
    parser = squad.Parser(__doc__)
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--foreign", type=int, default=10_000)
    parser.add_argument("--neighbours", type=int, default=10_000)
    parser.add_argument("--unsure", metavar="FILE", help="write the questions that the rule leaves open to this file")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for name in ("foreign", "neighbours"):
        if not 0 <= getattr(args, name) <= QUESTIONS_MAX:
            parser.error(f"--{name} {getattr(args, name)}: expected 0 to {QUESTIONS_MAX}")
    if args.unsure and os.path.realpath(args.unsure) in [os.path.realpath(path) for path in (args.data, args.out)]:
        squad.fail(f"`{args.unsure}`: this is another file of the command", "give another file to --unsure")
    data = squad.read(args.data, args.out)
    found, sure, unsure = drawn(data, args.foreign, args.neighbours, random.Random(args.seed))
    if not found and not sure:
        squad.fail(f"`{args.data}`: no question can be asked elsewhere", "give English data with several articles")
    squad.write({"version": "v2.0", "data": [*copies(data, found), *alone(copies(data, sure))]}, args.out)
    print(f"{len(found):,} foreign questions, {args.foreign:,} requested")
    print(f"{len(sure):,} questions about neighbours, {args.neighbours:,} requested")
    if args.unsure:
        squad.write({"version": "v2.0", "data": alone(copies(data, unsure))}, args.unsure)
        print(f"{len(unsure):,} questions about neighbours are unsure")


if __name__ == "__main__":
    main()
