"""Makes small random Longformer checkpoints with the head of masked language modelling, and their losses and gradients
as torch computes them.

    python make.py            writes the folders beside this file (needs torch and transformers)
    python make.py --check    compares existing files with models/brute.py (needs numpy and safetensors)

Each folder has a LongformerForMaskedLM (config.json, model.safetensors) and golden.safetensors. There is no dropout.
A CASE is one batch, whose sequence N has the tensors CASE.N.FIELD:

    input_ids            I32 (T)     the input of the model
    token_type_ids       I32 (T)     left out where the checkpoint has one token type
    global               I32 (G)     positions with global attention, ascending; left out where there are none
    masked               I32 (M)     positions that are targets, ascending
    targets              I32 (M)     the true ids there; both are left out where a sequence has no target

The whole batch has:

    loss.CASE             F32 (1)
    grad.CASE.PARAMETER   F32 of the parameter's shape, under Hugging Face's name
    bf16_error.CASE.PARAMETER  F32 (1)   |g_bf16 - g| / |g|, g_bf16 being what torch computes in bf16 autocast; left out
                                         where the true gradient is zero
    bf16_error.CASE       F32 (1)        the same over all parameters at once

The loss is the mean over all targets of the batch, not over sequences, of -log softmax(logits at the position)[target],
the softmax being over the vocabulary. That is transformers' own loss with the label -100 where there is no target,
which `make` asserts for the batch and for every sequence by itself.

The input id at a target is the mask id, the true id or another id (see `inputs_of`). The padding id occurs in no text
and is never a target. Sequences went through transformers together, padded on the right to a multiple of all windows.

Tied parameters are stored once: longformer.embeddings.word_embeddings.weight, whose gradient is the sum of the table's
and the decoder's, and lm_head.bias. So every row of that table has a gradient; for the padding id, and for ids that
occur in no text, it comes from the decoder alone. A parameter without `grad` is unused: the global projections if no
token is global. (This task has no pooler.) Rows of positions that no token uses are zero. The gradients of the biases
of key and key_global are mathematically zero, because each bias adds the same number to all inputs of a softmax; here
they are noise of about 1e-8. The metadata entry `made_with` names the versions and the seed.
"""

import argparse
import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

# Weights and the second opinion are those of the small models; tolerances and names those of training.
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "models"))
from brute import Brute
from make import BERT, ROBERTA, randomise

# By its path, as it is a make.py too.
spec = importlib.util.spec_from_file_location("training", HERE.parent / "training" / "make.py")
training = importlib.util.module_from_spec(spec)
spec.loader.exec_module(training)

# The id of the mask, and the rest of the configuration.
CHECKPOINTS = {
    # Two heads of 16; a vocabulary that is no multiple of a vector.
    "odd": (
        60,
        ROBERTA
        | dict(vocab_size=61, max_position_embeddings=80, hidden_size=32, num_attention_heads=2)
        | dict(attention_window=[4, 8], intermediate_size=48),
    ),
    # Heads of 12; the wider window first, with an odd half; the padding id and two token types of BERT.
    "bert": (
        3,
        BERT
        | dict(bos_token_id=1, eos_token_id=2, sep_token_id=2)
        | dict(vocab_size=64, max_position_embeddings=66, hidden_size=24, num_attention_heads=2)
        | dict(attention_window=[6, 4], intermediate_size=32),
    ),
}

# A name, and for each sequence its length, global positions and targets.
RAGGED = [
    (37, [], [0, 4, 5, 13, 19, 28, 33]),
    (9, [], [4]),
    (64, [], [3, 7, 8, 15, 22, 23, 30, 37, 44, 50, 51, 58, 63]),
    (20, [], []),
]
GLOBALS = [
    (50, [0, 1, 2, 3, 24, 49], [0, 2, 13, 20, 24, 25, 33, 38, 44, 49]),
    (33, [0, 17], [1, 8, 16, 17, 21, 26, 32]),
]
CASES = {"odd": {"ragged": RAGGED, "globals": GLOBALS}, "bert": {"ragged": RAGGED}}


def inputs_of(batch, mask_id, config, rng):
    """The sequences of a batch, each as its fields: random ids, of which the targets are hidden."""
    ordinary = [i for i in range(config["vocab_size"]) if i not in (config["pad_token_id"], mask_id)]
    targets_before = 0
    for tokens, global_positions, masked in batch:
        ids = rng.choice(ordinary, tokens)
        targets = ids[masked]
        for i, position in enumerate(masked, start=targets_before):
            # Of five targets one is left as it is and one is another id.
            ids[position] = (mask_id, ids[position], mask_id, rng.choice(ordinary), mask_id)[i % 5]
        targets_before += len(masked)
        fields = {"input_ids": np.int32(ids)}
        if config["type_vocab_size"] > 1:
            fields["token_type_ids"] = np.int32(rng.integers(0, 2, tokens))
        if global_positions:
            fields["global"] = np.int32(global_positions)
        if masked:
            fields |= {"masked": np.int32(masked), "targets": np.int32(targets)}
        yield fields


# ---- Making. ----


def make(folder, seed):
    import torch
    import transformers

    torch.set_num_threads(1)  # The order of a sum may follow the number of threads.
    mask_id, options = CHECKPOINTS[folder]
    config = transformers.LongformerConfig(
        num_hidden_layers=len(options["attention_window"]),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **options,
    )
    model = transformers.LongformerForMaskedLM(config)
    randomise(model, torch.Generator().manual_seed(seed))
    model.save_pretrained(HERE / folder)
    model = transformers.LongformerForMaskedLM.from_pretrained(HERE / folder).train()

    rng = np.random.default_rng(seed)
    golden = {}
    for name, batch in CASES[folder].items():
        golden |= run(model, name, list(inputs_of(batch, mask_id, options, rng)))
    print(check(folder, golden))
    made_with = f"torch {torch.__version__}, transformers {transformers.__version__}, seed {seed}"
    # More than one entry would be written in an order that changes from run to run.
    save_file(golden, HERE / folder / "golden.safetensors", metadata={"made_with": made_with})


def padded(config, sequences):
    """What transformers takes for a batch, with the labels of its loss."""
    import torch

    # transformers pads to a multiple of the widest window, but each layer wants one of its own.
    multiple = math.lcm(*config.attention_window)
    longest = max(len(fields["input_ids"]) for fields in sequences)
    shape = (len(sequences), -(-longest // multiple) * multiple)
    inputs = {"input_ids": torch.full(shape, config.pad_token_id), "labels": torch.full(shape, -100)}
    for key in ("attention_mask", "global_attention_mask", "token_type_ids"):
        inputs[key] = torch.zeros(shape, dtype=int)
    for row, fields in enumerate(sequences):
        tokens = len(fields["input_ids"])
        inputs["input_ids"][row, :tokens] = torch.tensor(fields["input_ids"])
        inputs["attention_mask"][row, :tokens] = 1
        inputs["token_type_ids"][row, :tokens] = torch.tensor(fields.get("token_type_ids", np.zeros(tokens, int)))
        inputs["global_attention_mask"][row, fields.get("global", [])] = 1
        if "masked" in fields:
            inputs["labels"][row, fields["masked"]] = torch.tensor(fields["targets"]).long()
    return inputs


def losses_of(model, sequences):
    """The loss at each target of a batch, and transformers' own loss of the batch."""
    import torch

    outputs = model(**padded(model.config, sequences))
    losses = []
    for row, fields in enumerate(sequences):
        for position, target in zip(fields.get("masked", []), fields.get("targets", [])):
            losses.append(-outputs.logits[row, position].float().log_softmax(0)[target])
    return torch.stack(losses), outputs.loss.item()


def gradients(model, sequences, autocast=False):
    """Loss at each target, and the gradient of every parameter that has one of the mean."""
    import torch

    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, autocast):
        losses, _ = losses_of(model, sequences)
    losses.mean().backward()
    found = {name: p.grad.numpy().copy() for name, p in model.named_parameters() if p.grad is not None}
    return losses.detach().numpy(), found


def run(model, name, sequences):
    """All that a golden file holds of one batch."""
    losses, found = gradients(model, sequences)
    assert_loss_of_transformers(model, sequences, losses)
    golden = {f"loss.{name}": losses.mean(keepdims=True)}
    for row, fields in enumerate(sequences):
        golden |= {f"{name}.{row}.{field}": value for field, value in fields.items()}
    golden |= {f"grad.{name}.{parameter}": gradient for parameter, gradient in found.items()}

    _, rounded = gradients(model, sequences, autocast=True)
    norm, off = {}, {}
    for parameter, gradient in found.items():
        norm[parameter] = np.linalg.norm(np.float64(gradient))
        off[parameter] = np.linalg.norm(np.float64(rounded[parameter]) - gradient)
        if not is_zero(parameter):
            golden[f"bf16_error.{name}.{parameter}"] = np.float32([off[parameter] / norm[parameter]])
    total = np.linalg.norm(list(off.values())) / np.linalg.norm(list(norm.values()))
    golden[f"bf16_error.{name}"] = np.float32([total])
    return golden


def is_zero(parameter):
    """Whether the gradient of this parameter is zero whatever the batch."""
    return parameter.endswith((".key.bias", ".key_global.bias"))


def assert_loss_of_transformers(model, sequences, losses):
    """For the batch, then for each sequence by itself."""
    import torch

    counts = [len(fields.get("masked", [])) for fields in sequences]
    pieces = np.split(losses, np.cumsum(counts)[:-1])
    alone = [([fields], piece) for fields, piece in zip(sequences, pieces) if len(piece)]
    for some, expected in [(sequences, losses), *alone]:
        with torch.no_grad():
            _, own = losses_of(model, some)
        assert abs(own - expected.mean()) < 1e-5, f"a loss of {expected.mean()}, transformers has {own}"


# ---- Checking: f64, no autograd. A gradient times a direction is the slope of brute.py's loss along it. ----


def check(folder, golden):
    """Returns a line that says how far off the worst numbers are."""
    config = json.loads((HERE / folder / "config.json").read_text())
    weights = load_file(HERE / folder / "model.safetensors")
    brute = Brute(config, weights)
    rng = np.random.default_rng(1)
    losses, worst = [], 0.0
    for name in CASES[folder]:
        sequences = training.sequences_of(name, golden)
        loss = brute_loss(brute, sequences)
        losses.append(f"{name} {loss:.4f}")
        assert abs(golden[f"loss.{name}"][0] - loss) <= training.LOGIT_TOLERANCE, f"{folder}: loss of {name}"
        gradients_of = {key: golden[f"grad.{name}.{key}"] for key in weights if f"grad.{name}.{key}" in golden}
        assert len(gradients_of) == sum(key.startswith(f"grad.{name}.") for key in golden), "unknown parameters"
        for key in weights:
            gradient = np.float64(gradients_of.get(key, np.zeros(weights[key].shape)))
            what = f"{folder}: {name}: {key}"
            norm = np.linalg.norm(gradient)
            in_vain = key not in gradients_of or is_zero(key)
            assert norm <= training.NOISE if in_vain else norm > 1e-3, f"{what}: a gradient of norm {norm:.1e}"
            worst = max(worst, check_slopes(what, brute, sequences, key, gradient, rng))
        errors = [value[0] for key, value in golden.items() if key.startswith(f"bf16_error.{name}")]
        assert errors and 1e-4 < min(errors) and max(errors) < 0.5, f"{folder}: {name}: errors of bf16 {errors}"
    return f"{folder}: losses: {', '.join(losses)}; slopes of the gradients off by {worst:.1e} of their norm at most"


def brute_loss(brute, sequences):
    losses = []
    for fields in sequences:
        ids = fields["input_ids"]
        assert (ids != brute.config["pad_token_id"]).all(), "padding stands in a text"
        if "masked" not in fields:
            continue
        types = fields.get("token_type_ids", np.zeros_like(ids))
        logits = brute.run(ids, types, fields.get("global", np.zeros(0, int)))["logits"][fields["masked"]]
        losses.append(np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(logits)), fields["targets"]])
    return np.concatenate(losses).mean()


def check_slopes(what, brute, sequences, name, gradient, rng):
    """Along the gradient itself, whose slope is its norm, and along a random direction of length 1."""
    norm = np.linalg.norm(gradient)
    directions = [rng.standard_normal(gradient.shape)] + ([gradient] if norm > training.NOISE else [])
    name = name.removeprefix("longformer.")
    weight, worst = brute.tensors[name], 0.0
    for direction in directions:
        direction = direction / np.linalg.norm(direction)
        losses = []
        for h in (training.H, -training.H):
            brute.tensors[name] = weight + h * direction
            losses.append(brute_loss(brute, sequences))
        slope = (losses[0] - losses[1]) / (2 * training.H)
        off = abs(slope - (gradient * direction).sum())
        allowed = training.SLOPE_TOLERANCE * norm + training.NOISE
        assert off <= allowed, f"{what}: a slope of {slope:.3e} is off by {off:.1e}, the gradient's norm is {norm:.1e}"
        if norm > training.NOISE:
            worst = max(worst, off / norm)
    brute.tensors[name] = weight
    return worst


def main():
    parser = argparse.ArgumentParser(description=" ".join(__doc__.split("\n\n")[0].split()))
    parser.add_argument("--check", action="store_true", help="only compare the files that are there with brute.py")
    only_check = parser.parse_args().check
    for seed, folder in enumerate(CHECKPOINTS, start=1):
        if only_check:
            print(check(folder, load_file(HERE / folder / "golden.safetensors")))
        else:
            make(folder, seed)


if __name__ == "__main__":
    main()
