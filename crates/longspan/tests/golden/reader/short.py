"""Answers the questions of golden.json.gz with small random short models, by transformers' logits and the same rule.

    python short.py           writes the folders `short-*` beside this file (needs torch, transformers, tokenizers)

Each folder has a checkpoint whose vocabulary was made of the contexts, and answers.json.gz:

    made_with
    cases: [{case, first_char, and the fields of make.py's results}]    `case` is the index in golden.json.gz, of whose
                                                                        context 3,000 characters from `first_char` on are
                                                                        read; the questions that leave no room for a
                                                                        document are left out
"""

import gzip
import importlib.util
import json
import sys

import tokenizers
import torch
import transformers

from make import HERE, Reader

MODELS = HERE.parent / "models"
sys.path.insert(0, str(MODELS))  # make.py there imports its neighbour
SPEC = importlib.util.spec_from_file_location("make_models", MODELS / "make.py")
MAKE_MODELS = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(MAKE_MODELS)

SEED = 3
TOKENS = 160
# Where a context is read from: of the settings that share a question, each reads another part.
FIRST_CHAR = {"paragraph": 0, "windows": 0, "long": 3000, "verified": 6000}
VOCAB_SIZE = 900
SIZES = dict(hidden_size=32, num_attention_heads=2, num_hidden_layers=2, intermediate_size=64, vocab_size=VOCAB_SIZE)


class ShortReader(Reader):
    def __init__(self, folder, tokenizer, model, separators):
        self.tokenizer, self.model, self.separators, self.is_long = tokenizer, model, separators, False
        self.positions = TOKENS


def bert(folder, texts):
    trained = tokenizers.BertWordPieceTokenizer(lowercase=True)
    trained.train_from_iterator(texts, vocab_size=VOCAB_SIZE, show_progress=False)
    trained.save_model(str(folder))
    config = transformers.BertConfig(max_position_embeddings=TOKENS, **SIZES)
    model = transformers.BertForQuestionAnswering(config)
    return transformers.BertTokenizerFast(str(folder / "vocab.txt")), model, 1


def roberta(folder, texts):
    trained = tokenizers.ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(texts, vocab_size=VOCAB_SIZE, show_progress=False, special_tokens=special)
    trained.save_model(str(folder))
    config = transformers.RobertaConfig(
        max_position_embeddings=TOKENS + 2, type_vocab_size=1, layer_norm_eps=1e-5, **SIZES
    )
    model = transformers.RobertaForQuestionAnswering(config)
    return transformers.RobertaTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt")), model, 2


def main():
    torch.set_num_threads(1)
    golden = json.loads(gzip.decompress((HERE / "golden.json.gz").read_bytes()))
    texts = [text for case in golden["cases"] for text in (case["question"], case["context"])]
    for make in (bert, roberta):
        folder = HERE / f"short-{make.__name__}"
        folder.mkdir(exist_ok=True)
        tokenizer, model, separators = make(folder, texts)
        MAKE_MODELS.randomise(model, torch.Generator().manual_seed(SEED))
        model.save_pretrained(folder)
        reader = ShortReader(folder, tokenizer, model.eval(), separators)
        cases = []
        for number, case in enumerate(golden["cases"]):
            question, _ = reader.tokenize(case["question"])
            if len(question) > TOKENS // 2:
                continue
            first_char = FIRST_CHAR[case["setting"]]
            context = case["context"][first_char : first_char + 3000]
            result = reader.answer(case["question"], context, None, None, 0)
            if result:
                cases.append({"case": number, "first_char": first_char} | result)
        made_with = f"torch {torch.__version__}, transformers {transformers.__version__}, seed {SEED}"
        text = json.dumps({"made_with": made_with, "cases": cases}, ensure_ascii=False) + "\n"
        (folder / "answers.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
        print(make.__name__, len(cases), sum(case["answered"] for case in cases), max(case["windows"] for case in cases))


if __name__ == "__main__":
    main()
