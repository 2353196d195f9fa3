"""Measures how fast transformers and torch train a Longformer on a CPU, and prints a Markdown table.

    python benchmarks/training_peers.py [--threads 2] [--steps 5] [--warm-up 1]
        [--models mini,base] [--works short,long] [--only NAME,...] [--batch 8] [--task masked-lm] [--json FILE]

Needs torch and transformers. Weights are random: nothing is loaded, and nothing useful is learnt.

Models; the task is question answering, or with --task masked-lm masked language modelling with one token in seven
masked:

    mini        6 layers, hidden size 384, 12 heads, intermediate size 1536, vocabulary 30,522, window 256
    base        12 layers, hidden size 768, 12 heads, intermediate size 3072, vocabulary 50,265, window 512
    tiny        2 layers, hidden size 64: only for trying this script

Works, each one training step:

    short       sequences as long as SQuAD's inputs, around 170 tokens; 32 of them for mini, 8 for base
    long        one sequence of 4,096 tokens
    N or SxN    S sequences of N tokens

The first 14 tokens (a question) are global; in masked language modelling no token is. transformers pads every batch to
a multiple of the window. To keep padding small, sequences that are padded to the same multiple are batched together,
at most `--batch` of them at once, and the gradients of the batches are accumulated.

Contenders (`--only` takes names or prefixes of names):

    f32                    f32
    autocast               f32 weights, bf16 autocast
    bf16                   bf16 weights, and so bf16 moments
    f32-dropout, ...       the same with dropout of 0.1 on hidden states and attention; the others have no dropout

A step consists of the forward pass, loss, backward pass, clipping of the gradient to norm 1, and torch.optim.AdamW
(fused unless --adamw selects another form), with weight decay on everything but biases and norms. Gradients are freed
after a step. Tokens exclude padding. Every row of the table is measured in a process of its own. Its peak memory
includes the libraries torch and transformers; the last column shows what these take before there is a model. `--json`
also writes the seconds of every step.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

SEED = 1
GLOBAL = 14
MODELS = {
    "mini": dict(num_hidden_layers=6, hidden_size=384, intermediate_size=1536, vocab_size=30522)
    | dict(num_attention_heads=12, attention_window=[256] * 6, max_position_embeddings=4098),
    "base": dict(num_hidden_layers=12, hidden_size=768, intermediate_size=3072, vocab_size=50265)
    | dict(num_attention_heads=12, attention_window=[512] * 12, max_position_embeddings=4098),
    "tiny": dict(num_hidden_layers=2, hidden_size=64, intermediate_size=128, vocab_size=1000)
    | dict(num_attention_heads=2, attention_window=[32] * 2, max_position_embeddings=4098),
}
TASKS = {"questions": "LongformerForQuestionAnswering", "masked-lm": "LongformerForMaskedLM"}
SHORT_SEQUENCES = {"mini": 32, "base": 8, "tiny": 4}
CONTENDERS = {
    "f32": "f32",
    "autocast": "bf16 autocast",
    "bf16": "bf16 weights",
    "f32-dropout": "f32, dropout 0.1",
    "autocast-dropout": "bf16 autocast, dropout 0.1",
    "bf16-dropout": "bf16 weights, dropout 0.1",
}
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def lengths(model, work):
    """The number of tokens of each sequence."""
    import numpy as np

    if work == "long":
        return [4096]
    if work == "short":
        # Like SQuAD's inputs: most lengths are near 150, some are twice that.
        drawn = np.random.default_rng(SEED).lognormal(np.log(160), 0.35, SHORT_SEQUENCES[model])
        return drawn.clip(60, 400).astype(int).tolist()
    sequences, _, tokens = work.rpartition("x")
    return [int(tokens)] * int(sequences or 1)


# ---- The worker process, which runs the steps. ----


def step_of(name, model, work, options):
    """Returns a function that takes one step and returns its loss, and the number of tokens of a step."""
    import torch
    import transformers

    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    precision, _, dropout = name.partition("-")
    rate = 0.1 if dropout else 0.0
    config = transformers.LongformerConfig(
        type_vocab_size=1,
        hidden_dropout_prob=rate,
        attention_probs_dropout_prob=rate,
        **MODELS[model],
    )
    network = getattr(transformers, TASKS[options.task])(config).train()
    if precision == "bf16":
        network.to(torch.bfloat16)
    plain = [p for name, p in network.named_parameters() if name.endswith(("bias", "LayerNorm.weight"))]
    decayed = [p for name, p in network.named_parameters() if not name.endswith(("bias", "LayerNorm.weight"))]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    form = {"fused": options.adamw == "fused", "foreach": options.adamw == "foreach"}
    optimizer = torch.optim.AdamW(groups, lr=5e-5, **form)

    tokens = lengths(model, work)
    inputs = [
        inputs_of(batch, config.vocab_size, options.task)
        for batch in batches(tokens, config.attention_window[0], options)
    ]

    def step():
        total = 0.0
        for batch in inputs:
            with torch.autocast("cpu", torch.bfloat16, precision == "autocast"):
                loss = network(**batch).loss * len(batch["input_ids"]) / len(tokens)
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return total

    return step, sum(tokens)


def batches(tokens, window, options):
    """Yields batches of lengths that are padded to the same multiple of the window."""
    padded = {}
    for count in sorted(tokens):
        padded.setdefault(-(-count // window), []).append(count)
    for together in padded.values():
        yield from (together[i : i + options.batch] for i in range(0, len(together), options.batch))


def inputs_of(tokens, vocab_size, task):
    import torch

    shape = (len(tokens), max(tokens))
    inputs = {"input_ids": torch.ones(shape, dtype=int)}  # Padding.
    for key in ("attention_mask", "global_attention_mask"):
        inputs[key] = torch.zeros(shape, dtype=int)
    for row, count in enumerate(tokens):
        inputs["input_ids"][row, :count] = torch.randint(4, vocab_size, (count,))
        inputs["attention_mask"][row, :count] = 1
        inputs["global_attention_mask"][row, : min(GLOBAL, count)] = int(task == "questions")
    if task == "masked-lm":
        labels = torch.full(shape, -100)
        labels[:, ::7] = inputs["input_ids"][:, ::7]
        return inputs | {"labels": labels.where(inputs["attention_mask"] == 1, -100)}
    ends = torch.tensor(tokens) - 1
    return inputs | {"start_positions": ends - 3, "end_positions": ends}


def serve(name, model, work, options):
    """Runs the steps and prints their seconds, losses and memory."""
    import torch  # noqa: F401
    import transformers

    getattr(transformers, TASKS[options.task])  # transformers imports a class on first access.
    libraries_bytes = memory_bytes("VmRSS")
    step, tokens = step_of(name, model, work, options)
    losses = [step() for _ in range(options.warm_up)]
    seconds = []
    for _ in range(options.steps):
        start = time.perf_counter()
        losses.append(step())
        seconds.append(time.perf_counter() - start)
    assert all(loss == loss for loss in losses), f"losses {losses}"
    memory = {"peak_memory_bytes": memory_bytes("VmHWM"), "libraries_bytes": libraries_bytes}
    print(json.dumps({"tokens": tokens, "seconds": seconds, "losses": losses} | memory))


def memory_bytes(which):
    """Memory of this process: `VmRSS` is the current size, `VmHWM` the peak."""
    status = dict(line.split(":") for line in open("/proc/self/status"))
    return int(status[which].split()[0]) * 1024


# ---- The table. ----


def measure(name, model, work, options):
    """The result that `serve` printed and None, or None and one line with the reason of the failure."""
    command = [sys.executable, __file__, "--worker", name, "--models", model, "--works", work]
    command += ["--threads", str(options.threads), "--steps", str(options.steps)]
    command += ["--warm-up", str(options.warm_up), "--batch", str(options.batch), "--adamw", options.adamw]
    command += ["--task", options.task]
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), HF_HUB_OFFLINE="1")
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    for line in result.stdout.splitlines():
        if line.startswith("{"):
            return json.loads(line), None
    lines = result.stderr.strip().splitlines() or ["no message"]
    return None, f"exit status {result.returncode}, {lines[-1]}"


def row_of(name, model, work, found):
    seconds, tokens = found["seconds"], found["tokens"]
    middle = statistics.median(seconds)
    return (
        f"| {model} | {work} | {CONTENDERS[name]} | {tokens:,} | {middle:.3f}"
        f" | {tokens / middle:,.0f} | ({tokens / max(seconds):,.0f} to {tokens / min(seconds):,.0f})"
        f" | {found['peak_memory_bytes'] / 1e6:,.0f} | {found['libraries_bytes'] / 1e6:,.0f} |"
    )


def machine(options):
    lines = [line.partition(":") for line in open("/proc/cpuinfo")]
    cpu = {key.strip(): value.strip() for key, _, value in lines}
    flags = " ".join(flag for flag in CPU_FLAGS if flag in cpu.get("flags", "").split())
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers"))
    family = f"family {cpu.get('cpu family')}, model {cpu.get('model')}"
    return (
        f"{cpu.get('model name', platform.machine())} ({family}; {flags}), {os.cpu_count()} cores,"
        f" {options.threads} threads; Python {platform.python_version()}, {versions}, {options.adamw} AdamW,"
        f" batches of {options.batch}; {options.steps} steps after {options.warm_up}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5, help="timed steps")
    parser.add_argument("--warm-up", type=int, default=1, help="untimed steps before those")
    parser.add_argument("--models", default="mini,base", help="a selection of mini, base and tiny")
    parser.add_argument("--works", default="short,long", help="such as short,long,512,4x170")
    parser.add_argument("--only", default="", help="contenders, or prefixes of their names")
    parser.add_argument("--task", default="questions", choices=TASKS)
    parser.add_argument("--batch", type=int, default=8, help="most sequences in one batch")
    parser.add_argument("--adamw", default="fused", choices=["fused", "foreach", "loop"])
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    models, works = options.models.split(","), options.works.split(",")
    if options.worker:
        return serve(options.worker, *models, *works, options)
    names = [name for name in CONTENDERS if name.startswith(tuple(options.only.split(",")))]
    if not names or min(options.steps, options.batch) < 1:
        parser.error("nothing to do: --only takes " + ", ".join(CONTENDERS))
    if not set(models) <= set(MODELS):
        parser.error("--models takes " + ", ".join(MODELS))

    print(machine(options) + "\n", flush=True)
    print("| model | work | transformers | tokens | s a step | tokens/s | (range) | peak memory, MB | libraries |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    runs, notes = [], []
    for model, work, name in ((model, work, name) for model in models for work in works for name in names):
        found, failure = measure(name, model, work, options)
        if failure:
            notes.append(f"- {model}, {work}, {CONTENDERS[name]}: failed: {failure}")
            continue
        runs.append({"model": model, "work": work, "contender": name} | found)
        print(row_of(name, model, work, found), flush=True)
    print("", *notes, sep="\n")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(options), "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
