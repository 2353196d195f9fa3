"""Draws a share of the texts of a file, and of the questions about them.

    python recipes/sample.py qamr.json.gz qamr-train.json.gz --texts 0..0.9 --questions 0.5
    python recipes/sample.py qamr.json.gz qamr-dev.json.gz --texts 0.9..1

Reads data in the format of SQuAD and writes them in the same format, compressed with gzip if the name ends in `.gz`.
The script needs only Python. Every text has a number from 0 to 1, which is a hash of the text alone; `--texts` keeps
those from the first number up to the second. So ranges that do not overlap have no text in common, whatever the order
of the data and however often a text occurs: one is for training, another for measuring. `--questions` keeps that share
of the questions about the texts, by a hash of their ids and the seed. A text without a question stays as a neighbour in
long documents, but an article without a question is left out.
"""

import hashlib

import squad


def number(text):
    """A number from 0 to below 1, as a function of the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def share_range(parser, text):
    try:
        first, last = (float(part) for part in text.split(".."))
    except ValueError:
        first, last = 1.0, 0.0
    if not 0 <= first < last <= 1:
        parser.error(f"--texts {text}: expected two numbers from 0 to 1, such as 0..0.9")
    return first, last


def main():
    parser = squad.Parser(__doc__)
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--texts", default="0..1", metavar="A..B")
    parser.add_argument("--questions", type=float, default=1.0, metavar="SHARE")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    first, last = share_range(parser, args.texts)
    if not 0 < args.questions <= 1:
        parser.error(f"--questions {args.questions}: expected a share above 0, at most 1")
    data = squad.read(args.data, args.out)
    for article in data["data"]:
        article["paragraphs"] = [p for p in article["paragraphs"] if first <= number(p["context"]) < last]
        for paragraph in article["paragraphs"]:
            drawn = [q for q in paragraph["qas"] if number(f"{args.seed} {q['id']}") < args.questions]
            paragraph["qas"] = drawn
    data["data"] = [a for a in data["data"] if any(paragraph["qas"] for paragraph in a["paragraphs"])]
    if not data["data"]:
        squad.fail(f"`{args.data}`: no question is drawn", "draw a larger share")
    squad.write(data, args.out)
    counts = [len(paragraph["qas"]) for paragraph in squad.paragraphs(data)]
    print(f"{sum(counts):,} questions about {sum(count > 0 for count in counts):,} texts")


if __name__ == "__main__":
    main()
