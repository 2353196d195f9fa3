"""Makes small models of SentencePiece, and pieces.json: ids and offsets from the tokenizers that transformers makes of them.

    python pieces.py           writes pieces-*.model.gz and pieces.json beside this file (needs sentencepiece, protobuf,
                               transformers)

make.py describes the fields. The text that the models are trained on has twenty scripts.
"""

import gzip
import io
import json
import tempfile
from pathlib import Path

import sentencepiece
import tokenizers
import transformers

from make import SCRIPTS, TEXTS, tokens

HERE = Path(__file__).parent

# Longspan takes no text for a special token; these models have theirs among the pieces, and transformers finds them.
SPECIAL = ["<s>", "</s>", "<pad>", "<mask>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = [text for text in TEXTS if not any(name in text for name in SPECIAL)]

XLM_ROBERTA = ("XLMRobertaTokenizerFast", "sentencepiece.bpe.model")
CAMEMBERT = ("CamembertTokenizerFast", "sentencepiece.bpe.model")
ALBERT = ("AlbertTokenizerFast", "spiece.model")
ALBERT_PIECES = dict(
    pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"],
    user_defined_symbols=["(", ")", "\"", "-", ".", "–", "£", "€"],
)  # fmt: skip

# Name, class and file of the tokenizer, options of the training, tokenizer_config.json.
MODELS = [
    ("unigram", XLM_ROBERTA, dict(model_type="unigram", vocab_size=620), None),
    ("plain", XLM_ROBERTA, dict(model_type="bpe", vocab_size=660, normalization_rule_name="identity"), None),
    ("french", CAMEMBERT, dict(model_type="unigram", vocab_size=640, normalization_rule_name="identity"),
     {"tokenizer_class": "CamembertTokenizer"}),
    ("albert", ALBERT, dict(model_type="unigram", vocab_size=640, normalization_rule_name="identity", **ALBERT_PIECES), None),
    ("albert", ALBERT, {}, {"do_lower_case": False, "keep_accents": True}),
]  # fmt: skip


def train(options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SCRIPTS * 3), model_writer=model, minloglevel=2, num_threads=1, character_coverage=1.0,
        hard_vocab_limit=False, **options,
    )  # fmt: skip
    return model.getvalue()


def main():
    cases = []
    for name, (kind, file), options, config in MODELS:
        path = HERE / f"pieces-{name}.model.gz"
        if options and not path.exists():
            path.write_bytes(gzip.compress(train(options), mtime=0))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / file).write_bytes(gzip.decompress(path.read_bytes()))
            if config is not None:
                (Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))
            tokenizer = getattr(transformers, kind).from_pretrained(folder)
        special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id, tokenizer.mask_token_id]
        case = {"name": name, "file": file, "tokenizer_config": config, "special": special}
        cases.append(case | {"tokens": [tokens(tokenizer, text) for text in TEXTS]})
    versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    golden = {"versions": versions, "texts": TEXTS, "tokenizers": cases}
    (HERE / "pieces.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
