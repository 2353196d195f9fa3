"""Makes small random Longformer checkpoints, and their losses, gradients and training steps computed by torch.

    python make.py            writes the folders beside this file (needs torch and transformers)
    python make.py --check    compares existing files with models/brute.py (needs numpy and safetensors)

Each folder has a LongformerForQuestionAnswering (config.json, model.safetensors) and golden.safetensors. There is no
dropout. A CASE is one batch, whose sequence N has the tensors CASE.N.FIELD:

    input_ids            I32 (T)
    token_type_ids       I32 (T)     left out where the checkpoint has one token type
    global               I32 (G)     positions with global attention, ascending; left out where there are none
    gold_start           I32 (A)     one or more gold spans, some repeated; start and end 0 mean `no answer`
    gold_end             I32 (A)     the last token of a span
    teacher_start_logits F32 (T)     a teacher's, where the case has one
    teacher_end_logits   F32 (T)
    teacher_start        F32 (T)     probabilities of a teacher's saved answers, with the sum 1, where the case has them for this
    teacher_end          F32 (T)     sequence
    start_logits         F32 (T)
    end_logits           F32 (T)
    dstart_logits        F32 (T)     gradients of the loss of the batch
    dend_logits          F32 (T)

The whole batch has:

    loss.CASE             F32 (1)
    grad.CASE.PARAMETER   F32 of the parameter's shape, under Hugging Face's name
    bf16_error.CASE.PARAMETER  F32 (1)   |g_bf16 - g| / |g|, g_bf16 being what torch computes in bf16 autocast; left out
                                         where the true gradient is zero
    bf16_error.CASE       F32 (1)        the same over all parameters at once

A parameter without `grad` is unused: the global projections if no token is global. Rows of tables that no token uses
are zero. (This task has no pooler.) The gradients of the biases of key, key_global and qa_outputs and of the last
LayerNorm.bias are mathematically zero, because each adds the same number to all inputs of a softmax; here they are
noise of about 1e-8. The padding id, whose rows torch never trains, occurs in no text.

The loss is the mean over sequences of the mean over start and end. For each of these, with softmax over the sequence's
own tokens:

    hard = -log of the sum of the probabilities of the distinct gold positions
    soft = -sum over tokens of the teacher's probability times the log of the model's
    loss = hard; with a teacher's logits or probabilities for the sequence (1 - a) hard + a soft, a = TEACHER_WEIGHT = 0.3

With one gold span, this equals the loss of transformers, which `make` asserts for every sequence alone. Sequences went
through transformers together, padded on the right. transformers would include the logits of padding in the softmax of a
shorter sequence; here the loss is computed separately, from real tokens only.

The folder STEP_FOLDER also has ten training steps with torch.optim.AdamW, on its cases `ragged` and `second` in turn:
betas 0.9 and 0.999, eps 1e-8, weight decay 0.01 except where a name ends in `bias` or `LayerNorm.weight`. The gradient
is clipped by torch.nn.utils.clip_grad_norm_ to norm CLIP_NORM = 2.5, which some steps exceed and others do not: it is
multiplied by min(1, 2.5 / (norm + 1e-6)). The learning rates are those of transformers' get_linear_schedule_with_warmup
with 3 warm-up steps of 10: step i, counted from 0, has 1e-3 * i / 3 while i < 3 and 1e-3 * (10 - i) / 7 afterwards. So
the first step changes only the moments.

    steps.losses          F32 (10)   before each step
    steps.gradient_norms  F32 (10)   of all parameters, before clipping
    steps.learning_rates  F64 (10)
    steps.final_loss      F32 (1)    of `ragged`, after the last step
    final.PARAMETER       F32        after the last step
    final_noise.PARAMETER F32 (1)    largest difference from final.PARAMETER if torch takes the sequences of each batch
                                     in the opposite order: AdamW divides by the size of the gradient, so where the
                                     gradient is zero, rounding errors determine the step
    schedule.linear, schedule.cosine, schedule.polynomial-2    F64 (10)   learning rates of transformers' schedules
                                     (power 2, lr_end 0; half a cosine), all with 3 steps of warm-up

The folder `wide` has no model.safetensors, which would be large. Its weights follow from a formula: with the names of
all parameters sorted, element e of parameter p is, computed in f64 and then rounded to f32,

    centre + spread * (2 * fraction(SEED, [p, e]) - 1)         fraction as in src/random.rs, SEED = 1

    LayerNorm.weight          centre 1, spread 0.3
    other vectors             centre 0, spread 0.3
    names with `embeddings`   centre 0, spread 0.5
    other matrices (N, K)     centre 0, spread gain * sqrt(3 / K); gain 1.6 for query and key, global too, and
                              qa_outputs, else 1

It holds `grad` for WIDE_GRADIENTS only, but `bf16_error` for all. The metadata entry `made_with` names the versions and
the seed.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

# Weights, sequences and the second opinion are those of the small models.
sys.path.insert(0, str(Path(__file__).parent.parent / "models"))
from brute import Brute
from make import BERT, ROBERTA, VOCAB_SIZE, randomise, sequence

HERE = Path(__file__).parent
TEACHER_WEIGHT = 0.3
STEPS, STEP_CASES, WARMUP_STEPS, LEARNING_RATE = 10, ("ragged", "second"), 3, 1e-3
CLIP_NORM = 2.5
STEP_FOLDER = "head16"
SOFT_UNKNOWN = 41  # Of the case `soft`, the sequence with so many tokens has no answer of a teacher.

CHECKPOINTS = {
    # Two heads of 16.
    "head16": ROBERTA | dict(hidden_size=32, num_attention_heads=2, attention_window=[4, 8], intermediate_size=48),
    # Heads of 24, no multiple of a vector; windows with an odd half; BERT's ids and two token types.
    "head24-bert": BERT | dict(hidden_size=48, num_attention_heads=2, attention_window=[6, 12], intermediate_size=40),
    # One head of 32, three layers, the widest window in the middle.
    "head32": ROBERTA | dict(hidden_size=32, num_attention_heads=1, attention_window=[8, 16, 4], intermediate_size=72),
    "wide": ROBERTA
    | dict(hidden_size=128, num_attention_heads=4, attention_window=[16, 32, 64, 32], intermediate_size=256),
}
WIDE_GRADIENTS = (
    "longformer.embeddings.LayerNorm.weight",
    "longformer.encoder.layer.0.attention.self.query.bias",
    "longformer.encoder.layer.0.attention.self.query_global.bias",
    "longformer.encoder.layer.1.attention.self.key_global.weight",
    "longformer.encoder.layer.2.attention.self.value.bias",
    "longformer.encoder.layer.2.attention.output.LayerNorm.weight",
    "longformer.encoder.layer.3.intermediate.dense.bias",
    "qa_outputs.weight",
)


# ---- The cases: a name, and for each sequence its length, global positions and gold spans. ----


def cases(folder, config):
    head_size = config["hidden_size"] // config["num_attention_heads"]
    widest = max(config["attention_window"])
    prefix, no_answer = list(range(6)), [(0, 0)]
    if folder == "wide":
        return {"long": [(200, [*range(12), 120, 199], [(150, 157)]), (90, prefix, no_answer)]}
    ragged = [
        (33, [0], [(20, 24)]),
        (1, [0], no_answer),
        (41, [], [(39, 40)]),
        (50, prefix, no_answer),
        (widest, [1], [(widest - 1, widest - 1)]),
        (widest + 1, [0, widest], [(1, widest)]),
        (57, [3, 19, 20, 40, 56], [(50, 55)]),
        (60, [*range(head_size), 40, 41, 59], [(58, 59)]),
        (2, [], [(1, 1)]),
        (widest // 2 + 1, [], [(0, 2)]),
        (44, list(range(head_size)), [(30, 33)]),
    ]
    plain = [(12, [], [(3, 7)]), (40, [], no_answer), (17, [], [(15, 16)])]
    second = [(37, prefix, [(11, 14)]), (59, [0, 30], [(8, 9)]), (9, [0], no_answer), (26, [], [(24, 25)])]
    several = [
        (50, prefix, [(20, 22), (20, 24), (31, 32)]),
        (33, [0], [(31, 32), (12, 12), (31, 32)]),
        (41, [], no_answer),
        (20, [0, 1, 19], [(i, i) for i in range(20)]),
    ]
    match folder:
        case "head16":
            return {"ragged": ragged, "second": second, "several": several, "teacher": second[:2] + several, "soft": second[:2] + several}
        case "head32":
            return {"ragged": ragged, "plain": plain}
    return {"ragged": ragged}


def without_gradients(folder, name):
    return folder == STEP_FOLDER and name in ("second", "soft")


def inputs_of(folder, name, batch, config, rng):
    """The sequences of a batch, each as its fields."""
    for tokens, positions, golds in batch:
        ids, types = sequence(rng, name, tokens, config)
        fields = {"input_ids": np.int32(ids)}
        if types is not None:
            fields["token_type_ids"] = np.int32(types)
        if positions:
            fields["global"] = np.int32(positions)
        fields["gold_start"], fields["gold_end"] = np.int32(golds).T.copy()
        if name == "teacher":
            for field in ("teacher_start_logits", "teacher_end_logits"):
                fields[field] = np.float32(3 * rng.standard_normal(tokens))
        if name == "soft" and tokens != SOFT_UNKNOWN:
            for field in ("teacher_start", "teacher_end"):
                # A few tokens and the first, as saved answers have them.
                powers = np.exp(3 * rng.standard_normal(tokens)) * (rng.random(tokens) < 0.2)
                powers[0] = rng.random()
                fields[field] = np.float32(powers / powers.sum())
        yield fields


# ---- Making. ----


def make(folder, seed):
    import torch
    import transformers

    torch.set_num_threads(1)  # The order of a sum may follow the number of threads.
    options = CHECKPOINTS[folder]
    config = transformers.LongformerConfig(
        vocab_size=VOCAB_SIZE,
        num_hidden_layers=len(options["attention_window"]),
        max_position_embeddings=202 if folder == "wide" else 62,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **options,
    )
    model = transformers.LongformerForQuestionAnswering(config)
    if folder == "wide":
        shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
        weights = formula(shapes)
        for name, parameter in model.named_parameters():
            parameter.data.copy_(torch.tensor(weights[name]))
    else:
        randomise(model, torch.Generator().manual_seed(seed))
    model.save_pretrained(HERE / folder)
    model = transformers.LongformerForQuestionAnswering.from_pretrained(HERE / folder).train()
    if folder == "wide":
        (HERE / folder / "model.safetensors").unlink()

    rng = np.random.default_rng(seed)
    golden, batches = {}, {}
    for name, batch in cases(folder, options).items():
        batches[name] = list(inputs_of(folder, name, batch, options, rng))
        golden |= run(model, folder, name, batches[name])
    if folder == STEP_FOLDER:
        golden |= train(model, batches) | schedules(model)
    print(check(folder, golden))
    made_with = f"torch {torch.__version__}, transformers {transformers.__version__}, seed {seed}"
    # More than one entry would be written in an order that changes from run to run.
    save_file(golden, HERE / folder / "golden.safetensors", metadata={"made_with": made_with})


def formula(shapes, seed=1):
    """The weights of `wide`, by name."""
    weights = {}
    for p, (name, shape) in enumerate(sorted(shapes.items())):
        fractions = random_fractions(seed, p, int(np.prod(shape))).reshape(shape)
        centre, spread = 0.0, 0.3
        if name.endswith("LayerNorm.weight"):
            centre = 1.0
        elif len(shape) > 1 and "embeddings" in name:
            spread = 0.5
        elif len(shape) > 1:
            sharp = any(part in name for part in ("query", "key", "qa_outputs"))
            spread = (1.6 if sharp else 1.0) * np.sqrt(3 / shape[1])
        weights[name] = np.float32(centre + spread * (2 * fractions - 1))
    return weights


def random_fractions(seed, p, count):
    """`random::fraction(seed, &[p, e])` for every e below `count`."""

    def mix(state):
        z = state + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))

    state = mix(mix(np.uint64([seed])) ^ mix(np.uint64([p])))
    numbers = mix(state ^ mix(np.arange(count, dtype=np.uint64)))
    return (numbers >> np.uint64(11)) / 2.0**53


def forward(model, sequences):
    """Start and end logits of each sequence's own tokens, from one padded batch."""
    import torch

    shape = (len(sequences), max(len(fields["input_ids"]) for fields in sequences))
    inputs = {"input_ids": torch.full(shape, model.config.pad_token_id)}
    for key in ("attention_mask", "global_attention_mask", "token_type_ids"):
        inputs[key] = torch.zeros(shape, dtype=int)
    for row, fields in enumerate(sequences):
        tokens = len(fields["input_ids"])
        inputs["input_ids"][row, :tokens] = torch.tensor(fields["input_ids"])
        inputs["attention_mask"][row, :tokens] = 1
        inputs["token_type_ids"][row, :tokens] = torch.tensor(fields.get("token_type_ids", np.zeros(tokens, int)))
        inputs["global_attention_mask"][row, fields.get("global", [])] = 1
    outputs = model(**inputs)
    for row, fields in enumerate(sequences):
        tokens = len(fields["input_ids"])
        yield outputs.start_logits[row, :tokens].float(), outputs.end_logits[row, :tokens].float()


def loss_of(sequences, logits):
    import torch

    losses = []
    for fields, pair in zip(sequences, logits):
        for which, own in zip(("start", "end"), pair):
            log_probabilities = own.log_softmax(0)
            golds = torch.tensor(np.unique(fields[f"gold_{which}"]))
            loss = -log_probabilities[golds].logsumexp(0)
            teacher = None
            if f"teacher_{which}_logits" in fields:
                teacher = torch.tensor(fields[f"teacher_{which}_logits"]).softmax(0)
            elif f"teacher_{which}" in fields:
                teacher = torch.tensor(fields[f"teacher_{which}"])
            if teacher is not None:
                loss = (1 - TEACHER_WEIGHT) * loss - TEACHER_WEIGHT * (teacher * log_probabilities).sum()
            losses.append(loss)
    return torch.stack(losses).mean()


def gradients(model, sequences, autocast=False):
    """Loss, logits with their gradients, and the gradient of every parameter that has one."""
    import torch

    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, autocast):
        logits = list(forward(model, sequences))
    for own in (own for pair in logits for own in pair):
        own.retain_grad()
    loss = loss_of(sequences, logits)
    loss.backward()
    found = {name: p.grad.numpy().copy() for name, p in model.named_parameters() if p.grad is not None}
    return loss.item(), logits, found


def run(model, folder, name, sequences):
    """All that a golden file holds of one batch."""
    loss, logits, found = gradients(model, sequences)
    if all(len(fields["gold_start"]) == 1 for fields in sequences) and name not in ("teacher", "soft"):
        assert_loss_of_transformers(model, sequences, loss)
    golden = {f"loss.{name}": np.float32([loss])}
    for row, (fields, (start, end)) in enumerate(zip(sequences, logits)):
        fields = dict(fields, start_logits=start.detach().numpy(), end_logits=end.detach().numpy())
        fields |= dict(dstart_logits=start.grad.numpy(), dend_logits=end.grad.numpy())
        golden |= {f"{name}.{row}.{field}": value.copy() for field, value in fields.items()}
    if without_gradients(folder, name):
        return golden
    kept = WIDE_GRADIENTS if folder == "wide" else found
    golden |= {f"grad.{name}.{parameter}": found[parameter] for parameter in kept}

    _, _, rounded = gradients(model, sequences, autocast=True)
    norm, off = {}, {}
    for parameter, gradient in found.items():
        norm[parameter] = np.linalg.norm(np.float64(gradient))
        off[parameter] = np.linalg.norm(np.float64(rounded[parameter]) - gradient)
        if not is_zero(parameter, model.config.num_hidden_layers):
            golden[f"bf16_error.{name}.{parameter}"] = np.float32([off[parameter] / norm[parameter]])
    total = np.linalg.norm(list(off.values())) / np.linalg.norm(list(norm.values()))
    golden[f"bf16_error.{name}"] = np.float32([total])
    return golden


def is_zero(parameter, layers):
    """Whether the gradient of this parameter is zero whatever the batch."""
    last = f"layer.{layers - 1}.output.LayerNorm.bias"
    return parameter.endswith((".key.bias", ".key_global.bias", "qa_outputs.bias", last))


def assert_loss_of_transformers(model, sequences, loss):
    import torch

    own = []
    for fields in sequences:
        ids = torch.tensor(fields["input_ids"])[None].long()
        mask = torch.zeros_like(ids)
        mask[0, fields.get("global", [])] = 1
        types = torch.tensor(fields.get("token_type_ids", np.zeros(ids.shape[1], int)))[None].long()
        spans = {f"{which}_positions": torch.tensor(fields[f"gold_{which}"]).long() for which in ("start", "end")}
        arguments = dict(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=types, **spans)
        with torch.no_grad():
            own.append(model(global_attention_mask=mask, **arguments).loss.item())
    assert abs(np.mean(own) - loss) < 1e-5, f"a loss of {loss}, transformers has {np.mean(own)}"


def optimizer_of(model):
    import torch

    decayed, plain = [], []
    for name, parameter in model.named_parameters():
        (plain if name.endswith(("bias", "LayerNorm.weight")) else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8)


def train(model, batches):
    """The ten steps, and how far off their result is in another order of sums. Leaves the model as it was."""
    initial = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    finals = []
    for order in (-1, 1):
        for name, parameter in model.named_parameters():
            parameter.data.copy_(initial[name])
        steps = {key: [] for key in ("losses", "gradient_norms", "learning_rates")}
        take_steps(model, [batches[name][::order] for name in STEP_CASES], steps)
        finals.append({name: p.detach().numpy().copy() for name, p in model.named_parameters()})
    golden = {f"steps.{key}": np.float32(values) for key, values in steps.items()}
    golden["steps.learning_rates"] = np.float64(steps["learning_rates"])
    golden["steps.final_loss"] = np.float32([gradients(model, batches[STEP_CASES[0]])[0]])
    for name, value in finals[1].items():
        golden[f"final.{name}"] = value
        golden[f"final_noise.{name}"] = np.float32([np.abs(value - finals[0][name]).max()])
    for name, parameter in model.named_parameters():
        parameter.data.copy_(initial[name])
    return golden


def take_steps(model, batches, steps):
    import torch
    import transformers

    optimizer = optimizer_of(model)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, WARMUP_STEPS, STEPS)
    for step in range(STEPS):
        loss, _, found = gradients(model, batches[step % len(batches)])
        # torch would skip a parameter without a gradient, decay and moments too.
        assert len(found) == len(list(model.parameters()))
        steps["losses"].append(loss)
        steps["gradient_norms"].append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM).item())
        steps["learning_rates"].append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()


def schedules(model):
    import transformers

    arguments = dict(num_warmup_steps=WARMUP_STEPS, num_training_steps=STEPS)
    makers = {
        "linear": transformers.get_linear_schedule_with_warmup,
        "cosine": transformers.get_cosine_schedule_with_warmup,
        "polynomial-2": lambda *a, **k: transformers.get_polynomial_decay_schedule_with_warmup(
            *a, lr_end=0.0, power=2.0, **k
        ),
    }
    model.zero_grad()
    golden = {}
    for name, maker in makers.items():
        optimizer = optimizer_of(model)
        schedule = maker(optimizer, **arguments)
        rates = []
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()  # There are no gradients: this changes nothing.
            schedule.step()
        golden[f"schedule.{name}"] = np.float64(rates)
    return golden


# ---- Checking: f64, no autograd. A gradient times a direction is the slope of brute.py's loss along it. ----

LOGIT_TOLERANCE = 1e-5
SLOPE_TOLERANCE = 1e-5  # Of the norm of the gradient, beside NOISE.
NOISE = 1e-7
H = 1e-5


def check(folder, golden):
    """Returns a line that says how far off the worst numbers are."""
    config = json.loads((HERE / folder / "config.json").read_text())
    file = HERE / folder / "model.safetensors"
    shapes = parameter_shapes(config)
    weights = load_file(file) if file.exists() else formula(shapes)
    assert {name: array.shape for name, array in weights.items()} == shapes, f"{folder}: other parameters"
    brute = Brute(config, weights)
    rng = np.random.default_rng(1)
    names = [key.removeprefix("loss.") for key in golden if key.startswith("loss.")]
    worst_logit, worst_slope, slopes = 0.0, 0.0, 0
    for name in names:
        sequences = sequences_of(name, golden)
        logits = brute_logits(brute, sequences)
        loss = brute_loss(sequences, logits)
        assert abs(golden[f"loss.{name}"][0] - loss) <= LOGIT_TOLERANCE, f"{folder}: loss of {name}"
        worst_logit = max(worst_logit, check_logits(f"{folder}: {name}", sequences, logits))
        if without_gradients(folder, name):
            continue
        gradients_of = {key: golden[f"grad.{name}.{key}"] for key in shapes if f"grad.{name}.{key}" in golden}
        for key in WIDE_GRADIENTS if folder == "wide" else shapes:
            gradient = np.float64(gradients_of.pop(key, np.zeros(shapes[key])))
            off = check_slopes(f"{folder}: {name}: {key}", brute, sequences, key, gradient, rng)
            worst_slope, slopes = max(worst_slope, off), slopes + 1
        assert not gradients_of, f"{folder}: {name}: more gradients: {list(gradients_of)}"
        errors = [value[0] for key, value in golden.items() if key.startswith(f"bf16_error.{name}")]
        assert errors and 1e-4 < min(errors) and max(errors) < 0.5, f"{folder}: {name}: errors of bf16 {errors}"
    if folder == STEP_FOLDER:
        check_steps(config, golden)
    return (
        f"{folder}: {len(names)} batches, logits off by {worst_logit:.1e} at most; {slopes} gradients, slopes along"
        f" them and across off by {worst_slope:.1e} of their norm at most"
    )


def parameter_shapes(config):
    c, f = config["hidden_size"], config["intermediate_size"]
    shapes = {"qa_outputs.weight": (2, c), "qa_outputs.bias": (2,)}
    tables = {"word": "vocab_size", "position": "max_position_embeddings", "token_type": "type_vocab_size"}
    for table, rows in tables.items():
        shapes[f"longformer.embeddings.{table}_embeddings.weight"] = (config[rows], c)
    norms = ["longformer.embeddings.LayerNorm"]
    linear = {}
    for layer in range(config["num_hidden_layers"]):
        prefix = f"longformer.encoder.layer.{layer}."
        for which in ("query", "key", "value"):
            linear[f"{prefix}attention.self.{which}"] = linear[f"{prefix}attention.self.{which}_global"] = (c, c)
        linear[f"{prefix}attention.output.dense"] = (c, c)
        linear[f"{prefix}intermediate.dense"] = (f, c)
        linear[f"{prefix}output.dense"] = (c, f)
        norms += [f"{prefix}attention.output.LayerNorm", f"{prefix}output.LayerNorm"]
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes | {f"{name}.{part}": (c,) for name in norms for part in ("weight", "bias")}


def sequences_of(name, golden):
    """The sequences of a case, in order, each as its fields."""
    sequences = {}
    for key, value in golden.items():
        case, _, rest = key.partition(".")
        row, _, field = rest.partition(".")
        if case == name:
            sequences.setdefault(int(row), {})[field] = value
    return [sequences[row] for row in range(len(sequences))]


def brute_logits(brute, sequences):
    """Start and end logits (2, T) of each sequence."""
    logits = []
    for fields in sequences:
        ids = fields["input_ids"]
        assert (ids != brute.config["pad_token_id"]).all(), "padding stands in a text"
        types = fields.get("token_type_ids", np.zeros_like(ids))
        found = brute.run(ids, types, fields.get("global", np.zeros(0, int)))
        logits.append(np.stack([found["start_logits"], found["end_logits"]]))
    return logits


def brute_loss(sequences, logits):
    return np.mean([brute_loss_of(*one) for one in zip(sequences, logits)])


def brute_loss_of(fields, pair):
    loss = 0.0
    for which, own in zip(("start", "end"), pair):
        p = np.exp(own) / np.exp(own).sum()
        share = 1.0
        if f"teacher_{which}_logits" in fields:
            teacher = np.exp(np.float64(fields[f"teacher_{which}_logits"]))
            loss -= TEACHER_WEIGHT * teacher @ np.log(p) / teacher.sum()
            share -= TEACHER_WEIGHT
        elif f"teacher_{which}" in fields:
            loss -= TEACHER_WEIGHT * np.float64(fields[f"teacher_{which}"]) @ np.log(p)
            share -= TEACHER_WEIGHT
        loss -= share * np.log(sum(p[gold] for gold in set(fields[f"gold_{which}"].tolist())))
    return loss / 2


def check_logits(what, sequences, logits):
    worst = 0.0
    for row, (fields, pair) in enumerate(zip(sequences, logits)):
        stored = np.stack([fields["start_logits"], fields["end_logits"]])
        off = np.abs(stored - pair).max()
        for index in np.ndindex(pair.shape):
            step = np.zeros(pair.shape)
            step[index] = H
            slope = (brute_loss_of(fields, pair + step) - brute_loss_of(fields, pair - step)) / (2 * H)
            off = max(off, abs(slope / len(sequences) - fields[("dstart_logits", "dend_logits")[index[0]]][index[1]]))
        assert off <= LOGIT_TOLERANCE, f"{what}.{row}: logits or their gradients are off by {off:.1e}"
        worst = max(worst, off)
    return worst


def check_slopes(what, brute, sequences, name, gradient, rng):
    """Along the gradient itself, whose slope is its norm, and along two random directions of length 1."""
    norm = np.linalg.norm(gradient)
    directions = [rng.standard_normal(gradient.shape) for _ in range(2)] + ([gradient] if norm > NOISE else [])
    name = name.removeprefix("longformer.")
    worst = 0.0
    weight = brute.tensors[name]
    for direction in directions:
        direction = direction / np.linalg.norm(direction)
        losses = []
        for h in (H, -H):
            brute.tensors[name] = weight + h * direction
            losses.append(brute_loss(sequences, brute_logits(brute, sequences)))
        slope = (losses[0] - losses[1]) / (2 * H)
        off = abs(slope - (gradient * direction).sum())
        allowed = SLOPE_TOLERANCE * norm + NOISE
        assert off <= allowed, f"{what}: a slope of {slope:.3e} is off by {off:.1e}, the gradient's norm is {norm:.1e}"
        if norm > NOISE:
            worst = max(worst, off / norm)
    brute.tensors[name] = weight
    return worst


def check_steps(config, golden):
    """The learning rates, and the losses that brute.py can say: the first two, and that of the final parameters."""
    rates = [i / WARMUP_STEPS if i < WARMUP_STEPS else (STEPS - i) / (STEPS - WARMUP_STEPS) for i in range(STEPS)]
    assert np.allclose(golden["steps.learning_rates"], LEARNING_RATE * np.array(rates), rtol=1e-12, atol=0)
    clipped = golden["steps.gradient_norms"] > CLIP_NORM
    assert clipped.any() and not clipped.all(), "all steps are clipped, or none"
    losses = golden["steps.losses"]
    assert np.abs(losses[:2] - [golden[f"loss.{name}"][0] for name in STEP_CASES]).max() <= LOGIT_TOLERANCE
    final = {key.removeprefix("final."): value for key, value in golden.items() if key.startswith("final.")}
    sequences = sequences_of(STEP_CASES[0], golden)
    loss = brute_loss(sequences, brute_logits(Brute(config, final), sequences))
    assert abs(golden["steps.final_loss"][0] - loss) <= LOGIT_TOLERANCE, f"final loss: {loss}"


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
