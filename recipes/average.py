"""Averages the weights of models with the same config into one model, stored in f16.

    pip install numpy safetensors
    python recipes/average.py --out mean before after=2

The number after `=` is the weight of a model in the mean; the default is 1. The mean of a model before and after it was
fine-tuned on something else keeps most of what both know, and costs no more to run than one of them (Wortsman et al.,
"Robust fine-tuning of zero-shot models", arXiv 2109.01903). Config and tokenizer are copied from the first model.
`longspan.json` is not copied: calibrate the result. With a single model, the script only converts it to f16.
"""

import json
import os
import shutil

import squad

try:
    import numpy
    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save
except ImportError as missing:
    squad.fail(str(missing), "`pip install numpy safetensors`")

CONFIG, WEIGHTS = "config.json", "model.safetensors"
TOKENIZER = ["added_tokens.json", "merges.txt", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]
TOKENIZER += ["vocab.json", "vocab.txt"]


def model(argument):
    """FOLDER or FOLDER=NUMBER."""
    if os.path.isdir(argument) or "=" not in argument:
        return argument, 1.0
    folder, _, number = argument.rpartition("=")
    try:
        count = float(number)
    except ValueError:
        count = 0.0
    if not folder or not 1e-6 <= count <= 1e6:
        squad.fail(f"`{argument}`: expected FOLDER=NUMBER", "give the model's weight in the mean, such as 2")
    return folder, count


def config(folder):
    path = os.path.join(folder, CONFIG)
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        squad.fail(f"`{path}`: {reason}", "give the folder of a model, as `longspan train` writes it")


def weights(folder):
    """The tensors of a model in f64, which represents f16 and f32 exactly."""
    path = os.path.join(folder, WEIGHTS)
    hint = "give the folder of a model in f16 or f32, as `longspan train` writes it"
    try:
        tensors = load_file(path)
    except OSError as error:
        squad.fail(f"`{path}`: {error.strerror or error}", hint)
    except (SafetensorError, TypeError, AttributeError) as error:  # numpy has no bf16
        squad.fail(f"`{path}`: {error}", hint)
    for name, tensor in tensors.items():
        if tensor.dtype.kind != "f":
            squad.fail(f"`{path}`: `{name}` is {tensor.dtype}", hint)
    return {name: tensor.astype(numpy.float64) for name, tensor in tensors.items()}


def shapes(tensors):
    return {name: tensor.shape for name, tensor in tensors.items()}


def mean(models):
    """The weighted mean of each tensor, in f16."""
    (first, count), *others = models
    sums = {name: count * tensor for name, tensor in weights(first).items()}
    for folder, count in others:
        tensors = weights(folder)
        if shapes(tensors) != shapes(sums) or config(folder) != config(first):
            squad.fail(f"`{folder}`: config or tensors differ from `{first}`", "give models with the same config")
        for name, tensor in tensors.items():
            sums[name] += count * tensor
    total = sum(count for _, count in models)
    with numpy.errstate(over="ignore", invalid="ignore"):
        found = {name: (tensor / total).astype(numpy.float16) for name, tensor in sums.items()}
    for name, tensor in found.items():
        if not numpy.isfinite(tensor).all():
            squad.fail(f"`{name}`: a value is outside the range of f16", "check the weights, they may be damaged")
    return found


def write(tensors, source, out):
    """Writes the new folder completely, or leaves nothing behind."""
    made = False
    try:
        os.mkdir(out)
        made = True
        for name in [CONFIG, *TOKENIZER]:
            path = os.path.join(source, name)
            if os.path.exists(path):
                shutil.copyfile(path, os.path.join(out, name))
        with open(os.path.join(out, WEIGHTS), "wb") as file:
            file.write(save(tensors, metadata={"format": "pt"}))
    except OSError as error:
        if made:
            shutil.rmtree(out)
        squad.fail(f"`{out}`: {error.strerror or error}", "give the path of a new folder on a disk with free space")


def main():
    parser = squad.Parser(__doc__)
    parser.add_argument("models", nargs="+", metavar="FOLDER[=NUMBER]")
    parser.add_argument("--out", required=True, help="a new folder")
    args = parser.parse_args()
    models = [model(argument) for argument in args.models]
    config(models[0][0])
    write(mean(models), models[0][0], args.out)


if __name__ == "__main__":
    main()
