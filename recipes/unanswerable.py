"""Adds questions without an answer to SQuAD data, made by altering questions that have one.

    python recipes/unanswerable.py train-v2.0.json.gz train-altered.json.gz [--questions 30000] [--seed 1]

Reads SQuAD and writes SQuAD v2.0, compressed with gzip if the name ends in `.gz`. The script needs only Python. Each
altered question is added to the paragraph of its original. The paragraph still seems to match the question, but in
most cases does not answer it:

    antonym     Who was the *first* president?           Who was the *last* president?
    year        What opened in *1897*?                   What opened in *1898*?
    name        When did *Napoleon* marry?               When did *Wellington* marry? (from paragraph or article)
    negation    Where was it used?                       Where was *never* it used?

The kinds of alteration are those that the authors of SQuAD v2.0 found in its unanswerable questions (Rajpurkar, Jia,
Liang, "Know what you don't know", arXiv 1806.03822). A few of the altered questions do have an answer, and many are
not good English. The script is for English data only.
"""

import random
import re

import squad

QUESTIONS_MAX = 1_000_000_000
MARK = "altered-"  # prefix of the ids of altered questions
SHARES = {"antonym": 0.4, "name": 0.4, "negation": 0.1, "year": 0.1}

ANTONYMS = """
    above below, accept reject, accepted rejected, add remove, added removed, agree disagree, agreed disagreed,
    all none, allowed forbidden, always never, ancient modern, arrive depart, arrived departed, before after,
    began ended, begins ends, best worst, better worse, biggest smallest, born killed, bought sold, boys girls,
    built destroyed, buy sell, can cannot, common rare, create destroy, created destroyed, day night, dead alive,
    died survived, domestic foreign, earlier later, earliest latest, early late, east west, eastern western,
    enter leave, entered left, export import, false true, fast slow, fastest slowest, father mother, first last,
    fell rose, founded dissolved, full empty, gain lose, gained lost, heavy light, high low, higher lower,
    highest lowest, hot cold, hottest coldest, husband wife, improve worsen, improved worsened, include exclude,
    included excluded, includes excludes, increase decrease, increase reduce, increased decreased,
    increases decreases, inside outside, internal external, join leave, joined left, king queen, known unknown,
    large small, larger smaller, largest smallest, legal illegal, longer shorter, longest shortest, main secondary,
    major minor, majority minority, male female, man woman, maximum minimum, men women, more fewer, more less,
    most least, native foreign, north south, northern southern, often rarely, old new, older younger, oldest newest,
    oldest youngest, open close, opened closed, popular unpopular, positive negative, possible impossible,
    primary secondary, public private, rich poor, richest poorest, rise fall, same different, simple complex,
    son daughter, spring autumn, started ended, starts ends, strong weak, strongest weakest, succeeded failed,
    success failure, summer winter, support oppose, supported opposed, under over, upper lower, urban rural,
    usually rarely, wet dry, wide narrow, win lose, with without, won lost
"""

AUXILIARY = re.compile(
    r"\b(is|are|was|were|did|does|do|has|have|had|can|could|would|will|should|may|might|must)\b(?!'| not| never)"
)
WORD = r"[A-Z](?:\.(?=\W)|[\w-]+)"  # an initial or a whole word
NAME = re.compile(rf"\b{WORD}(?: (?:(?:of|the|and|de|von|van|for) )?{WORD})*")
QUESTION_WORD = re.compile(r"(?:What|Which|Who|Whom|Whose|When|Where|Why|How|In|On|At|The|A|An) ")
YEAR = re.compile(r"\b(?:1\d{3}|20\d\d)\b")


def antonyms():
    """A dictionary from each word to its antonyms."""
    found = {}
    for pair in ANTONYMS.split(","):
        a, b = pair.split()
        found.setdefault(a, []).append(b)
        found.setdefault(b, []).append(a)
    return found


def names(text):
    """The distinct names in a text: capitalised words, except a single one at the beginning of a sentence."""
    found = {}
    for match in NAME.finditer(text):
        before = text[: match.start()].rstrip()
        begins = not before or before[-1] in ".?!\""
        name = QUESTION_WORD.sub("", match.group(), count=1) if begins else match.group()
        if len(name) > 2 and (not begins or " " in match.group()):
            found[name] = None
    return list(found)


def replaced(question, part, other):
    """Replaces the first occurrence of `part` that is not inside a longer word."""
    return re.sub(rf"\b{re.escape(part)}(?!\w)", lambda _: other, question, count=1)


class Alterations:
    """The four ways to alter the questions of one paragraph."""

    def __init__(self, paragraph, of_article, opposites, rng):
        self.names, self.of_article, self.opposites, self.rng = names(paragraph), of_article, opposites, rng
        self.years = sorted(set(YEAR.findall(paragraph)))

    def antonym(self, question, _answers):
        words = [word for word in re.findall(r"[A-Za-z]+", question) if word.lower() in self.opposites]
        if not words:
            return None
        word = self.rng.choice(words)
        other = self.rng.choice(self.opposites[word.lower()])
        return replaced(question, word, other.capitalize() if word[0].isupper() else other)

    def year(self, question, _answers):
        years = YEAR.findall(question)
        if not years:
            return None
        year = self.rng.choice(years)
        others = [other for other in self.years if other != year]
        near = str(int(year) + self.rng.choice([-7, -5, -3, -2, -1, 1, 2, 3, 4, 6, 10]))
        return replaced(question, year, self.rng.choice(others) if others and self.rng.random() < 0.6 else near)

    def name(self, question, answers):
        own = [name for name in names(question) if name not in answers]
        if not own:
            return None
        name = self.rng.choice(own)
        words = len(name.split())

        def fits(other):
            alike = abs(len(other.split()) - words) <= 1 and name not in other
            return alike and other not in question and not any(answer in other for answer in answers)

        near = [other for other in self.names if fits(other)]
        if near and self.rng.random() < 2 / 3:
            return replaced(question, name, self.rng.choice(near))
        far = [other for other in self.of_article if other not in self.names and fits(other)]
        return replaced(question, name, self.rng.choice(far)) if far else None

    def negation(self, question, _answers):
        return AUXILIARY.sub(rf"\1 {self.rng.choice(['not', 'never'])}", question, count=1)


def altered(data, count, rng):
    """About `count` altered questions, keyed by the (article, paragraph, question) indices of their originals."""
    opposites, found = antonyms(), {kind: [] for kind in SHARES}
    for a, article in enumerate(data["data"]):
        of_article = list(dict.fromkeys(name for p in article["paragraphs"] for name in names(p["context"])))
        for p, paragraph in enumerate(article["paragraphs"]):
            alterations = Alterations(paragraph["context"], of_article, opposites, rng)
            asked = {question["question"].strip().casefold() for question in paragraph["qas"]}
            for q, question in enumerate(paragraph["qas"]):
                if question.get("is_impossible") or not question["answers"]:
                    continue
                text, answers = question["question"], [answer["text"] for answer in question["answers"]]
                for kind in SHARES:
                    new = getattr(alterations, kind)(text, answers)
                    if new and new.strip().casefold() not in asked:
                        asked.add(new.strip().casefold())
                        found[kind].append(((a, p, q), new))
    # At most one alteration per question; the rarest kinds choose first.
    chosen = {}
    for kind in sorted(SHARES, key=lambda kind: len(found[kind])):
        free = [(place, new) for place, new in found[kind] if place not in chosen]
        chosen.update(rng.sample(free, min(len(free), round(SHARES[kind] * count))))
    return chosen


def main():
    parser = squad.Parser(__doc__)
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--questions", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if not 1 <= args.questions <= QUESTIONS_MAX:
        parser.error(f"--questions {args.questions}: expected 1 to {QUESTIONS_MAX}")
    data = squad.read(args.data, args.out)
    if any(question["id"].startswith(MARK) for p in squad.paragraphs(data) for question in p["qas"]):
        squad.fail(f"`{args.data}`: already contains altered questions", "give the original data")
    chosen = altered(data, args.questions, random.Random(args.seed))
    if not chosen:
        squad.fail(f"`{args.data}`: no question can be altered", "give English questions that have an answer")
    for (a, p, q), text in sorted(chosen.items()):
        beside = data["data"][a]["paragraphs"][p]["qas"]
        beside.append({"id": f"{MARK}{beside[q]['id']}", "question": text, "answers": [], "is_impossible": True})
    squad.write(data, args.out)
    print(f"{len(chosen):,} questions added, {args.questions:,} requested")


if __name__ == "__main__":
    main()
