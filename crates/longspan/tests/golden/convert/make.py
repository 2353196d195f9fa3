"""Makes small random models, short ones for inputs of up to 18 tokens and Longformers for 64, and the outputs of
transformers for them.

    python make.py [NAME...]              writes the folders beside this file, or some (needs torch, transformers and
                                          tokenizers)
    python make.py --check DIR [NAME...]  loads the results of `longspan convert`, in folders of the same names in DIR,
                                          with every class of transformers, and compares logits and encoded pairs

A `*-long-*` folder is a short model's class with Longformer's attention in every layer, as the notebook of Longformer's
authors makes it. The other Longformers are as the authors' first code stored them. Each folder has a checkpoint with a tokenizer, and golden.safetensors with tensors N.FIELD, where N is the input:

    input_ids       I32 (T)
    token_type_ids  I32 (T)
    hidden          F32 (T, C)  the last hidden states
    logits          F32         of the head, if there is one; start and end logits are two columns: (T, 2)
    global          I32 (G)     the tokens with global attention; only of Longformers, for the others are the same with any
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

HERE = Path(__file__).parent
SEED = 5
SIZES = dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=2, intermediate_size=24)
DISTILBERT_SIZES = dict(dim=16, n_heads=2, n_layers=2, hidden_dim=24)
BERT = dict(vocab_size=16, type_vocab_size=2, pad_token_id=0, max_position_embeddings=18, layer_norm_eps=1e-12)
DISTILBERT = dict(vocab_size=16, pad_token_id=0, max_position_embeddings=18, activation="relu")
ROBERTA = dict(vocab_size=16, type_vocab_size=1, pad_token_id=1, max_position_embeddings=20, layer_norm_eps=1e-5)
WINDOWS = [8, 16]
LONG_BERT = BERT | dict(max_position_embeddings=64, attention_window=WINDOWS)
LONG_ROBERTA = ROBERTA | dict(max_position_embeddings=66, attention_window=WINDOWS)
LABELS = dict(id2label={0: "no", 1: "yes", 2: "perhaps"}, label2id={"no": 0, "yes": 1, "perhaps": 2})

# Folder: class, config, what else the config says, the kind of tokenizer.
SOURCES = {
    "bert": ("BertModel", "BertConfig", BERT, {}, "bert-json"),
    "bert-qa": ("BertForQuestionAnswering", "BertConfig", BERT, {}, "bert-vocab"),
    "bert-pretraining": ("BertForPreTraining", "BertConfig", BERT, {}, "bert-json"),
    "bert-sequence": ("BertForSequenceClassification", "BertConfig", BERT, LABELS, "bert-vocab"),
    "roberta-masked-lm": ("RobertaForMaskedLM", "RobertaConfig", ROBERTA, {}, "roberta-vocab"),
    "roberta-sequence": ("RobertaForSequenceClassification", "RobertaConfig", ROBERTA, LABELS, "roberta-json"),
    "roberta-token": ("RobertaForTokenClassification", "RobertaConfig", ROBERTA, LABELS, "roberta-json"),
    "xlm-roberta-qa": ("XLMRobertaForQuestionAnswering", "XLMRobertaConfig", ROBERTA, {}, "unigram"),
    "xlm-roberta-masked-lm": ("XLMRobertaForMaskedLM", "XLMRobertaConfig", ROBERTA, {}, "unigram"),
    "roberta-qa": ("RobertaForQuestionAnswering", "RobertaConfig", ROBERTA, {}, "roberta-vocab"),
    "camembert-qa": ("CamembertForQuestionAnswering", "CamembertConfig", ROBERTA, {}, "unigram"),
    "camembert-masked-lm": ("CamembertForMaskedLM", "CamembertConfig", ROBERTA, {}, "unigram"),
    "distilbert-qa": ("DistilBertForQuestionAnswering", "DistilBertConfig", DISTILBERT, {}, "bert-vocab"),
    "bert-long-qa": ("BertForQuestionAnswering", "BertConfig", LONG_BERT, {}, "bert-vocab"),
    "bert-long-masked-lm": ("BertForMaskedLM", "BertConfig", LONG_BERT, {}, "bert-vocab"),
    "roberta-long-qa": ("RobertaForQuestionAnswering", "RobertaConfig", LONG_ROBERTA, {}, "roberta-vocab"),
    "longformer-qa": ("LongformerForQuestionAnswering", "LongformerConfig", LONG_ROBERTA, {}, "roberta-vocab"),
    "longformer-masked-lm": ("LongformerForMaskedLM", "LongformerConfig", LONG_ROBERTA, {}, "roberta-vocab"),
}
LENGTHS = [1, 2, 5]
# Multiples of the widest window, which Longformer's attention needs.
LONG_LENGTHS = [16, 32, 64]

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b", "what", "is", "bread", "?", "."]
LETTERS = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "c", "Ġ", "Ġa", "Ġb", "ab", "?", ".", "d", "e", "<mask>"]
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁a", "▁b", "▁c", "a", "b", "c", "?", ".", "▁is", "bread", "<mask>"]
MERGES = ["Ġ a", "Ġ b", "a b"]


def write_tokenizer(folder, kind):
    if kind == "bert-vocab":
        (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
        return
    if kind == "roberta-vocab":
        (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(LETTERS)}))
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n")
        return
    if kind == "bert-json":
        # As MiniLM has it: one separator between, truncation and padding stored.
        tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.add_special_tokens(WORDS[:5])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        tokenizer.enable_truncation(8)
        tokenizer.enable_padding(length=8)
        config = dict(tokenizer_class="BertTokenizer", do_lower_case=True, model_max_length=18, unk_token="[UNK]")
        config |= dict(cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", mask_token="[MASK]")
    elif kind == "roberta-json":
        merges = [tuple(merge.split()) for merge in MERGES]
        tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(LETTERS)}, merges))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
        config = dict(tokenizer_class="RobertaTokenizer", model_max_length=18)
    else:
        tokenizer = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(PIECES)], unk_id=3))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
        config = dict(tokenizer_class="XLMRobertaTokenizer", model_max_length=18)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


class NotebookSelfAttention(LongformerSelfAttention):
    """Longformer's attention in the place of a short model's."""

    chosen = None  # 1 for tokens with global attention: (1, T)

    def forward(self, hidden_states, **_):
        is_global = self.chosen > 0
        (attended, *_) = super().forward(
            hidden_states,
            attention_mask=10000.0 * self.chosen,
            is_index_masked=torch.zeros_like(is_global),
            is_index_global_attn=is_global,
            is_global_attn=is_global.any().item(),
        )
        return attended, None


def make_long(model):
    for number, layer in enumerate(model.base_model.encoder.layer):
        layer.attention.self = NotebookSelfAttention(model.config, number)
    model.eval()


def make_old(name, folder):
    """What older code wrote and today's does not."""
    tensors = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    if "-long-" in name:
        config["architectures"] = [config["architectures"][0].replace("For", "LongFor")]
        kind = config["model_type"]
        tensors[f"{kind}.embeddings.position_ids"] = torch.arange(config["max_position_embeddings"])[None]
    else:
        # One-sided windows, and the names and the type of RoBERTa; some files have no type.
        tensors = {key.replace("longformer.", "roberta."): value for key, value in tensors.items()}
        config |= dict(attention_window=[window // 2 for window in WINDOWS], attention_dilation=[1, 1])
        config |= dict(attention_mode="tvm", autoregressive=False, model_type="roberta")
        del config["architectures"]
        if name == "longformer-masked-lm":
            del config["model_type"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def outputs(model, ids, types, chosen=None):
    inputs = {"input_ids": ids[None], "token_type_ids": types[None]}
    if model.config.model_type == "distilbert":
        del inputs["token_type_ids"]
    if chosen is not None:
        mask = torch.zeros(1, len(ids), dtype=torch.long)
        mask[0, chosen] = 1
        if model.config.model_type == "longformer":
            inputs["global_attention_mask"] = mask
        NotebookSelfAttention.chosen = mask
    with torch.no_grad():
        out = model(**inputs, output_hidden_states=True)
    found = {"hidden": out.hidden_states[-1][0].contiguous()}
    if "start_logits" in out:
        found["logits"] = torch.stack([out.start_logits[0], out.end_logits[0]], dim=-1)
    elif "prediction_logits" in out:
        found["logits"] = out.prediction_logits[0].contiguous()
    elif "logits" in out:
        found["logits"] = out.logits[0].contiguous()
    return found


def make(name):
    architecture, config_class, sizes, more, tokenizer = SOURCES[name]
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(SEED)
    own = DISTILBERT_SIZES if config_class == "DistilBertConfig" else SIZES
    config = getattr(transformers, config_class)(**own, **sizes, **more)
    model = getattr(transformers, architecture)(config).eval()
    is_long = "attention_window" in sizes
    if "-long-" in name:
        make_long(model)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * (0.3 if parameter.dim() > 1 else 0.5)
    model.tie_weights()
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    write_tokenizer(folder, tokenizer)
    if is_long:
        make_old(name, folder)
    golden = {}
    for n, tokens in enumerate(LONG_LENGTHS if is_long else LENGTHS):
        ids = torch.randint(2, sizes["vocab_size"], (tokens,), generator=generator)
        types = torch.randint(0, sizes.get("type_vocab_size", 1), (tokens,), generator=generator)
        golden |= {f"{n}.input_ids": ids.int(), f"{n}.token_type_ids": types.int()}
        chosen = None
        if is_long:
            chosen = torch.tensor([0, 1, 2, 3, tokens // 2])
            golden[f"{n}.global"] = chosen.int()
        golden |= {f"{n}.{field}": value for field, value in outputs(model, ids, types, chosen).items()}
    made_with = f"torch {torch.__version__}, transformers {transformers.__version__}, seed {SEED}"
    save_file(golden, folder / "golden.safetensors", metadata={"made_with": made_with})
    print(name, sum(file.stat().st_size for file in folder.iterdir()), "bytes")


def check(name, folder):
    golden = load_file(HERE / name / "golden.safetensors")
    config = transformers.AutoConfig.from_pretrained(folder)
    (architecture,) = config.architectures
    model, loaded = getattr(transformers, architecture).from_pretrained(folder, output_loading_info=True)
    assert not loaded["missing_keys"] or architecture == "LongformerModel", loaded
    assert not loaded["unexpected_keys"] and not loaded["mismatched_keys"], loaded
    largest = 0.0
    for n in range(len(LENGTHS)):
        ids, types = (golden[f"{n}.{field}"].long() for field in ("input_ids", "token_type_ids"))
        all_chosen = [[], [0], list(range(len(ids)))]
        if f"{n}.global" in golden:
            all_chosen = [golden[f"{n}.global"].long()]
        for chosen in all_chosen:
            for field, found in outputs(model.eval(), ids, types, chosen).items():
                expected = golden[f"{n}.{field}"]
                largest = max(largest, (found[: len(expected)] - expected).abs().max().item())
    assert largest < 1e-5, largest
    transformers.AutoModelForQuestionAnswering.from_pretrained(folder)
    transformers.AutoModelForMaskedLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert tokenizer.is_fast and tokenizer.model_max_length == config.max_position_embeddings - config.pad_token_id - 1
    pair = tokenizer("a b", "c ?")
    cls, sep = config.bos_token_id, config.sep_token_id
    a, b = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a b", "c ?"))
    assert pair["input_ids"] == [cls, *a, sep, sep, *b, sep], pair
    if config.type_vocab_size > 1:
        assert pair["token_type_ids"] == [0] * (len(a) + 3) + [1] * (len(b) + 1), pair
    else:
        assert "token_type_ids" not in pair
    print(f"{name}: {architecture}, {type(tokenizer).__name__}, largest difference {largest:.1e}, {pair['input_ids']}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--check", type=Path)
    arguments.add_argument("names", nargs="*", default=SOURCES)
    arguments = arguments.parse_args()
    for name in arguments.names:
        make(name) if arguments.check is None else check(name, arguments.check / name)
