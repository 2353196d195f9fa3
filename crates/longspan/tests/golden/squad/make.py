"""Makes metrics.json: SQuAD's exact match and F1 for unusual pairs of answers, with Python's text functions.

The script was written from the description of the rules: lower-case the text, drop ASCII punctuation, replace the words
a, an and the by spaces, and split on white space. Exact match compares the remaining words, F1 compares them as bags.
Gold answers without remaining words are ignored; if none is left, the gold answer is the empty one.

    python make.py > metrics.json
"""

import collections
import json
import platform
import random
import re
import string
import sys
import unicodedata

PARTS = """
a|an|the|A|An|THE|aa|The's|a's|a-b|an.|"the"|(a)|_a_|a_b|the_|x_the|a1|1a|\u00e1|a\u0301|the\u0301|\u0301a|an\u0308|a\u200bb|
a\u200b|\u200dthe|a\u0903|\u0928\u092e\u0938\u094d\u0924\u0947|\u24d0|\u24b6|\u00aa|\u00bd|\u2460|\u2167|\u3007|\u4e00|the\u00b2|\u0663|a\u00b7|the\u2019s|\u2018a\u2019|\u201cthe\u201d|
a\u2014b|the\u2026|\u00a1a!|\u00bfthe?|a\u00a0the|a\u3000b|a\u2028b|a\x85b|a\x1cb|\x1d|\x1e|\x1f|the\x1fend|a\x1bb|\x00|\x0b|\x0c|\ufeffa|a\u180eb|
\u03a3|\u039f\u0394\u039f\u03a3|\u039f\u0394\u039f\u03a3.|\u03a3\u0391|A\u03a3\u0301|\u03a3'\u03a3|\u03bf\u03b4\u03bf\u03c2|\u03bf\u03b4\u03bf\u03c3|\u0130|i\u0307|\u0130stanbul|\u0131|I|\u1e9e|\u00df|SS|\ufb01|\u01c5|\u01c4|\u212a|k|\u2126|\u03c9|\u0345|
\U00010400|\U00010428|\U0001d400|\U0001f1e6|\U0001f170|\u13a0|\uab70|\u1c90|\u10d0|\u10a0|\u2d00|$5|5|50%|1,000|1000|3.14|314|c++|c|'|''|!?|--|
Paris|paris|PARIS|in|of|New York|new|york|Denver Broncos|broncos|\u0645\u0631\u062d\u0628\u0627|\u4e2d\u6587|\u4e2d|the\u4e2d|\ud55c\uad6d|\u05e9\u05c1|caf\u00e9|cafe\u0301|CAF\u00c9
"""
PARTS = PARTS.strip("\n").replace("|\n", "|").split("|")
SPACES = ["", "", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\x1f", "\u2009", "\u200b"]

BY_HAND = [
    ([], ""),
    ([], "something"),
    ([""], ""),
    (["the"], ""),
    (["the"], "a"),
    (["the", "..."], "x"),
    (["the", "x"], "x"),
    (["Denver Broncos"], "the Denver Broncos!"),
    (["Denver Broncos", "The Denver Broncos", "Broncos"], "broncos"),
    (["a b b c"], "b b b c"),
    (["b b b c"], "a b b c d"),
    (["one two three"], "three two one"),
    (["x"], ""),
    (["x"], "the"),
]


def normalised(answer):
    answer = "".join(character for character in answer.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", answer).split())


def f1(gold, prediction):
    gold, prediction = normalised(gold).split(), normalised(prediction).split()
    if not gold or not prediction:
        return float(gold == prediction)
    shared = (collections.Counter(gold) & collections.Counter(prediction)).total()
    if shared == 0:
        return 0.0
    precision, recall = shared / len(prediction), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def case(golds, prediction):
    counted = [gold for gold in golds if normalised(gold)] or [""]
    return {
        "golds": golds,
        "prediction": prediction,
        "normalised": normalised(prediction),
        "exact": float(any(normalised(gold) == normalised(prediction) for gold in counted)),
        "f1": max(f1(gold, prediction) for gold in counted),
    }


def main():
    choice = random.Random(2004_05150)

    def text(parts):
        return "".join(part + choice.choice(SPACES) for part in parts)

    cases = [case(golds, prediction) for golds, prediction in BY_HAND]
    cases += [case([part], part.upper() + " x") for part in PARTS]
    while len(cases) < 400:
        parts = choice.choices(PARTS, k=choice.randint(1, 5))
        golds = [text(parts)]
        if choice.random() < 0.3:
            golds.append(text(choice.choices(PARTS, k=2)))
        choice.shuffle(parts)
        prediction = text(parts[: choice.randint(0, 5)] + choice.choices(PARTS, k=choice.randint(0, 2)))
        cases.append(case(golds, prediction.swapcase() if choice.random() < 0.3 else prediction))
    versions = {"python": platform.python_version(), "unicode": unicodedata.unidata_version}
    json.dump({"versions": versions, "cases": cases}, sys.stdout, indent=0)
    print()


if __name__ == "__main__":
    main()
