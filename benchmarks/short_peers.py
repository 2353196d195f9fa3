"""Measures a short model, RoBERTa of base size with random weights, beside transformers and OpenVINO, in one run.

    python benchmarks/short_peers.py --longspan target/release/longspan --folder FOLDER
        [--threads 2] [--rounds 5] [--works 384,512,8x384,8x512] [--precisions f32,bf16,int8]

The first run writes the model into FOLDER/roberta. The script needs torch, transformers and safetensors, and openvino to
include OpenVINO. A work is a number of tokens in one input; `8x384` means 8 inputs of 384 tokens in one batch, none padded.

Every round runs all contenders in turn, so that noise on the machine affects all of them alike. A value is the median of
the rounds; for Longspan a round is the median of three passes of `longspan bench`, which starts anew each time. The last
column is the time of the fastest peer over that of Longspan in the same precision class (bf16 beside bf16).
"""

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
import transformers

SEED = 1


def sequences_and_tokens(work):
    sequences, _, tokens = work.rpartition("x")
    return int(sequences or 1), int(tokens)


def make_checkpoint(folder):
    if (folder / "model.safetensors").exists():
        return
    torch.manual_seed(SEED)
    config = transformers.RobertaConfig(
        vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
    )
    transformers.RobertaForQuestionAnswering(config).save_pretrained(folder)


def inputs_of(work):
    sequences, tokens = sequences_and_tokens(work)
    ids = np.random.default_rng(SEED).integers(4, 50264, (sequences, tokens))
    ids[:, 0] = 0
    ids[:, [12, 13, -1]] = 2
    return torch.tensor(ids)


def torch_contender(folder, dtype):
    model = transformers.RobertaForQuestionAnswering.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").eval()

    def run(ids):
        with torch.no_grad():
            model(input_ids=ids)

    return run


def openvino_contender(folder, precision, threads):
    import openvino

    model = transformers.RobertaForQuestionAnswering.from_pretrained(folder, attn_implementation="sdpa").eval()
    converted = openvino.convert_model(model, example_input={"input_ids": inputs_of("64")})
    core, compiled = openvino.Core(), {}
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}

    def run(ids):
        shape = tuple(ids.shape)
        if shape not in compiled:
            of_shape = converted.clone()
            of_shape.reshape(list(shape))
            compiled[shape] = core.compile_model(of_shape, "CPU", settings)
        compiled[shape]([ids.numpy()])

    return run


def longspan_seconds(options, precision, work):
    sequences, tokens = sequences_and_tokens(work)
    command = [options.longspan, "bench", "--json", "-m", str(options.folder / "roberta"), "--precision", precision]
    command += ["--lengths", str(tokens), "--sequences", str(sequences), "--passes", "3", "--threads", str(options.threads)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return report["runs"][0]["seconds"]["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longspan", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--works", default="384,512,8x384,8x512")
    parser.add_argument("--precisions", default="f32,bf16,int8")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = options.folder / "roberta"
    make_checkpoint(folder)

    precisions = options.precisions.split(",")
    dtypes = {name: dtype for name, dtype in [("f32", torch.float32), ("bf16", torch.bfloat16)] if name in precisions}
    peers = {f"transformers {name}": torch_contender(folder, dtype) for name, dtype in dtypes.items()}
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    try:
        import openvino

        versions += f", OpenVINO {openvino.__version__}"
        peers |= {f"OpenVINO {name}": openvino_contender(folder, name, options.threads) for name in dtypes}
    except ImportError:
        print("no openvino: left out\n")
    names = [*peers, *(f"Longspan {name}" for name in precisions)]
    works = options.works.split(",")
    seconds = {(name, work): [] for name in names for work in works}
    for round_ in range(options.rounds + 1):  # the first one warms up
        for work in works:
            ids = inputs_of(work)
            for name in names:
                if name in peers:
                    start = time.perf_counter()
                    peers[name](ids)
                    taken = time.perf_counter() - start
                else:
                    taken = longspan_seconds(options, name.split()[1], work)
                if round_ > 0:
                    seconds[name, work].append(taken)

    print(f"{versions}, {options.threads} threads\n")
    print("| | " + " | ".join(works) + " |")
    print("|---" * (len(works) + 1) + "|")
    median = {key: statistics.median(values) for key, values in seconds.items()}
    for name in names:
        cells = []
        for work in works:
            own, cell = median[name, work], f"{median[name, work] * 1000:.0f} ms"
            like = [median[peer, work] for peer in peers if peer.split()[1] == name.split()[1]]
            cells.append(f"{cell} ({min(like) / own:.2f}×)" if name.startswith("Longspan") and like else cell)
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
