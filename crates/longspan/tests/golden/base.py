"""Makes a base-size model with random weights, runs transformers on it, and prints how long that takes.

    python base.py FOLDER [--tokenizer FOLDER] [--threads N] [--passes N]

Run this by hand: the checkpoint has 600 MB. The script writes config.json and model.safetensors into FOLDER (it keeps
existing ones), and golden.safetensors with the cases `length-512.0` and `length-4096.0`, named as in models/make.py. It
compares the shorter case with models/brute.py.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file, save_file

# Weights, batches and the second opinion are those of the small models.
sys.path.insert(0, str(Path(__file__).parent / "models"))
from brute import Brute
from make import randomise, run

SEED = 1
LENGTHS = (512, 4096)
GLOBAL = list(range(12))
LOGIT_TOLERANCE = 5e-5


def make_checkpoint(folder):
    config = transformers.LongformerConfig(
        vocab_size=50265,
        max_position_embeddings=4098,
        attention_window=[512] * 12,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    model = transformers.LongformerForQuestionAnswering(config)
    # Twelve layers mix more than two: with the small models' gains all tokens would end alike.
    gains = dict(query_gain=2.0, value_gain=0.7, head_gain=3.0, bias=0.1)
    randomise(model, torch.Generator().manual_seed(SEED), **gains)
    model.save_pretrained(folder)


def random_ids(tokens):
    """`<s> question </s></s> document </s>`, the question being what is global after `<s>`."""
    ids = np.random.default_rng(SEED).integers(4, 50264, tokens)
    ids[0] = 0
    ids[[len(GLOBAL), len(GLOBAL) + 1, -1]] = 2
    return ids


def memory_mib(which):
    """`VmRSS`, what this process holds now, or `VmHWM`, the most since the mark was last put back."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(which + ":"):
            return int(line.split()[1]) // 1024


def measure(model, ids, passes):
    inputs = {"input_ids": torch.tensor(ids)[None], "attention_mask": torch.ones(1, len(ids), dtype=int)}
    inputs["global_attention_mask"] = torch.zeros(1, len(ids), dtype=int)
    inputs["global_attention_mask"][0, GLOBAL] = 1
    before = memory_mib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # Puts the mark of the peak back.
    seconds = []
    with torch.no_grad():
        for _ in range(passes):
            start = time.perf_counter()
            model(**inputs)
            seconds.append(time.perf_counter() - start)
    print(
        f"{len(ids)} tokens: median {statistics.median(seconds):.3f} s of {passes} passes"
        f" ({min(seconds):.3f} to {max(seconds):.3f}), peak {memory_mib('VmHWM')} MiB, {before} MiB before"
    )


def check(folder, golden, name):
    config = json.loads((folder / "config.json").read_text())
    brute = Brute(config, load_file(folder / "model.safetensors"))
    expected = brute.run(golden[f"{name}.input_ids"], 0, golden[f"{name}.global"])
    for field in ("start_logits", "end_logits"):
        difference = np.abs(golden[f"{name}.{field}"] - expected[field]).max()
        assert difference <= LOGIT_TOLERANCE, f"{name}.{field} is off by {difference:.1e}"
        print(f"{name}.{field}: off by {difference:.1e} from the slow version")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokenizer", type=Path, help="a folder whose tokenizer files are copied into FOLDER")
    parser.add_argument("--threads", type=int, help="threads of torch (default: all)")
    parser.add_argument("--passes", type=int, default=7, help="timed forward passes for each length")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    if not (options.folder / "model.safetensors").exists():
        make_checkpoint(options.folder)
    if options.tokenizer:
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
            if (options.tokenizer / name).exists():
                shutil.copyfile(options.tokenizer / name, options.folder / name)

    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    print(f"{versions}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    model = transformers.LongformerForQuestionAnswering.from_pretrained(options.folder).eval()
    golden = {}
    for tokens in LENGTHS:
        ids = random_ids(tokens)
        golden |= run(model, f"length-{tokens}", [(ids, None)], [GLOBAL])  # The first pass also warms up.
        logits = golden[f"length-{tokens}.0.start_logits"]
        print(f"{tokens} tokens: start logits from {logits.min():.1f} to {logits.max():.1f}")
        measure(model, ids, options.passes)
    save_file(golden, options.folder / "golden.safetensors", metadata={"made_with": f"{versions}, seed {SEED}"})
    check(options.folder, golden, f"length-{LENGTHS[0]}.0")


if __name__ == "__main__":
    main()
