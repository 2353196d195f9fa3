"""Makes small random Longformer checkpoints and the outputs of transformers for them.

    python make.py            writes the folders beside this file (needs torch and transformers)
    python make.py --check    compares existing files with brute.py (needs numpy and safetensors)

Each folder has a checkpoint (config.json, model.safetensors) and golden.safetensors. The latter's tensors are named
CASE.N.FIELD, where N is the number of the sequence in the batch CASE. The sequences of a batch went through
transformers together, padded on one side. Only the values of real tokens are stored, so they hold for a sequence
alone and in any batch.

    input_ids       I32 (T)
    token_type_ids  I32 (T)     left out where the checkpoint has one token type
    global          I32 (G)     positions with global attention, ascending; left out where there are none
    start_logits    F32 (T)     question answering
    end_logits      F32 (T)
    logits          F32         masked LM (T, vocab_size), token classification (T, num_labels),
                                sequence classification (num_labels), multiple choice (1): a sequence is a choice
    last_hidden_state  F32 (T, C)           the model without a head
    hidden_states      F32 (L + 1, T, C)    the embeddings, then each layer
    attentions         F32 (L, H, T, T)     the probability that query i gives to key j

In cases named `default`, transformers chose the global positions itself. The metadata entry `made_with` names the
versions and the seed.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from brute import Brute

HERE = Path(__file__).parent
TOLERANCE = 1e-5
VOCAB_SIZE = 120

# The ids of RoBERTa and BERT, as published checkpoints have them.
ROBERTA = dict(bos_token_id=0, pad_token_id=1, eos_token_id=2, sep_token_id=2, type_vocab_size=1, layer_norm_eps=1e-5)
BERT = dict(bos_token_id=101, pad_token_id=0, eos_token_id=102, sep_token_id=102)
BERT |= dict(type_vocab_size=2, layer_norm_eps=1e-12)
HEADS = ROBERTA | dict(hidden_size=64, num_attention_heads=2, attention_window=[8, 16], max_position_embeddings=130)

CHECKPOINTS = {
    # Head size 32; a window for each layer.
    "qa": (
        "LongformerForQuestionAnswering",
        ROBERTA
        | dict(hidden_size=64, num_attention_heads=2, attention_window=[8, 16, 32], max_position_embeddings=300),
    ),
    # Head size 64; the smallest window with which transformers runs (2 is valid, but fails there);
    # an epsilon so large that another one shows.
    "qa-head64": (
        "LongformerForQuestionAnswering",
        ROBERTA
        | dict(hidden_size=128, num_attention_heads=2, attention_window=[4, 16], max_position_embeddings=130)
        | dict(layer_norm_eps=1e-3),
    ),
    # Head size 24, no multiple of a vector; windows with an odd half; two token types.
    "qa-bert": (
        "LongformerForQuestionAnswering",
        BERT | dict(hidden_size=72, num_attention_heads=3, attention_window=[6, 12, 4], max_position_embeddings=150),
    ),
    "base": ("LongformerModel", HEADS),
    "masked-lm": ("LongformerForMaskedLM", HEADS),
    "sequence-classification": ("LongformerForSequenceClassification", HEADS | dict(num_labels=3)),
    # One number for all layers, as config.json may also have it.
    "token-classification": (
        "LongformerForTokenClassification",
        HEADS | dict(num_labels=5, attention_window=16),
    ),
    "multiple-choice": ("LongformerForMultipleChoice", HEADS),
}


# ---- The cases: a name, and for each sequence of the batch its length and global positions (None: the default). ----


def cases(folder, config):
    if folder.startswith("qa"):
        return question_answering_cases(config)
    one_batch = {"batch": [(33, [0, 32]), (9, []), (50, [3, 4, 40]), (1, [0])]}
    match folder:
        case "base":
            return {"none-33": [(33, [])], "scattered-97": [(97, [0, 5, 60, 96])]} | one_batch
        case "masked-lm":
            return {"default-33": [(33, None)], "default-97": [(97, None)], "global-50": [(50, [0, 30])]} | one_batch
        case "sequence-classification":
            return {
                "default-1": [(1, None)],
                "default-33": [(33, None)],
                "default-97": [(97, None)],
                "default-batch": [(20, None), (41, None), (7, None)],
                "none-33": [(33, [])],
                "global-50": [(50, [0, 30, 31])],
            }
        case "token-classification":
            return {"default-33": [(33, None)], "default-97": [(97, None)], "global-50": [(50, [0, 30])]} | one_batch
        case "multiple-choice":
            return {
                "default-two": [(30, None), (30, None)],
                "default-three": [(28, None), (45, None), (61, None)],
                "global-two": [(40, list(range(12))), (33, list(range(12)))],
            }
    raise ValueError(folder)


def question_answering_cases(config):
    windows, pad = config["attention_window"], config["pad_token_id"]
    head_size = config["hidden_size"] // config["num_attention_heads"]
    longest = config["max_position_embeddings"] - pad - 1
    widest = max(windows)
    many = {}
    for tokens in sorted({1, 2, 7, 8, 9, widest - 1, widest, widest + 1, 31, 33, 50, 97, 128}):
        last = tokens - 1
        many[f"none-{tokens}"] = [(tokens, [])]
        many[f"first-{tokens}"] = [(tokens, [0])]
        many[f"prefix-{tokens}"] = [(tokens, list(range(min(6, tokens))))]
        many[f"scattered-{tokens}"] = [(tokens, sorted({last // 3, (last + 2) // 3, last * 3 // 4, last}))]
        if tokens in (1, 2, 9, 33, 97):
            many[f"every-{tokens}"] = [(tokens, list(range(tokens)))]
    # Absorbed global attention gives way to the plain one where there are as many global tokens as a head is wide.
    for count in (head_size - 1, head_size, head_size + 1):
        many[f"question-of-{count}"] = [(97, list(range(count)))]
    many[f"longest-{longest}"] = [(longest, [0, 1, 2, longest // 2, longest - 1])]
    many["batch-padded-right"] = [(33, [0, 1, 2]), (9, []), (50, [7, 30, 49]), (1, [0]), (64, list(range(10)))]
    many["batch-padded-left"] = [(50, []), (31, [0, 15, 30]), (2, [1]), (97, [0, 1, 2, 3])]
    many["batch-without-global"] = [(12, []), (40, []), (17, [])]
    # The padding id as a token of the text: it takes no position, and is attended to like any other.
    many["padding-id-inside"] = [(40, [0, 1])]
    many["states-41"] = [(41, [0, 1, 2, 20, 40])]
    many["states-40"] = [(40, [])]
    return many


def sequence(rng, name, tokens, config):
    """Random ids in the form `<s> … </s></s> … </s>` where there is room, and the token types for it."""
    bos, sep, pad = config["bos_token_id"], config["sep_token_id"], config["pad_token_id"]
    ordinary = [i for i in range(VOCAB_SIZE) if i not in (bos, sep, pad)]
    ids = rng.choice(ordinary, tokens)
    types = np.zeros(tokens, int)
    ids[0] = bos
    if tokens >= 9:
        separator = int(rng.integers(3, 6))
        ids[[separator, separator + 1, -1]] = sep
        types[separator + 2 :] = 1
    if name == "padding-id-inside":
        ids[[11, 12, 30]] = pad
    return ids, types if config["type_vocab_size"] > 1 else None


# ---- Making. ----


def make(folder, seed):
    import torch
    import transformers

    torch.set_num_threads(1)  # The order of a sum may follow the number of threads.
    architecture, options = CHECKPOINTS[folder]
    window = options["attention_window"]
    config = transformers.LongformerConfig(
        vocab_size=VOCAB_SIZE,
        intermediate_size=128,
        num_hidden_layers=2 if isinstance(window, int) else len(window),
        **options,
    )
    model_class = getattr(transformers, architecture)
    model = model_class(config)
    randomise(model, torch.Generator().manual_seed(seed))
    model.save_pretrained(HERE / folder)
    if isinstance(window, int):  # The model spells it out for every layer; the file keeps it as it was given.
        file = HERE / folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"attention_window": window}, indent=2) + "\n")

    model = model_class.from_pretrained(HERE / folder).eval()
    rng = np.random.default_rng(seed)
    golden = {}
    for name, batch in cases(folder, options).items():
        sequences = [sequence(rng, name, tokens, options) for tokens, _ in batch]
        golden |= run(model, name, sequences, [positions for _, positions in batch])
    print(check(folder, golden))
    made_with = f"torch {torch.__version__}, transformers {transformers.__version__}, seed {seed}"
    # More than one entry would be written in an order that changes from run to run.
    save_file(golden, HERE / folder / "golden.safetensors", metadata={"made_with": made_with})


def randomise(model, generator, query_gain=1.6, value_gain=1.0, head_gain=1.6, bias=0.3):
    """Weights so large that attention is far from uniform, and no bias or layer norm that a reader could leave out."""
    import torch

    gains = {"query": query_gain, "key": query_gain, "value": value_gain, "attention.output": value_gain}
    gains |= {"qa_outputs": head_gain, "classifier": head_gain}
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if name.lower().endswith(("layernorm.weight", "layer_norm.weight")):
            value = 1 + 0.2 * noise
        elif parameter.dim() == 1:
            value = bias * noise
        elif "embeddings" in name:
            value = 0.3 * noise
        else:
            gain = next((gain for part, gain in gains.items() if part in name), 1)
            value = gain * noise / parameter.shape[1] ** 0.5
        parameter.data.copy_(value)


def run(model, name, sequences, global_positions):
    """One batch through transformers, padded where its name says; what belongs to real tokens, sequence by sequence."""
    import torch

    longest = max(len(ids) for ids, _ in sequences)
    left = name.endswith("left")
    spans = [slice(longest - len(ids), longest) if left else slice(0, len(ids)) for ids, _ in sequences]
    shape = (len(sequences), longest)
    inputs = {"input_ids": torch.full(shape, model.config.pad_token_id)}
    inputs["attention_mask"] = torch.zeros(shape, dtype=int)
    if sequences[0][1] is not None:
        inputs["token_type_ids"] = torch.zeros(shape, dtype=int)
    if global_positions[0] is not None:
        inputs["global_attention_mask"] = torch.zeros(shape, dtype=int)
    for row, ((ids, types), span, positions) in enumerate(zip(sequences, spans, global_positions)):
        inputs["input_ids"][row, span] = torch.tensor(ids)
        inputs["attention_mask"][row, span] = 1
        if types is not None:
            inputs["token_type_ids"][row, span] = torch.tensor(types)
        if positions:
            inputs["global_attention_mask"][row, span][positions] = 1

    choices = model.config.architectures == ["LongformerForMultipleChoice"]
    if choices:
        inputs = {key: value[None] for key, value in inputs.items()}
    states = name.startswith("states")
    encoder_inputs = {}
    encoder = getattr(model, "longformer", model)
    hook = encoder.register_forward_pre_hook(lambda _, args, kwargs: encoder_inputs.update(kwargs), with_kwargs=True)
    with torch.no_grad():
        outputs = model(**inputs, output_hidden_states=states, output_attentions=states)
    hook.remove()
    mask = encoder_inputs.get("global_attention_mask")
    mask = torch.zeros(shape, dtype=int) if mask is None else mask.reshape(shape)

    golden = {}
    for row, ((ids, types), span) in enumerate(zip(sequences, spans)):
        fields = {"input_ids": np.int32(ids)}
        if types is not None:
            fields["token_type_ids"] = np.int32(types)
        positions = mask[row, span].nonzero()[:, 0].numpy()
        if len(positions):
            fields["global"] = np.int32(positions)
        for field in ("start_logits", "end_logits", "logits", "last_hidden_state"):
            if field in outputs:
                value = outputs[field][0, row, None] if choices else outputs[field][row]
                fields[field] = value[span].numpy() if value.shape[:1] == (longest,) else value.numpy()
        if states:
            fields["hidden_states"] = torch.stack(outputs.hidden_states)[:, row].numpy()
            fields["attentions"] = np.stack(list(dense_attentions(model.config, outputs, positions, len(ids))))
        golden |= {f"{name}.{row}.{field}": value.copy() for field, value in fields.items()}
    return golden


def dense_attentions(config, outputs, positions, tokens):
    """A matrix (H, T, T) for each layer from the two forms of transformers, which has them for the only sequence.

    `attentions` (H, T, G + window + 1) gives a query's keys as the global tokens followed by its window;
    `global_attentions` (H, T, G) gives a key's probability for each global query.
    """
    for layer, local in enumerate(outputs.attentions):
        one_sided_window = config.attention_window[layer] // 2
        dense = np.zeros((config.num_attention_heads, tokens, tokens), np.float32)
        for i in range(tokens):
            for column in range(2 * one_sided_window + 1):
                j = i + column - one_sided_window
                if 0 <= j < tokens:
                    dense[:, i, j] = local[0, :, i, len(positions) + column]
            for column, j in enumerate(positions):
                # Added, because the window has a zero in the place of a global key.
                dense[:, i, j] += local[0, :, i, column].numpy()
        for column, i in enumerate(positions):
            dense[:, i] = outputs.global_attentions[layer][0, :, :tokens, column]
        yield dense


# ---- Checking. ----


def check(folder, golden):
    """Every number against brute.py; returns a line that says how far off the worst one is."""
    config = json.loads((HERE / folder / "config.json").read_text())
    brute = Brute(config, load_file(HERE / folder / "model.safetensors"))
    names = sorted({key.rpartition(".")[0] for key in golden})
    worst, largest = 0.0, 0.0
    for name in names:
        fields = {key.rpartition(".")[2]: value for key, value in golden.items() if key.rpartition(".")[0] == name}
        ids = fields.pop("input_ids")
        types = fields.pop("token_type_ids", np.zeros_like(ids))
        expected = brute.run(ids, types, fields.pop("global", np.zeros(0, int)))
        assert fields, f"{folder}: {name} holds no outputs"
        for field, value in fields.items():
            assert value.shape == expected[field].shape, f"{folder}: {name}.{field}: shape {value.shape}"
            difference = np.abs(value - expected[field]).max()
            assert difference <= TOLERANCE, f"{folder}: {name}.{field} is off by {difference:.1e}"
            worst, largest = max(worst, difference), max(largest, np.abs(value).max())
        if "attentions" in fields:
            rows = fields["attentions"].sum(-1)
            assert np.abs(rows - 1).max() <= TOLERANCE, f"{folder}: {name}: rows do not sum to 1"
    return f"{folder}: {len(names)} sequences, values up to {largest:.1f}, off by {worst:.1e} at most"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare the files that are there with brute.py")
    only_check = parser.parse_args().check
    for seed, folder in enumerate(CHECKPOINTS, start=1):
        if only_check:
            print(check(folder, load_file(HERE / folder / "golden.safetensors")))
        else:
            make(folder, seed)


if __name__ == "__main__":
    main()
