"""Answers real questions with transformers' logits and the rule of the SQuAD script; the reader must answer alike.

    longspan convert embedded FOLDER
    python make.py SQUAD_JSON FOLDER

SQUAD_JSON is a SQuAD v2.0 dev file, plain or gzipped. FOLDER has the embedded model in f32, since transformers does not
read matrices in bytes; run this again whenever that model is replaced. The script writes golden.json.gz beside this file:

    made_with                   versions and seed
    licence                     of the questions and contexts, which are SQuAD's
    max_answer_length           for all cases
    null_score_diff_threshold   for all cases: the largest null_odds of an answer
    cases: [{
        setting         paragraph (one window), long (several paragraphs in one window), windows (several paragraphs in
                        several windows) or verified (like windows, with an excerpt that is read again)
        question, context
        max_tokens, doc_stride      null: the default
        verify_tokens   of the excerpt; 0: no verification
        windows, tokens             the number of windows; tokens of the context
        answered        whether null_odds is at most the threshold
        text            of the best span; present on abstention too, as are its places and logits:
        start_char, end_char, start_byte, end_byte, start_logit, end_logit
        score           of the best span
        no_answer_score, null_odds      of the excerpt, if one was read and has the higher null odds; the spans then share
                                        the rest of 1 as before
    }]

Scores are not calibrated. Everything is computed in the slow, obvious way: each window alone, each span alone.
"""

import argparse
import gzip
import json
import math
import random
from pathlib import Path

import torch
import transformers

HERE = Path(__file__).parent
SEED = 1
MAX_ANSWER_LENGTH = 30
THRESHOLD = 0.0
# A question is left out where two spans, or an answer and none, are so close that rounding decides between them.
CLEAR = 0.01


# ---- What is asked. ----


def choose(articles, rng):
    """(question, context, its settings) of more cases than are needed, in the order of use."""
    asked = {"paragraph": [], "long": []}
    for article in rng.sample(articles, len(articles)):
        paragraphs = article["paragraphs"]
        for impossible in (False, True, False, True):
            paragraph = rng.choice(paragraphs)
            question = pick_question(paragraph, impossible, rng)
            if question:
                asked["paragraph"].append((question, paragraph["context"], ["paragraph"]))
        document = neighbours(paragraphs, rng)
        question = pick_question(rng.choice(document), rng.random() < 0.3, rng)
        if question:
            context = "\n\n".join(paragraph["context"] for paragraph in document)
            asked["long"].append((question, context, ["long", "windows", "verified"]))
    return asked["paragraph"] + asked["long"]


def neighbours(paragraphs, rng):
    """About ten neighbouring paragraphs of one article, as many as make about 2,000 tokens."""
    while True:
        first = rng.randrange(len(paragraphs))
        for last in range(first, len(paragraphs)):
            document = paragraphs[first : last + 1]
            if sum(len(paragraph["context"]) for paragraph in document) > 9000:
                return document


def pick_question(paragraph, impossible, rng):
    questions = [qa["question"] for qa in paragraph["qas"] if qa["is_impossible"] == impossible]
    return rng.choice(questions) if questions else None


# Setting: how many, max_tokens, doc_stride, verify_tokens.
SETTINGS = {
    "paragraph": (48, None, None, 0),
    "long": (6, None, None, 0),
    "windows": (6, 384, 64, 0),
    "verified": (6, 384, 64, 100),
}


# ---- How it is answered. ----


class Reader:
    def __init__(self, folder):
        self.tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
        model = transformers.LongformerForQuestionAnswering.from_pretrained(folder, dtype=torch.float32)
        self.model = model.eval()
        self.separators, self.is_long = 2, True
        self.positions = model.config.max_position_embeddings - model.config.pad_token_id - 1

    def tokenize(self, text):
        """Ids, and for each its place in characters."""
        encoding = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        special = set(self.tokenizer.all_special_ids) - {self.tokenizer.unk_token_id}
        assert not special & set(encoding["input_ids"]), "the text became a special token"
        return encoding["input_ids"], encoding["offset_mapping"]

    def logits(self, question, document):
        """Of `[CLS] question [SEP][SEP] document [SEP]`: the sum of the logits of [CLS], and those of the document."""
        cls, sep = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        ids = [cls] + question + [sep] * self.separators + document + [sep]
        before_document = len(question) + 1 + self.separators
        second_type = min(1, self.model.config.type_vocab_size - 1)
        types = [0] * before_document + [second_type] * (len(document) + 1)
        is_global = [1] * (len(question) + 1) + [0] * (len(ids) - len(question) - 1)
        more = {"global_attention_mask": torch.tensor([is_global])} if self.is_long else {}
        with torch.no_grad():
            outputs = self.model(
                input_ids=torch.tensor([ids]),
                token_type_ids=torch.tensor([types]),
                attention_mask=torch.ones(1, len(ids), dtype=int),
                **more,
            )
        start, end = outputs.start_logits[0].tolist(), outputs.end_logits[0].tolist()
        return start[0] + end[0], start[before_document:-1], end[before_document:-1]

    def answer(self, question, context, max_tokens, doc_stride, verify_tokens):
        question_ids, _ = self.tokenize(question)
        ids, places = self.tokenize(context)
        room = (max_tokens or self.positions) - len(question_ids) - 2 - self.separators
        windows = cut(len(ids), room, room // 4 if doc_stride is None else doc_stride)

        deciding = self.read(question_ids, ids, windows)
        null, spans = deciding
        best, start, end, start_logit, end_logit = spans[0]
        share = math.exp(best) / math.fsum(math.exp(span[0]) for span in spans)
        if best - spans[1][0] < CLEAR:
            return None
        if 0 < verify_tokens < len(ids):
            # As many tokens before the span as after it, one less where that is not even.
            first = start - (verify_tokens - (end + 1 - start)) // 2
            first = min(max(first, 0), len(ids) - verify_tokens)
            of_excerpt = self.read(question_ids, ids, [(first, first + verify_tokens)])
            deciding = max(deciding, of_excerpt, key=lambda read: read[0] - read[1][0][0])
        null, spans = deciding
        null_odds = null - spans[0][0]
        if abs(null_odds - THRESHOLD) < CLEAR:
            return None
        no_answer_score = math.exp(null) / (math.exp(null) + math.fsum(math.exp(span[0]) for span in spans))

        start_char, end_char = places[start][0], places[end][1]
        return {
            "windows": len(windows),
            "tokens": len(ids),
            "answered": null_odds <= THRESHOLD,
            "text": context[start_char:end_char],
            "start_char": start_char,
            "end_char": end_char,
            "start_byte": len(context[:start_char].encode()),
            "end_byte": len(context[:end_char].encode()),
            "start_logit": start_logit,
            "end_logit": end_logit,
            "score": share * (1 - no_answer_score),
            "no_answer_score": no_answer_score,
            "null_odds": null_odds,
        }

    def read(self, question, document, windows):
        """The least null score, and all spans, the best first: (sum of the logits, start, end, the logits)."""
        nulls, spans = [], []
        for w, (first, last) in enumerate(windows):
            null, start_logits, end_logits = self.logits(question, document[first:last])
            nulls.append(null)
            for start in range(first, last):
                if owner(start, windows) != w:
                    continue
                for end in range(start, min(start + MAX_ANSWER_LENGTH, last)):
                    start_logit, end_logit = start_logits[start - first], end_logits[end - first]
                    spans.append((start_logit + end_logit, start, end, start_logit, end_logit))
        return min(nulls), sorted(spans, key=lambda span: -span[0])


def cut(tokens, room, doc_stride):
    """Windows (first, past the last) of at most `room` tokens, neighbours sharing `doc_stride`."""
    windows = [(0, min(room, tokens))]
    while windows[-1][1] < tokens:
        first = windows[-1][1] - doc_stride
        windows.append((first, min(first + room, tokens)))
    return windows


def owner(token, windows):
    """The window in which the smaller of the token's left and right contexts is largest; the first of equals."""
    contexts = [
        min(token - first, last - 1 - token) if first <= token < last else -1  # -1: not in this window
        for first, last in windows
    ]
    return contexts.index(max(contexts))


# ---- Writing it down. ----


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("squad_json", type=Path)
    parser.add_argument("checkpoint", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)  # The order of a sum may follow the number of threads.

    raw = options.squad_json.read_bytes()
    articles = json.loads(gzip.decompress(raw) if options.squad_json.suffix == ".gz" else raw)["data"]
    reader = Reader(options.checkpoint)
    cases, missing = [], {setting: wanted for setting, (wanted, *_) in SETTINGS.items()}
    for question, context, settings in choose(articles, random.Random(SEED)):
        if not all(missing[setting] for setting in settings):
            continue
        results = []
        for setting in settings:
            how = dict(zip(("max_tokens", "doc_stride", "verify_tokens"), SETTINGS[setting][1:]))
            result = reader.answer(question, context, **how)
            results.append(result and {"setting": setting, "question": question, "context": context} | how | result)
        if all(results):
            cases += results
            missing = {setting: count - settings.count(setting) for setting, count in missing.items()}
    assert not any(missing.values()), f"too few questions: {missing}"

    golden = {
        "made_with": f"torch {torch.__version__}, transformers {transformers.__version__}, seed {SEED}",
        "licence": "questions and contexts from SQuAD v2.0, CC BY-SA 4.0",
        "max_answer_length": MAX_ANSWER_LENGTH,
        "null_score_diff_threshold": THRESHOLD,
        "cases": cases,
    }
    text = json.dumps(golden, ensure_ascii=False, indent=1) + "\n"
    (HERE / "golden.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    for setting in SETTINGS:
        answered = [case["answered"] for case in cases if case["setting"] == setting]
        print(f"{setting}: {len(answered)} questions, {sum(answered)} answered")


if __name__ == "__main__":
    main()
