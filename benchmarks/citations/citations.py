"""Faithful and forged quotations of real texts, checked by `longspan cite` and by what people write themselves.

    python benchmarks/citations/citations.py --longspan target/release/longspan --documents FOLDER --contracts CUAD_JSON_GZ

FOLDER has the texts `*.txt` and `*.txt.gz` and PDF documents; CUAD_JSON_GZ has contracts in SQuAD's form. The script draws
spans of the texts with a fixed seed, and makes 2,000 faithful quotations of them, with twelve kinds of damage that does not
change what they say, and 2,000 forgeries of eight kinds. It prints for each kind what `longspan cite` says, whether a proven
quotation is where it was taken from, and whether a forgery of one word is `altered` with exactly that edit. Beside it stand
three checks: Python's `in` after white space was collapsed, the ratio of difflib of the window around the longest match, 0.92
or more, and rapidfuzz's `partial_ratio_alignment`, 92 or more. difflib is slow and sees every `--share`th quotation.

It needs rapidfuzz, unless `--only longspan` is given.
"""

import argparse
import difflib
import gzip
import json
import random
import re
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

FAITHFUL = ["none", "line ends", "hyphens", "ligatures", "columns", "ocr", "case", "marks", "elisions", "brackets", "heads",
            "spaces"]
FORGED = ["number", "negation", "name", "date", "tail", "spliced", "left out", "other document"]
ONE_WORD = ["number", "negation", "name", "date"]

MONTHS = "January February March April May June July August September October November December".split()
NUMBER_WORDS = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty sixty ninety".split()
NEGATIONS = set("not no nor never none neither nothing nobody nowhere cannot without except unless non hardly".split())
UNITS = set("one hundred thousand million once percent day days week weeks month months year years hour hours minutes dollars".split())
LIGATURES = {"ffi": "ﬃ", "ffl": "ﬄ", "ff": "ﬀ", "fi": "ﬁ", "fl": "ﬂ"}
OCR = [("rn", "m"), ("l", "1"), ("O", "0"), ("e", "c"), ("h", "b"), ("cl", "d"), ("i", "j")]


def documents(folder, contracts, program, count):
    """(name, path or None, text) of each document; the text of a PDF is what the program reads."""
    found = []
    for path in sorted(Path(folder).iterdir()) if Path(folder).exists() else []:
        if path.name.endswith((".txt", ".txt.gz")):
            data = path.read_bytes()
            text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
            found.append((path.name.removesuffix(".gz"), None, text))
        elif path.suffix == ".pdf" and "encrypted" not in path.name and program:
            text = subprocess.run([program, "text", path], capture_output=True, check=True).stdout.decode()
            found.append((path.name, path, text))
    articles = json.load(gzip.open(contracts))["data"][:count]
    for number, article in enumerate(articles):
        found.append((f"contract-{number:02}.txt", None, article["paragraphs"][0]["context"]))
    return found


def paged(text):
    """The text with a running head and a page number every 40 lines or so, and where these stand."""
    pages, lines, number = [], text.split("\n"), 1
    for start in range(0, len(lines), 40):
        head = f"Standards and Agreements    Page {number}\n\n" if number > 1 else ""
        pages.append(head + "\n".join(lines[start : start + 40]) + f"\n\n{number}\n")
        number += 1
    return "\f".join(pages)


class Spans:
    """Draws spans of a text that begin and end with words."""

    def __init__(self, name, text, rng):
        self.name, self.text, self.rng = name, text, rng
        self.words = [match for match in re.finditer(r"\S+", text)]

    def draw(self, least, most):
        for _ in range(1000):
            first = self.rng.randrange(max(1, len(self.words) - most))
            last = min(first + self.rng.randint(least, most), len(self.words)) - 1
            start, end = self.words[first].start(), self.words[last].end()
            span = self.text[start:end]
            is_prose = sum(c.isalpha() for c in span) > 0.7 * len(span) and "\f" not in span and "\n\n" not in span
            is_plain = not re.search(r"\.\s*\.\s*\.|…|\[|\]|\*\*|__", span)
            starts = span[0].isalpha() and span[-1].isalpha() and not re.search(r"[-/'’]$", self.text[start - 1 : start])
            if is_prose and is_plain and starts and re.match(r"\s|$|[.,;:)]", self.text[end : end + 1] or " "):
                return start, end
        return None


def flat(text):
    return " ".join(text.split())


def letters(text):
    return re.sub(r"\W", "", text.lower())


def damaged(kind, span, spans, start, end, rng):
    """The span with a kind of damage, or None if it has nothing to damage."""
    quote, words = flat(span), flat(span).split()
    if kind == "none":
        return span
    if kind == "line ends":
        return "".join(word + rng.choice([" ", " ", "\n", "\r\n", " \n  "]) for word in words).strip()
    if kind == "spaces":
        return "".join(word + rng.choice([" ", "  ", "\u00a0", "   "]) for word in words).strip()
    if kind in ["hyphens", "columns"]:
        out, broken = [], 0
        for word in words:
            if len(word) > 6 and word.isalpha() and word.islower() and rng.random() < 0.5:
                at = rng.randrange(3, len(word) - 2)
                word = word[:at] + (rng.choice(["-\n", "- ", "\u00ad", "-\n   "]) if kind == "hyphens" else "-\n") + word[at:]
                broken += 1
            out.append(word)
        joint = "\n" if kind == "columns" else " "
        return (joint if rng.random() < 0.3 else " ").join(out) if broken else None
    if kind == "ligatures":
        changed = quote
        for plain, ligature in LIGATURES.items():
            changed = changed.replace(plain, ligature)
        return changed if changed != quote else None
    if kind == "ocr":
        out = list(words)
        for _ in range(max(1, len(words) // 12)):
            at = rng.randrange(len(out))
            for old, new in rng.sample(OCR, len(OCR)):
                if old in out[at] and out[at].isalpha():
                    out[at] = out[at].replace(old, new, 1)
                    break
        return " ".join(out) if out != words else None
    if kind == "case":
        if quote[0].isupper() and not re.search(r"[.!?]\s+$|\n\s*\n\s*$", spans.text[:start][-8:]):
            return None  # a name in small letters is no faithful quotation
        first = quote[0].lower() if quote[0].isupper() else quote[0].upper()
        return first + quote[1:]
    if kind == "marks":
        table = str.maketrans({'"': rng.choice("“”«"), "'": "’", "’": "'", "“": '"', "”": '"', "-": "‑", "—": "–"})
        changed = quote.translate(table)
        return changed if changed != quote else None
    if kind == "elisions":
        if len(words) < 14:
            return None
        first = rng.randrange(4, len(words) - 8)
        last = rng.randrange(first + 4, len(words) - 3)
        around = [re.sub(r"\W", "", word.lower()) for word in words[first - 1 : last + 1]]
        parts_number = [is_count(around[0]), is_count(around[-1])]
        if NEGATIONS.intersection(around[1:-1]) or any("n't" in word or "n’t" in word for word in words[first:last]):
            return None  # an elision that hides a negation is no faithful one
        if any(parts_number):
            return None  # nor is one that parts a number from its unit
        return " ".join(words[:first] + [rng.choice(["…", "[…]", "...", "[...]"])] + words[last:])
    if kind == "brackets":
        at = rng.randrange(2, len(words) - 2)
        if words[at - 1][-1] in ".,;:(":
            return None
        return " ".join(words[:at] + [rng.choice(["[the Company]", "[sic]", "[emphasis added]", "[as amended]"])] + words[at:])
    raise ValueError(kind)


def is_count(word):
    return bool(re.search(r"\d", word)) or word in NUMBER_WORDS or word in UNITS


def is_name(words, at, text_names):
    word = words[at]
    return at > 0 and word in text_names and word.isalpha() and words[at - 1][-1] not in ".!?:\"”"


def forged(kind, span, names, rng):
    """The span with a forgery of one word, what it says now and what it said, or None."""
    words = flat(span).split()
    order = list(range(1, len(words) - 1))
    rng.shuffle(order)
    for at in order:
        core = words[at].strip(".,;:()")
        new = None
        if kind == "number" and core.isdigit() and words[at - 1] not in MONTHS and len(core) < 4 and core == words[at].strip("(),;"):
            new = str(int(core) + rng.choice([1, 2, 5, 10, 30]))
        elif kind == "number" and core in NUMBER_WORDS:
            new = rng.choice([word for word in NUMBER_WORDS if word != core])
        elif kind == "date" and core in MONTHS and core != "May":
            new = rng.choice([month for month in MONTHS if month not in (core, "May")])
        elif kind == "date" and re.fullmatch(r"(19|20)\d\d", core):
            new = str(int(core) + rng.choice([-1, 1, 2, 10]))
        elif kind == "name" and is_name(words, at, names):
            new = rng.choice([name for name in names if name.lower() != core.lower()])
        elif kind == "negation" and core == "not":
            return " ".join(words[:at] + words[at + 1 :]), ("", "not")
        elif kind == "negation" and words[at] in ["shall", "may", "will", "must", "is", "are", "was"] and words[at + 1] != "not":
            if "not" not in words:
                return " ".join(words[: at + 1] + ["not"] + words[at + 1 :]), ("not", "")
        if new:
            changed = words[at].replace(core, new)
            return " ".join(words[:at] + [changed] + words[at + 1 :]), (new, core)
    return None


def cases(found, rng, count):
    """Quotations, as dicts: document, quote, kind, is_faithful, start and end in the text or None, edit or None."""
    spans = [Spans(name, text, rng) for name, _, text in found]
    texts = {name: letters(text) for name, _, text in found}
    names = {}
    for name, _, text in found:
        capital = Counter(re.findall(r"(?<=[a-z,] )([A-Z][a-z]{3,})\b", text))
        names[name] = [word for word, times in capital.most_common(200) if times > 2 and word not in MONTHS and word != "May"]
    drawn = []
    per = -(-count // len(FAITHFUL))
    paged_names = [name for name, path, _ in found if name.startswith("paged-")]
    for kind in FAITHFUL:
        made = 0
        while made < per and len(drawn) < count:
            source = rng.choice(spans)
            if (kind == "heads") != (source.name in paged_names):
                continue
            if kind == "heads":
                case = across(source, rng)
            else:
                case = None
                if place := source.draw(6, 40):
                    quote = damaged(kind, source.text[place[0] : place[1]], source, *place, rng)
                    case = quote and (quote, *place)
            if case:
                quote, start, end = case
                drawn.append(dict(document=source.name, quote=quote, kind=kind, is_faithful=True, start=start, end=end, edit=None))
                made += 1
    per = -(-count // len(FORGED))
    plain = [source for source in spans if source.name not in paged_names]
    for kind in FORGED:
        made = 0
        while made < per and len(drawn) < 2 * count:
            source = rng.choice(plain)
            if kind in ONE_WORD and not names[source.name]:
                continue
            place = source.draw(8, 40)
            if not place:
                continue
            span, edit = source.text[place[0] : place[1]], None
            words = flat(span).split()
            if kind in ONE_WORD:
                changed = forged(kind, span, names[source.name], rng)
                if not changed:
                    continue
                quote, edit = changed
            elif kind == "left out":
                at = rng.randrange(2, len(words) - 4)
                quote = " ".join(words[:at] + words[at + rng.randint(1, 4) :])
            else:
                other = rng.choice([other for other in plain if (other is source) == (kind == "spliced")])
                second = other.draw(8, 40)
                if not second or (kind == "spliced" and abs(second[0] - place[0]) < 8000):
                    continue
                tail = flat(other.text[second[0] : second[1]]).split()
                quote = {"tail": " ".join(words[: -(-2 * len(words) // 3)] + tail[: len(words) // 3]),
                         "spliced": " ".join(words[: len(words) // 2] + tail[len(tail) // 2 :]),
                         "other document": " ".join(tail)}[kind]
            if letters(quote) in texts[source.name]:
                continue  # the text says this too
            drawn.append(dict(document=source.name, quote=quote, kind=kind, is_faithful=False, start=None, end=None, edit=edit))
            made += 1
    return drawn


def across(source, rng):
    """A quotation over the end of a page, without what stands between."""
    breaks = [match for match in re.finditer(r"\n\n\d+\n\fStandards and Agreements    Page \d+\n\n", source.text)]
    for _ in range(100):
        at = rng.choice(breaks)
        before = [word for word in re.finditer(r"\S+", source.text[max(0, at.start() - 200) : at.start()])][-8:]
        behind = [word for word in re.finditer(r"\S+", source.text[at.end() : at.end() + 200])][:8]
        if len(before) < 8 or len(behind) < 8:
            continue
        parts = source.text[max(0, at.start() - 200) : at.start()][before[0].start() :], source.text[at.end() : at.end() + behind[-1].end()]
        if any("\n\n" in part.strip() for part in parts):
            continue  # what the text itself has between its pages
        start = max(0, at.start() - 200) + before[0].start()
        end = at.end() + behind[-1].end()
        quote = flat(source.text[start : at.start()]) + " " + flat(source.text[at.end() : end])
        near = source.text[start - 1 : start] + source.text[end : end + 1]
        is_prose = sum(c.isalpha() for c in quote) > 0.75 * len(quote) and quote[0].isalpha() and quote[-1].isalpha()
        if is_prose and not re.search(r"\.\s*\.\s*\.|…|\[|\]|_", quote) and not near.strip():
            return quote, start, end
    return None


def write(found, folder):
    """The files of the documents."""
    paths = {}
    for name, path, text in found:
        paths[name] = path or Path(folder) / name
        if not path:
            paths[name].write_bytes(text.encode())
    return paths


def of_longspan(program, drawn, paths, folder):
    """The objects of `longspan cite --json` for all quotations, and the seconds of all runs."""
    answers, seconds = {}, 0.0
    for name, path in paths.items():
        own = [index for index, case in enumerate(drawn) if case["document"] == name]
        if not own:
            continue
        list_ = Path(folder) / "quotes.jsonl"
        list_.write_text("".join(json.dumps({"id": str(index), "quote": drawn[index]["quote"]}) + "\n" for index in own))
        started = time.perf_counter()
        ran = subprocess.run([program, "cite", "--json", "--fail-on", "none", "--quotes", list_, path], capture_output=True, check=True)
        seconds += time.perf_counter() - started
        for line in ran.stdout.decode().splitlines():
            answers[int(json.loads(line)["id"])] = json.loads(line)
    return [answers[index] for index in range(len(drawn))], seconds


def report(drawn, answers):
    """Prints a table for each kind, and the goals."""
    print(f"{'kind':<16}{'cases':>6}{'exact':>7}{'normal.':>8}{'altered':>8}{'not f.':>7}{'place':>7}{'edit':>7}")
    sums = Counter()
    for is_faithful, kinds in [(True, FAITHFUL), (False, FORGED)]:
        for kind in kinds:
            own = [(case, answer) for case, answer in zip(drawn, answers) if case["kind"] == kind and case["is_faithful"] == is_faithful]
            status = Counter(answer["status"] for _, answer in own)
            proven = status["exact"] + status["normalised"]
            place = sum(is_placed(case, answer) for case, answer in own) if is_faithful else ""
            edit = sum(has_edit(case, answer) for case, answer in own) if kind in ONE_WORD else ""
            print(f"{kind:<16}{len(own):>6}{status['exact']:>7}{status['normalised']:>8}{status['altered']:>8}"
                  f"{status['not_found']:>7}{place:>7}{edit:>7}")
            if is_faithful and kind != "ocr":
                sums["faithful"] += len(own)
                sums["right"] += place
            if not is_faithful:
                sums["forged"] += len(own)
                sums["passed"] += proven
            if kind in ONE_WORD:
                sums["one word"] += len(own)
                sums["edit"] += edit
    print(f"faithful but OCR, proven at the right place: {sums['right']} of {sums['faithful']}, "
          f"{100 * sums['right'] / sums['faithful']:.2f}%")
    print(f"forgeries passed: {sums['passed']} of {sums['forged']}")
    print(f"forgeries of one word, altered with exactly that edit: {sums['edit']} of {sums['one word']}, "
          f"{100 * sums['edit'] / sums['one word']:.2f}%")


def is_placed(case, answer):
    """Whether a proven quotation is where it was taken from, or has more places than are listed."""
    if answer["status"] not in ["exact", "normalised"]:
        return False
    near = any(place["start"] < case["end"] and case["start"] < place["end"] for place in answer["places"])
    return near or answer["places_count"] > len(answer["places"])


def has_edit(case, answer):
    edits = [(edit["from"], edit["to"]) for edit in answer["edits"]]
    return answer["status"] == "altered" and edits == [tuple(case["edit"])]


def peers(drawn, texts, share):
    """False alarms, forgeries passed and seconds of the three checks that people write."""
    from rapidfuzz import fuzz

    flats = {name: flat(text) for name, text in texts.items()}

    def by_in(quote, text):
        return flat(quote) in text

    def by_difflib(quote, text):
        quote = flat(quote)
        matcher = difflib.SequenceMatcher(None, text, quote, autojunk=False)
        best = matcher.find_longest_match()
        start = max(0, best.a - best.b)
        return difflib.SequenceMatcher(None, text[start : start + len(quote)], quote, autojunk=False).ratio() >= 0.92

    def by_rapidfuzz(quote, text):
        return fuzz.partial_ratio_alignment(flat(quote), text, score_cutoff=92) is not None

    for name, check, step in [("in", by_in, 1), ("difflib 0.92", by_difflib, share), ("rapidfuzz 92", by_rapidfuzz, 1)]:
        some, started = drawn[::step], time.perf_counter()
        says = [check(case["quote"], flats[case["document"]]) for case in some]
        seconds = time.perf_counter() - started
        faithful = [said for case, said in zip(some, says) if case["is_faithful"] and case["kind"] != "ocr"]
        forgeries = [said for case, said in zip(some, says) if not case["is_faithful"]]
        print(f"{name}: false alarms {faithful.count(False)} of {len(faithful)}, forgeries passed {sum(forgeries)} of "
              f"{len(forgeries)}, {seconds:.2f} s for {len(some)}")


def speed(program, books, contracts, rng):
    """Prints the seconds for 1,000 quotations in a book of 200,000 words, and in a folder of 100 contracts, on one core."""
    words = []
    for line in gzip.open(books, "rt"):
        words.append(json.loads(line)["text"])
        if sum(len(text.split()) for text in words) > 200_000:
            break
    book = [("book.txt", None, "\n\n".join(words))]
    folder = [(name, path, text) for name, path, text in documents("/nonexistent", contracts, None, 100)]
    for found in [book, folder]:
        plain = [Spans(name, text, rng) for name, _, text in found]
        quotes = []
        while len(quotes) < 1000:
            source = rng.choice(plain)
            if place := source.draw(8, 40):
                span, kind = source.text[place[0] : place[1]], rng.choice(["none", "hyphens", "spaces", "case", "number", "negation"])
                names = ["Smith"]
                quote = forged(kind, span, names, rng) if kind in ONE_WORD else damaged(kind, span, source, *place, rng)
                quote = quote[0] if isinstance(quote, tuple) else quote
                if quote:
                    quotes.append({"quote": quote})
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "documents").mkdir()
            write(found, Path(scratch) / "documents")
            list_ = Path(scratch) / "quotes.jsonl"
            seconds = []
            for own in [quotes, quotes[:1]]:
                list_.write_text("".join(json.dumps(quote) + "\n" for quote in own))
                command = ["taskset", "-c", "0", program, "cite", "-r", "--json", "--fail-on", "none", "--quotes", list_, Path(scratch) / "documents"]
                runs = []
                for _ in range(5):
                    started = time.perf_counter()
                    subprocess.run(command, capture_output=True, check=True)
                    runs.append(time.perf_counter() - started)
                seconds.append(sorted(runs)[2])
        count = sum(len(text.split()) for _, _, text in found)
        print(f"{len(found)} documents of {count:,} words: 1,000 quotations {seconds[0]:.2f} s, one {seconds[1]:.2f} s")


def drawn_cases(arguments):
    rng = random.Random(arguments.seed)
    found = documents(arguments.documents, arguments.contracts, arguments.longspan, arguments.contracts_count)
    for name, path, text in list(found):
        if not path and text.count("\n") > 400:
            found.append((f"paged-{name}", None, paged(text)))
    return found, cases(found, rng, arguments.count)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longspan")
    parser.add_argument("--documents", required=True)
    parser.add_argument("--contracts", required=True)
    parser.add_argument("--contracts-count", type=int, default=40)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--share", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=["longspan"])
    parser.add_argument("--books", help="books as JSON lines, packed: measure the speed on a long one too")
    parser.add_argument("--wrong", help="write the cases that miss a goal to this file")
    arguments = parser.parse_args()
    found, drawn = drawn_cases(arguments)
    with tempfile.TemporaryDirectory() as folder:
        paths = write(found, folder)
        answers, seconds = of_longspan(arguments.longspan, drawn, paths, folder)
    report(drawn, answers)
    print(f"longspan cite: {seconds:.2f} s for {len(drawn)} quotations in {len(paths)} runs")
    if arguments.wrong:
        with open(arguments.wrong, "w") as out:
            for case, answer in zip(drawn, answers):
                fine = is_placed(case, answer) if case["is_faithful"] else answer["status"] in ["altered", "not_found"]
                if not fine or (case["edit"] and not has_edit(case, answer)):
                    said = {key: answer[key] for key in ["status", "edits", "reasons", "nearest"]}
                    out.write(json.dumps({**case, **said}, ensure_ascii=False) + "\n")
    if arguments.books:
        speed(arguments.longspan, arguments.books, arguments.contracts, random.Random(arguments.seed))
    if not arguments.only:
        peers(drawn, {name: text for name, _, text in found}, arguments.share)


if __name__ == "__main__":
    main()
