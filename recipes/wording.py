"""Rewords questions as people type them: with typing errors, as keywords, in other case, without a question mark.

    python recipes/wording.py train-v2.0.json.gz train-reworded.json.gz [--transposed 0.1] [--lower 0.2] … [--seed 1]
    python recipes/wording.py dev-v2.0.json.gz dev-keywords.json.gz --only keywords

Reads data in the format of SQuAD and writes them with the same texts and answers, compressed with gzip if the name ends
in `.gz`. The script needs only Python. Questions with and without an answer are reworded alike, so that wording says
nothing about whether there is an answer. The option of a kind sets its share of the questions:

    keywords     Who was the first president of France?     first president France
    polite       Who was the first president of France?     Please tell me: who was the first president of France?
    transposed   two pairs of letters change places         Who was the first presidnet of Frnace?
    mistyped     one to three errors                        Who was the first presdent of Frannce?
    lower        all letters in lower case                  who was the first president of france?
    upper        all letters in upper case                  WHO WAS THE FIRST PRESIDENT OF FRANCE?
    unmarked     no question mark at the end                Who was the first president of France

The errors of `mistyped` are transposed, dropped, doubled and neighbouring letters of a QWERTY keyboard. Errors are in
different words of at least four letters, after the first letter. A question can get several kinds, but only one of
`keywords` and `polite`, one of `transposed` and `mistyped`, and one of `lower` and `upper`. `--only` rewords every
question in one way; a question that the kind does not change, such as one without a question mark, stays as it is.

The id of a reworded question is the kinds, a colon and the id of the original: `keywords+lower:56be4db0acb80014`.
The script is for English data only.
"""

import collections
import random
import re

import squad

# In the order in which they are applied. A question gets at most one kind of each line.
SHARES = [
    {"keywords": 0.08, "polite": 0.04},
    {"transposed": 0.08, "mistyped": 0.1},
    {"lower": 0.1, "upper": 0.02},
    {"unmarked": 0.15},
]
KINDS = [kind for shares in SHARES for kind in shares]

FUNCTION_WORDS = set(
    """
    a an the of in on at to for from by with and or is are was were be been do does did has have had can could would
    will should what which it its they their he his she her that this these those there as
    """.split()
)
QUESTION_WORDS = FUNCTION_WORDS | set("who whom whose when where why how if after before during".split())
AROUND = [
    ("Please tell me: ", ""),
    ("Please tell me, ", ""),
    ("Could you say ", ""),
    ("Can you tell me ", ""),
    ("I would like to know: ", ""),
    ("Hello, ", " Thanks!"),
    ("", " Thank you."),
]
TYPED_WORD = re.compile(r"[^\W\d_]{4,}")
ROWS = ["qwertyuiop", "asdfghjkl", "zxcvbnm"]
NEAR = {row[i]: row[max(i - 1, 0) : i] + row[i + 1 : i + 2] for row in ROWS for i in range(len(row))}


def keywords(question, _rng):
    words = [word.strip(".,;:!?\"'()") for word in question.split()]
    kept = [word for word in words if word and word.lower() not in FUNCTION_WORDS]
    return " ".join(kept) if len(kept) > 1 else question


def polite(question, rng):
    before, after = rng.choice(AROUND)
    question = question.strip()
    first = question.partition(" ")[0]
    if before and first.lower() in QUESTION_WORDS:  # a name keeps its case
        question = first.lower() + question[len(first) :]
    return before + question + after


# What someone types in place of two neighbouring letters.
ERRORS = {
    "transposed": lambda a, b, rng: b + a,
    "dropped": lambda a, b, rng: b,
    "doubled": lambda a, b, rng: a + a + b,
    "neighbouring": lambda a, b, rng: rng.choice(NEAR.get(a.lower(), a)) + b,
}


def with_errors(question, count, kinds, rng):
    """Errors in so many different words, or in all that are long enough."""
    places = []  # for each word, where two different letters stand, of which the first does not begin the word
    for word in TYPED_WORD.finditer(question):
        pairs = range(word.start() + 1, word.end() - 1)
        places.append([at for at in pairs if question[at].lower() != question[at + 1].lower()])
    places = [pairs for pairs in places if pairs]
    chosen = [rng.choice(pairs) for pairs in rng.sample(places, min(count, len(places)))]
    for at in sorted(chosen, reverse=True):
        typed = ERRORS[rng.choice(kinds)](question[at], question[at + 1], rng)
        question = question[:at] + typed + question[at + 2 :]
    return question


def transposed(question, rng):
    return with_errors(question, 2, ["transposed"], rng)


def mistyped(question, rng):
    return with_errors(question, rng.randint(1, 3), list(ERRORS), rng)


REWORD = {
    "keywords": keywords,
    "polite": polite,
    "transposed": transposed,
    "mistyped": mistyped,
    "lower": lambda question, _rng: question.lower(),
    "upper": lambda question, _rng: question.upper(),
    "unmarked": lambda question, _rng: question.rstrip(" ?") or question,
}
MARK = re.compile(rf"(?:{'|'.join(KINDS)})(?:\+|:)")  # how the id of a reworded question begins


def reworded(question, shares, rng):
    """The new wording, and the kinds that changed something."""
    kinds = []
    for group in SHARES:
        weights = [shares[kind] for kind in group]
        (kind,) = rng.choices([*group, None], [*weights, max(0.0, 1 - sum(weights))])
        new = REWORD[kind](question, rng) if kind else question
        if new != question:
            question = new
            kinds.append(kind)
    return question, kinds


def main():
    parser = squad.Parser(__doc__)
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_shares({kind: share for group in SHARES for kind, share in group.items()}, "of the questions")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    shares = parser.shares(args, KINDS)
    for group in SHARES:
        if sum(shares[kind] for kind in group) > 1:
            parser.error(f"--{' and --'.join(group)}: expected a sum of at most 1")
    data, rng, counts = squad.read(args.data, args.out), random.Random(args.seed), collections.Counter()
    questions = [question for paragraph in squad.paragraphs(data) for question in paragraph["qas"]]
    if any(MARK.match(question["id"]) for question in questions):
        squad.fail(f"`{args.data}`: already contains reworded questions", "give the original data")
    for question in questions:
        question["question"], kinds = reworded(question["question"], shares, rng)
        if kinds:
            question["id"] = f"{'+'.join(kinds)}:{question['id']}"
            counts.update([*kinds, "reworded"])
    squad.write(data, args.out)
    print(f"{len(questions):,} questions, {counts['reworded']:,} of them reworded")
    print(", ".join(f"{kind} {counts[kind]:,}" for kind in KINDS if counts[kind]))


if __name__ == "__main__":
    main()
