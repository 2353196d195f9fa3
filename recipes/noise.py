"""Makes texts look as those of files often do: hard-wrapped lines, page headers, reading errors, Markdown, tables.

    python recipes/noise.py train-v2.0.json.gz train-noisy.json.gz [--wrapped 0.2] [--tables 0.1] … [--seed 1]
    python recipes/noise.py dev-v2.0.json.gz dev-read.json.gz --only read

Reads data in the format of SQuAD and writes them with the same questions, compressed with gzip if the name ends in
`.gz`. The script needs only Python. The option of a kind sets its share of the texts; a text can get several:

    wrapped   every line ends after 50 to 90 characters
    headers   page numbers and the title between lines, about once in 1,800 characters
    read      errors of optical character recognition: rn for m, 1 for l, words broken by a space or a hyphen
    marked    Markdown: a heading, list items, bold names, links
    tables    a small table of unrelated names and numbers

Offsets of answers are moved with the text. What changes letters or line ends also falls inside answers: there, the
answer becomes the noisy text, because that is what a reader must return. What is inserted (headers, marks, tables)
stays outside answers. Plausible answers of unanswerable questions are left out. The script is for English data only.
"""

import collections
import random
import re

import squad
from unanswerable import NAME, names

SHARES = {"wrapped": 0.15, "headers": 0.08, "read": 0.08, "marked": 0.06, "tables": 0.05}
PAGE = 1_800  # characters between two page headers
LINE = (50, 90)  # bounds of the line length
READ_SHARE = (0.01, 0.06)  # bounds of the share of words with a reading error
MISREAD = "m rn, rn m, l 1, 1 l, O 0, 0 O, d cl, cl d, h li, li h, e c, S 5, w vv, fi \ufb01"
MISREAD = [tuple(pair.split()) for pair in MISREAD.split(",")]
HEADERS = [
    "\n\n{page}\n\n",
    "\n\n- {page} -\n\n",
    "\nPage {page} of {of}\n",
    "\n{title}    {page}\n",
    "\n\n{page}\n\n\f{title}\n\n",
]
COLUMNS = ["Year", "Total", "Share", "Count", "Rank", "Amount", "Change", "Code"]
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


class Text:
    """A text with the (begin, end) of its answers. An edit replaces a (begin, end) of the text by something else."""

    def __init__(self, text, spans):
        self.text, self.spans = text, spans

    def cuts(self, begin, end):
        """Whether an edit would replace letters on both sides of the begin or the end of an answer."""
        return any(begin < place < end for span in self.spans for place in span)

    def inside(self, begin, end):
        """Whether an edit would reach into an answer."""
        return any(begin < last and first < end for first, last in self.spans)

    def edit(self, edits):
        """Makes edits, in order and without overlap. What is inserted where an answer ends is not part of it."""
        parts, done = [], 0
        for begin, end, new in edits:
            assert done <= begin <= end <= len(self.text) and not self.cuts(begin, end), (done, begin, end)
            parts += [self.text[done:begin], new]
            done = end

        def moved(place, is_end):
            before = [(b, e, new) for b, e, new in edits if e <= place and not (is_end and b == place)]
            return place + sum(len(new) - (e - b) for b, e, new in before)

        self.text = "".join([*parts, self.text[done:]])
        self.spans = [(moved(first, False), moved(last, True)) for first, last in self.spans]

    def answers(self):
        return [self.text[first:last] for first, last in self.spans]


def wrapped(text, _title, _others, rng):
    width, edits = rng.randint(*LINE), []
    line, last = 0, None  # where the line begins, and its last space so far
    for space in re.finditer(r"[ \n]", text.text):
        at = space.start()
        if text.text[at] == "\n":
            line, last = at + 1, None
            continue
        if at - line > width and last is not None:
            edits.append((last, last + 1, "\n"))
            line = last + 1
        last = at
    text.edit(edits)


def headers(text, title, _others, rng):
    form, page = rng.choice(HEADERS), rng.randint(1, 300)
    of = page + rng.randint(0, 300)
    spaces = [m.span() for m in re.finditer(r"\s+", text.text) if not text.inside(*m.span())]
    lines = [(begin, end) for begin, end in spaces if "\n" in text.text[begin:end]]
    spaces = lines or spaces
    chosen = rng.sample(spaces, min(len(spaces), max(1, len(text.text) // PAGE)))
    text.edit([(b, e, form.format(page=page + i, of=of, title=title)) for i, (b, e) in enumerate(sorted(chosen))])


def read(text, _title, _others, rng):
    share, edits = rng.uniform(*READ_SHARE), []
    for word in re.finditer(r"\w{3,}", text.text):
        if rng.random() >= share:
            continue
        begin, end = word.span()
        if rng.random() < 0.3:
            at = rng.randrange(begin + 1, end)
            edit = (at, at, rng.choice([" ", "-\n"]))
        else:
            found = [(m.start(), m.end(), to) for seen, to in MISREAD for m in re.finditer(seen, word.group())]
            if not found:
                continue
            first, last, to = rng.choice(found)
            edit = (begin + first, begin + last, to)
        if not text.cuts(*edit[:2]):
            edits.append(edit)
    text.edit(edits)


def marked(text, title, _others, rng):
    edits = [(0, 0, f"{'#' * rng.randint(1, 3)} {title}\n\n")] if rng.random() < 0.5 else []
    as_list = rng.random() < 0.3
    for end in SENTENCE_END.finditer(text.text):
        if as_list and not text.inside(*end.span()):
            edits.append((*end.span(), "\n- "))
    marks = [("**", "**"), ("*", "*"), ("`", "`"), ("[", f"](https://example.org/{rng.randint(1, 999)})")]
    for name in NAME.finditer(text.text):
        first, last = name.span()
        if rng.random() < 0.2 and not text.inside(first, first) and not text.inside(last, last):
            before, after = rng.choice(marks)
            edits += [(first, first, before), (last, last, after)]
    text.edit(sorted(edits, key=lambda edit: edit[:2]))


def table(others, rng):
    """Lines of names and numbers, in one of three forms."""
    head = ["Name", *rng.sample(COLUMNS, rng.randint(1, 3))]
    chosen = rng.sample(others, min(4, len(others)))
    rows = [[name, *(f"{rng.randint(1, 9_999):,}" for _ in head[1:])] for name in chosen]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    form = rng.choice(["pipes", "tabs", "spaces"])
    if form == "pipes":
        lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
    elif form == "tabs":
        lines = ["\t".join(row) for row in [head, *rows]]
    else:
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [head, *rows]]
    return "\n\n" + "\n".join(lines) + "\n\n"


def tables(text, _title, others, rng):
    ends = [end.span() for end in SENTENCE_END.finditer(text.text) if not text.inside(*end.span())]
    if others:
        place = rng.choice([*ends, (len(text.text), len(text.text))])
        text.edit([(*place, table(others, rng))])


# In the order in which they are applied.
KINDS = {"wrapped": wrapped, "headers": headers, "read": read, "marked": marked, "tables": tables}


def add_noise(paragraph, title, others, shares, rng):
    """Changes a paragraph; returns the kinds that changed something."""
    answers = [answer for question in paragraph["qas"] for answer in question["answers"]]
    spans = [(answer["answer_start"], answer["answer_start"] + len(answer["text"])) for answer in answers]
    text, kinds = Text(paragraph["context"], spans), []
    for kind, change in KINDS.items():
        before, found = text.text, text.answers()
        if rng.random() < shares[kind] and before.strip():
            change(text, title, others, rng)
            assert kind == "read" or all(a.split() == b.split() for a, b in zip(found, text.answers())), found
            if text.text != before:
                kinds.append(kind)
    paragraph["context"] = text.text
    for answer, (first, last) in zip(answers, text.spans):
        answer["text"], answer["answer_start"] = text.text[first:last], first
    for question in paragraph["qas"]:
        question.pop("plausible_answers", None)
    return kinds


def main():
    parser = squad.Parser(__doc__)
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_shares(SHARES, "of the texts")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    shares = parser.shares(args, SHARES)
    data, rng, counts = squad.read(args.data, args.out), random.Random(args.seed), collections.Counter()
    of_articles = [names(" ".join(p["context"] for p in article["paragraphs"])) for article in data["data"]]
    texts = 0
    for a, article in enumerate(data["data"]):
        title = article.get("title", "").replace("_", " ") or "Contents"
        others = [found for b, found in enumerate(of_articles) if b != a]
        for paragraph in article["paragraphs"]:
            kinds = add_noise(paragraph, title, rng.choice(others) if others else [], shares, rng)
            counts.update([*kinds, "noisy"] if kinds else [])
            texts += 1
    squad.write(data, args.out)
    print(f"{texts:,} texts, {counts['noisy']:,} of them noisy")
    print(", ".join(f"{kind} {counts[kind]:,}" for kind in KINDS if counts[kind]))


if __name__ == "__main__":
    main()
