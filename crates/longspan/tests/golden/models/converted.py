"""Makes converted long models, with golden logits that the short models computed, without any Longformer code.

    python converted.py       writes the folders `converted-*` beside this file (needs torch and transformers)

Global projections are copies of the local ones. On inputs of at most half a window plus one token, a converted model
therefore computes the same as its source, whichever tokens are global. make.py describes the names of the files and
checks them.
"""

import json

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

from make import BERT, HERE, ROBERTA, VOCAB_SIZE, check, randomise, sequence

SEED = 11
WINDOW = 64
MAX_TOKENS = 200
SHORT = dict(hidden_size=64, num_attention_heads=2, num_hidden_layers=2, intermediate_size=128, vocab_size=VOCAB_SIZE)
SOURCES = {
    "converted-roberta": (transformers.RobertaConfig, "RobertaForQuestionAnswering", "roberta", ROBERTA, 42),
    "converted-bert": (transformers.BertConfig, "BertForQuestionAnswering", "bert", BERT, 40),
}


def converted(state, prefix, first):
    """The tensors of the source under Longformer's names; `first` is the first row of a real position."""
    tensors = {}
    for name, value in state.items():
        if name.startswith(f"{prefix}.pooler"):
            continue
        name = name.replace(f"{prefix}.", "longformer.", 1) if name.startswith(f"{prefix}.") else name
        value = value.numpy()
        if name.endswith("position_embeddings.weight"):
            pad = first - 1 if prefix == "roberta" else 0
            count = value.shape[0] - first
            rows = np.arange(MAX_TOKENS) % count + first
            value = np.concatenate([value[: pad + 1], value[rows]])
        for part in ("query", "key", "value"):
            if f".self.{part}." in name:
                tensors[name.replace(f".{part}.", f".{part}_global.")] = value.copy()
        tensors[name] = value.copy()
    return tensors


def make(folder):
    config_class, architecture, prefix, ids, positions = SOURCES[folder]
    config = config_class(max_position_embeddings=positions, **SHORT, **ids)
    model = getattr(transformers, architecture)(config)
    randomise(model, torch.Generator().manual_seed(SEED))
    model.eval()
    first = ids["pad_token_id"] + 1 if prefix == "roberta" else 0
    tensors = converted({name: p.detach() for name, p in model.named_parameters()}, prefix, first)
    rows = tensors["longformer.embeddings.position_embeddings.weight"].shape[0]
    long = SHORT | ids | dict(attention_window=[WINDOW, WINDOW], max_position_embeddings=rows)
    long |= dict(model_type="longformer", architectures=["LongformerForQuestionAnswering"])
    (HERE / folder).mkdir(exist_ok=True)
    (HERE / folder / "config.json").write_text(json.dumps(long, indent=2) + "\n")
    save_file(tensors, HERE / folder / "model.safetensors")

    rng = np.random.default_rng(SEED)
    golden = {}
    for tokens in (1, 2, 9, 20, WINDOW // 2, WINDOW // 2 + 1):
        for kind, chosen in {"none": [], "first": [0], "some": [0, tokens // 2, tokens - 1], "every": range(tokens)}.items():
            name = f"{kind}-{tokens}.0"
            ids_, types = sequence(rng, name, tokens, ids)
            inputs = {"input_ids": torch.tensor(ids_)[None]}
            golden[f"{name}.input_ids"] = np.int32(ids_)
            if types is not None:
                inputs["token_type_ids"] = torch.tensor(types)[None]
                golden[f"{name}.token_type_ids"] = np.int32(types)
            if len(chosen):
                golden[f"{name}.global"] = np.unique(np.int32(list(chosen)))
            with torch.no_grad():
                outputs = model(**inputs)
            golden[f"{name}.start_logits"] = outputs.start_logits[0].numpy().copy()
            golden[f"{name}.end_logits"] = outputs.end_logits[0].numpy().copy()
    print(check(folder, golden))
    made_with = f"torch {torch.__version__}, transformers {transformers.__version__}, seed {SEED}"
    save_file(golden, HERE / folder / "golden.safetensors", metadata={"made_with": made_with})


if __name__ == "__main__":
    for folder in SOURCES:
        make(folder)
