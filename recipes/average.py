"""Averages models of one shape, weight by weight, into one that is stored in f16.

    pip install numpy safetensors
    python recipes/average.py --out mean trained again contracts=2

Models that were trained one after the other, or from the same weights on different data, are often better together
than each alone, at the cost of one (Wortsman et al., "Model soups", arXiv 2203.05482). A number after `=` says how
often a model counts. Config and tokenizer are those of the first; calibrate the result anew. One model alone is only
stored in f16.
"""

import argparse
import os
import shutil
import sys

import numpy
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

WEIGHTS = "model.safetensors"
BESIDE = ["config.json", "special_tokens_map.json"]
BESIDE += ["tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "vocab.txt"]


def fail(message, hint):
    sys.exit(f"error: {message}\nhint: {hint}")


def model(argument):
    """FOLDER or FOLDER=NUMBER."""
    folder, _, number = argument.partition("=")
    try:
        share = float(number or 1)
    except ValueError:
        share = 0.0
    if not 0.0 < share < float("inf"):
        fail(f"`{argument}`: expected a number above 0 after `=`", "give how often the model counts, such as 2")
    return folder, share


def weights(folder):
    path = os.path.join(folder, WEIGHTS)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        fail(f"`{path}`: {error}", "give the folder of a model, as `longspan train` writes it")


def mean(models):
    """The mean in f64, tensor by tensor, in f16."""
    (first, share), *others = models
    sums = {name: share * tensor.astype(numpy.float64) for name, tensor in weights(first).items()}
    for folder, share in others:
        tensors = weights(folder)
        if {name: x.shape for name, x in tensors.items()} != {name: x.shape for name, x in sums.items()}:
            fail(f"`{folder}`: tensors of other names or shapes than `{first}`", "give models of one shape")
        for name, tensor in tensors.items():
            sums[name] += share * tensor
    total = sum(share for _, share in models)
    return {name: (tensor / total).astype(numpy.float16) for name, tensor in sums.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="FOLDER[=NUMBER]")
    parser.add_argument("--out", required=True, help="a new folder")
    args = parser.parse_args()
    models = [model(argument) for argument in args.models]
    tensors = mean(models)
    try:
        os.mkdir(args.out)
        for name in BESIDE:
            path = os.path.join(models[0][0], name)
            if os.path.exists(path):
                shutil.copyfile(path, os.path.join(args.out, name))
        save_file(tensors, os.path.join(args.out, WEIGHTS), metadata={"format": "pt"})
    except (OSError, SafetensorError) as error:
        fail(f"`{args.out}`: {error}", "give a new folder that can be written")


if __name__ == "__main__":
    main()
