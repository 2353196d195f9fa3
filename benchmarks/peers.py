"""Measures Longspan and its peers side by side in one run, and prints a Markdown table.

    python benchmarks/peers.py --longspan target/release/longspan --folder FOLDER
        [--threads 2] [--passes 5] [--only NAME,...] [--works WORK,...] [--accuracy]

The first run writes a base-size Longformer with random weights into FOLDER/base (made by
tests/golden/base.py), and its conversion for OpenVINO into FOLDER/openvino (0.6 GB for each work).
The script needs torch, transformers and safetensors, and openvino to include OpenVINO.

Contenders (`--only` takes names or prefixes of names):

    longspan-f32, -bf16, -int8      `longspan bench`, a process for each round
    torch-f32, -autocast, -bf16     transformers: f32, bf16 autocast over f32 weights, bf16 weights
    openvino-f32, -bf16             the transformers model, converted for the shapes of the work
    roberta-autocast, -bf16         the usual alternative to Longformer: RoBERTa-base with SDPA on
                                    windows of 384 tokens that overlap by 128, all in one batch

A work is a number of tokens in one input, the first 12 of them global; `64x170` means 64 inputs of
170 tokens. The tokens in the table exclude padding and overlap. transformers, and therefore
OpenVINO, pads every input to a multiple of 512 tokens and processes many inputs in batches of four,
because larger batches are slower. RoBERTa only runs the longest work.

Every contender runs in a process of its own, which is warmed up with one batch, kept until its work
is done, and sleeps while others compute. Each round runs all contenders in turn, so that noise on
the machine affects all of them alike. The value of a round is one pass, or the median of up to three
passes if they take less than 3 s together; for Longspan it is the median of three. Peak memory is
the peak of the process: for the peers since the model was loaded, for Longspan as reported by
`longspan bench`.

`--accuracy` measures no speed. It compares logits with those of transformers in f32, and writes the
latter to FOLDER/base/golden.safetensors, which `cargo run --release --example compare` reads.
"""

import argparse
import ctypes
import functools
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent.parent / "crates/longspan/tests/golden"
CONTENDERS = {
    "longspan-f32": "Longspan f32",
    "longspan-bf16": "Longspan bf16",
    "longspan-int8": "Longspan int8",
    "torch-f32": "transformers f32",
    "torch-autocast": "transformers bf16 autocast",
    "torch-bf16": "transformers bf16 weights",
    "openvino-f32": "OpenVINO f32",
    "openvino-bf16": "OpenVINO bf16",
    "roberta-autocast": "RoBERTa windows, bf16 autocast",
    "roberta-bf16": "RoBERTa windows, bf16 weights",
}
WORKS = "4096,512,128,64x170"
ROBERTA_WORK = "4096"
BATCH = 4
ROBERTA_WINDOW, ROBERTA_OVERLAP = 384, 128
CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


class Failure(Exception):
    """A contender cannot run a work; the message is one line with the reason."""


def sequences_and_tokens(work):
    sequences, _, tokens = work.rpartition("x")
    return int(sequences or 1), int(tokens)


@functools.cache
def base():
    """tests/golden/base.py, which imports torch and transformers."""
    sys.path.insert(0, str(GOLDEN))
    import base

    return base


# ---- The peers, each in a worker process: `build` returns a function that runs the work once. ----


def build(name, work, options):
    """Returns a function that computes the logits (2, S, T) of all batches or of the first few, and a note or ''."""
    engine, _, precision = name.partition("-")
    if engine == "openvino":
        return build_openvino(precision, work, options)
    import torch

    torch.set_num_threads(options.threads)
    if engine == "roberta":
        model, inputs = roberta(*sequences_and_tokens(work))
        if precision == "bf16":
            model.to(torch.bfloat16)
        count, window = inputs["input_ids"].shape
        batches, note = 1, f"{count} windows of {window} tokens"
    else:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        model = longformer(options.folder, dtype=dtype)
        inputs, batches = longformer_inputs(work)
        note = f"{batches} batches of {BATCH}" if batches > 1 else ""

    def run(batches=batches):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, precision == "autocast"):
            outputs = [model(**inputs) for _ in range(batches)]
        logits = [torch.stack([o.start_logits, o.end_logits]) for o in outputs]
        return torch.cat(logits, 1).float().numpy()

    return run, note


def longformer(folder, **arguments):
    import transformers

    kind = transformers.LongformerForQuestionAnswering
    return kind.from_pretrained(folder / "base", **arguments).eval()


def longformer_inputs(work):
    """The inputs of one batch, and the number of such batches in the work."""
    import torch

    sequences, tokens = sequences_and_tokens(work)
    batch = min(sequences, BATCH)
    assert sequences % batch == 0, f"{work}: {sequences} inputs are no multiple of {batch}"
    ids = torch.tensor(base().random_ids(tokens)).repeat(batch, 1)
    globals_ = torch.zeros_like(ids)
    globals_[:, base().GLOBAL] = 1
    mask = torch.ones_like(ids)
    inputs = {"input_ids": ids, "attention_mask": mask, "global_attention_mask": globals_}
    return inputs, sequences // batch


def roberta(sequences, tokens):
    """RoBERTa and its windows `<s> question </s></s> part of the document </s>`, cut from Longformer's input."""
    import torch
    import transformers

    assert sequences == 1
    config = transformers.RobertaConfig(
        vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
    )
    config._attn_implementation = "sdpa"
    model = transformers.RobertaForQuestionAnswering(config).eval()
    gains = dict(query_gain=2.0, value_gain=0.7, head_gain=3.0, bias=0.1)
    base().randomise(model, torch.Generator().manual_seed(base().SEED), **gains)

    ids = torch.tensor(base().random_ids(tokens))
    question, document = ids[: len(base().GLOBAL) + 2], ids[len(base().GLOBAL) + 2 : -1]
    size = ROBERTA_WINDOW - len(question) - 1
    starts = range(0, max(len(document) - ROBERTA_OVERLAP, 1), size - ROBERTA_OVERLAP)
    windows = [torch.cat([question, document[i : i + size], ids[-1:]]) for i in starts]
    pad = config.pad_token_id
    ids = torch.nn.utils.rnn.pad_sequence(windows, batch_first=True, padding_value=pad)
    return model, {"input_ids": ids, "attention_mask": (ids != pad).long()}


def openvino_file(work, options):
    sequences, tokens = sequences_and_tokens(work)
    return options.folder / "openvino" / f"{min(sequences, BATCH)}x{tokens}.xml"


def convert(work, options):
    """Traces the transformers model with these inputs, which makes every shape a constant."""
    import openvino
    import torch

    class Traceable(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = longformer(options.folder)

        def forward(self, *masks):
            outputs = self.model(**dict(zip(inputs, masks)))
            return outputs.start_logits, outputs.end_logits

    inputs, _ = longformer_inputs(work)
    shapes = [list(value.shape) for value in inputs.values()]
    example = tuple(inputs.values())
    model = openvino.convert_model(Traceable(), example_input=example, input=shapes)
    file = openvino_file(work, options)
    file.parent.mkdir(exist_ok=True)
    part = file.with_name(f"part-{file.name}")
    openvino.save_model(model, part, compress_to_fp16=False)
    part.with_suffix(".bin").replace(file.with_suffix(".bin"))
    part.replace(file)  # Last: if this file exists, the conversion is complete.


def build_openvino(precision, work, options):
    import numpy as np
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": options.threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = openvino.Core().compile_model(openvino_file(work, options), "CPU", settings)
    inputs, batches = longformer_inputs(work)
    inputs = [value.numpy() for value in inputs.values()]
    request = compiled.create_infer_request()

    def run(batches=batches):
        outputs = [request.infer(inputs).to_tuple() for _ in range(batches)]
        return np.concatenate([np.stack(logits) for logits in outputs], 1)

    used = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    products = Counter()
    for layer in compiled.get_runtime_model().get_ops():
        layer = layer.get_rt_info()
        if layer["layerType"].value in ("FullyConnected", "MatMul"):
            products[layer["runtimePrecision"].value] += 1
    products = ", ".join(f"{count} in {kind}" for kind, count in products.items())
    note = f"inference precision {used}; matrix products: {products}"
    return run, note + (f"; {batches} batches of {BATCH}" if batches > 1 else "")


def serve(name, work, options):
    """The worker process: reports when it is ready, then runs one round for every line on standard input."""
    if name == "openvino-convert":
        convert(work, options)
        return print(json.dumps({"note": ""}))
    run, note = build(name, work, options)
    ctypes.CDLL(None).malloc_trim(0)  # Do not count memory left over from loading.
    Path("/proc/self/clear_refs").write_text("5")  # Resets the peak, VmHWM.
    run(batches=1)
    print(json.dumps({"note": note}), flush=True)
    for _ in sys.stdin:
        seconds = []
        while len(seconds) < 3 and sum(seconds) < 3:
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        status = dict(line.split(":") for line in open("/proc/self/status"))
        peak_bytes = int(status["VmHWM"].split()[0]) * 1024
        print(json.dumps({"seconds": statistics.median(seconds), "peak": peak_bytes}), flush=True)


# ---- Measuring. ----


class Worker:
    def __init__(self, name, work, options):
        self.log = options.folder / f"{name}-{work}.log"
        command = [sys.executable, __file__, "--worker", name, "--works", work]
        command += ["--folder", options.folder, "--threads", str(options.threads)]
        environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), HF_HUB_OFFLINE="1")
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log, **pipes)

    def reply(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        lines = self.log.read_text().strip().splitlines() or ["no message"]
        raise Failure(f"exit status {self.process.wait()}, {lines[-1]} ({self.log})")

    def round(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # `reply` raises with the reason.
        reply = self.reply()
        return reply["seconds"], reply["peak"]

    def end(self):
        self.process.communicate()


class Longspan:
    def __init__(self, name, work, options):
        if not options.longspan or not options.longspan.exists():
            raise Failure(f"no program at {options.longspan}: give its path with --longspan")
        sequences, tokens = sequences_and_tokens(work)
        self.command = [options.longspan, "bench", "-m", options.folder / "base", "--json"]
        self.command += ["--precision", name.removeprefix("longspan-"), "--passes", "3"]
        self.command += ["--lengths", str(tokens), "--sequences", str(sequences)]
        self.command += ["--threads", str(options.threads)]

    def reply(self):
        return {"note": ""}

    def round(self):
        result = subprocess.run(self.command, capture_output=True, text=True)
        if result.returncode:
            lines = result.stderr.strip().splitlines() or ["no message"]
            raise Failure(f"exit status {result.returncode}, {lines[0]}")
        run = json.loads(result.stdout)["runs"][0]
        return run["seconds"]["median"], run["peak_memory_bytes"]

    def end(self):
        pass


def start(name, work, options):
    if name.startswith("longspan"):
        return Longspan(name, work, options)
    if name.startswith("openvino"):
        if not importlib.util.find_spec("openvino"):
            raise Failure("the Python module openvino is not installed")
        if not openvino_file(work, options).exists():
            print(f"converting for OpenVINO: {work}", file=sys.stderr)
            conversion = Worker("openvino-convert", work, options)
            conversion.reply()
            conversion.end()
    return Worker(name, work, options)


def measure(work, names, options):
    """The table rows and the notes below the table, for one work."""
    contenders, rounds, notes = {}, {}, []

    def attempt(name, action):
        try:
            return action()
        except Failure as failure:
            contenders.pop(name, None)
            notes.append(f"- {CONTENDERS[name]}, {work}: failed: {failure}")
            print(notes[-1], file=sys.stderr)

    names = [name for name in names if work == ROBERTA_WORK or not name.startswith("roberta")]
    for name in names:  # One after the other, because the warm-up pass computes too.
        contender = attempt(name, lambda: start(name, work, options))
        if contender:
            contenders[name], rounds[name] = contender, []
            reply = attempt(name, contender.reply)
            if reply and reply["note"]:
                notes.append(f"- {CONTENDERS[name]}, {work}: {reply['note']}")
    running = list(contenders.values())
    for number in range(options.passes):
        for name in list(contenders):
            result = attempt(name, contenders[name].round)
            if result:
                rounds[name].append(result)
                print(f"{work}, round {number + 1}, {name}: {result[0]:.3f} s", file=sys.stderr)
    for contender in running:
        contender.end()

    sequences, tokens = sequences_and_tokens(work)
    rows = []
    for name in contenders:
        seconds, peaks = zip(*rounds[name])
        middle = statistics.median(seconds)
        rows.append(
            f"| {CONTENDERS[name]} | {sequences} × {tokens:,} | {middle:.3f}"
            f" | ({min(seconds):.3f} to {max(seconds):.3f})"
            f" | {sequences * tokens / middle:,.0f} | {max(peaks) / 1e6:,.0f} |"
        )
    return rows, notes


# ---- Accuracy, the machine, and the main program. ----


def accuracy(options):
    import numpy as np
    from safetensors.numpy import save_file

    names = ["torch-autocast", "torch-bf16", "openvino-f32", "openvino-bf16"]
    print("| | tokens | largest difference of the logits | mean |\n|---|---|---|---|")
    golden = {}
    for tokens in base().LENGTHS:
        expected = build("torch-f32", str(tokens), options)[0]()
        golden[f"length-{tokens}.0.input_ids"] = np.int32(base().random_ids(tokens))
        golden[f"length-{tokens}.0.global"] = np.int32(base().GLOBAL)
        golden[f"length-{tokens}.0.start_logits"] = expected[0, 0].copy()
        golden[f"length-{tokens}.0.end_logits"] = expected[1, 0].copy()
        for name in names:
            if name.startswith("openvino") and not openvino_file(str(tokens), options).exists():
                continue
            difference = np.abs(build(name, str(tokens), options)[0]() - expected)
            figures = f"{difference.max():.1e} | {difference.mean():.1e}"
            print(f"| {CONTENDERS[name]} | {tokens:,} | {figures} |", flush=True)
        print(f"| logits in f32 | {tokens:,} | {np.abs(expected).max():.1f} (largest) | |")
    made_with = f"{versions()}, seed {base().SEED}"
    save_file(golden, options.folder / "base/golden.safetensors", metadata={"made_with": made_with})


def versions():
    names = filter(importlib.util.find_spec, ("torch", "transformers", "openvino"))
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def machine(options):
    lines = [line.partition(":") for line in open("/proc/cpuinfo")]
    cpu = {key.strip(): value.strip() for key, _, value in lines}
    flags = " ".join(flag for flag in CPU_FLAGS if flag in cpu.get("flags", "").split())
    family = f"family {cpu.get('cpu family')}, model {cpu.get('model')}"
    longspan = "no longspan"
    if options.longspan and options.longspan.exists():
        longspan = subprocess.check_output([options.longspan, "--version"], text=True).strip()
    return (
        f"{cpu.get('model name', platform.machine())} ({family}; {flags}), {os.cpu_count()} cores,"
        f" {options.threads} threads; {longspan}, Python {platform.python_version()}, {versions()}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--longspan", type=Path, help="the program, such as target/release/longspan")
    parser.add_argument("--folder", type=Path, required=True, help="where the models are stored")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--passes", type=int, default=5, help="rounds through all contenders")
    parser.add_argument("--only", default="", help="contenders, or prefixes of their names")
    parser.add_argument("--works", default=WORKS, help="such as 4096,64x170 (default: %(default)s)")
    parser.add_argument("--accuracy", action="store_true", help="compare logits instead of measuring speed")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.longspan:
        options.longspan = options.longspan.resolve()
    if options.worker:
        return serve(options.worker, options.works, options)
    names = [name for name in CONTENDERS if name.startswith(tuple(options.only.split(",")))]
    if not names or options.passes < 1:
        parser.error("nothing to do: --only takes " + ", ".join(CONTENDERS))

    options.folder.mkdir(parents=True, exist_ok=True)
    if not (options.folder / "base/model.safetensors").exists():
        base().make_checkpoint(options.folder / "base")
    print(machine(options) + "\n", flush=True)
    if options.accuracy:
        return accuracy(options)
    print("| contender | work, tokens | median, s | (min to max) | tokens/s | peak memory, MB |")
    print("|---|---|---|---|---|---|", flush=True)
    notes = []
    for work in options.works.split(","):
        rows, more = measure(work, names, options)
        notes += more
        for row in rows:
            print(row, flush=True)
    print("", *notes, sep="\n")


if __name__ == "__main__":
    main()
