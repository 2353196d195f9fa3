"""Makes pairs.json: a question and a document as the tokenizer of each kind of short model joins them.

    python pairs.py           writes it beside this file, from the files of make.py and pieces.py (needs transformers)
"""

import gzip
import json
import tempfile
from pathlib import Path

import transformers

from make import content

HERE = Path(__file__).parent
QUESTION = "Who built the first bridge ?"
DOCUMENT = "The bridge was built in 1931 by A. Vogt."

# Kind, class, files. A class that is not the usual one of its kind stands in tokenizer_config.json.
OTHERS = [
    ("bert", "XLMRobertaTokenizerFast", ["unigram-sentencepiece.bpe.model"]),
    ("roberta", "BertTokenizerFast", ["minilm-vocab.txt"]),
]
KINDS = [
    ("bert", "BertTokenizerFast", ["minilm-vocab.txt"]),
    ("distilbert", "DistilBertTokenizerFast", ["minilm-vocab.txt"]),
    ("electra", "ElectraTokenizerFast", ["minilm-vocab.txt"]),
    ("roberta", "RobertaTokenizerFast", ["roberta-vocab.json", "roberta-merges.txt"]),
    ("xlm-roberta", "XLMRobertaTokenizerFast", ["unigram-sentencepiece.bpe.model"]),
    ("camembert", "CamembertTokenizerFast", ["french-sentencepiece.bpe.model"]),
    ("albert", "AlbertTokenizerFast", ["albert-spiece.model"]),
]


def main():
    pairs = []
    for kind, tokenizer_class, files in KINDS + OTHERS:
        with tempfile.TemporaryDirectory() as folder:
            for name in files:
                source, file = name.split("-", 1)
                pieces = HERE / f"pieces-{source}.model.gz"
                data = gzip.decompress(pieces.read_bytes()) if file.endswith(".model") else content(source, file)
                (Path(folder) / file).write_bytes(data)
            tokenizer = getattr(transformers, tokenizer_class).from_pretrained(folder)
        encoding = tokenizer(QUESTION, DOCUMENT, return_token_type_ids=True)
        types = encoding["token_type_ids"] if "token_type_ids" in tokenizer.model_input_names else None
        pairs.append({"model_type": kind, "files": files, "input_ids": encoding["input_ids"], "token_type_ids": types})
        if (kind, tokenizer_class, files) in OTHERS:
            pairs[-1]["tokenizer_config"] = {"tokenizer_class": tokenizer_class}
    golden = {"transformers": transformers.__version__, "question": QUESTION, "document": DOCUMENT, "pairs": pairs}
    (HERE / "pairs.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
