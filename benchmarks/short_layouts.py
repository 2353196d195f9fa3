"""Fetches short models of full size from a hub of its own, asks them, and compares with transformers.

    python benchmarks/short_layouts.py --longspan target/release/longspan --folder FOLDER \\
        --wordpiece vocab.txt --bpe FOLDER_OF_VOCAB_AND_MERGES --text TEXT [--only NAME...]

Each layout has the configuration and the list of files of a published model, as the hub has them, and random weights. The
vocabularies are a vocab.txt of 30,522 words, a vocab.json with merges.txt of RoBERTa, and SentencePiece models trained on TEXT
and filled to their published size. Needs torch, transformers, safetensors, sentencepiece and protobuf. A layout takes up to
3 GB while it is tried.
"""

import argparse
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import sentencepiece
import torch
import transformers
from sentencepiece import sentencepiece_model_pb2

COMMIT = "0123456789abcdef0123456789abcdef01234567"
QUESTION = "What is the license for?"
CONTEXT = "The license is for the use, the reproduction and the distribution of the work. It was published in 2004."
BERT = dict(layer_norm_eps=1e-12, vocab_size=30522)
ROBERTA = dict(layer_norm_eps=1e-5, vocab_size=50265, max_position_embeddings=514, type_vocab_size=1)
XLM = ROBERTA | dict(vocab_size=250002)
LARGE = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096)
OTHERS = ["tf_model.h5", "flax_model.msgpack", "rust_model.ot", "onnx/model.onnx", "openvino/openvino_model.xml", "README.md"]

# Name: class, configuration, weights, vocabulary, other files.
LAYOUTS = {
    "deepset/roberta-base-squad2": ("Roberta", ROBERTA, ["safetensors", "bin"], "bpe", OTHERS),
    "deepset/tinyroberta-squad2": ("Roberta", ROBERTA | dict(num_hidden_layers=6), ["bin"], "bpe", ["README.md"]),
    "deepset/xlm-roberta-base-squad2": ("XLMRoberta", XLM, ["bin"], "sentencepiece.bpe.model", ["README.md"]),
    "deepset/minilm-uncased-squad2": (
        "Bert",
        BERT | dict(hidden_size=384, intermediate_size=1536),
        ["safetensors", "bin"],
        "wordpiece",
        OTHERS,
    ),
    "deepset/electra-base-squad2": ("Electra", BERT | dict(hidden_size=768, embedding_size=768, num_attention_heads=12, intermediate_size=3072), ["bin"], "wordpiece", ["README.md"]),
    "distilbert/distilbert-base-cased-distilled-squad": ("DistilBert", dict(vocab_size=28996), ["safetensors"], "cased", OTHERS),
    "google-bert/bert-large-uncased-whole-word-masking-finetuned-squad": ("Bert", BERT | LARGE, ["safetensors"], "wordpiece", OTHERS),
    "twmkn9/albert-base-v2-squad2": (
        "Albert",
        dict(embedding_size=128, hidden_size=768, num_attention_heads=12, intermediate_size=3072, hidden_act="gelu_new"),
        ["bin"],
        "spiece.model",
        ["README.md"],
    ),
    "almanach/camembert-base-squad": ("Camembert", ROBERTA | dict(vocab_size=32005), ["safetensors"], "camembert", []),
    "example/tensorflow-only": ("Bert", BERT, [], "wordpiece", ["tf_model.h5", "flax_model.msgpack"]),
}


def train_pieces(path, text, size, specials):
    """A SentencePiece model with `size` pieces, most of which no text has."""
    sentencepiece.SentencePieceTrainer.train(
        input=text, model_prefix=str(path.with_suffix("")), vocab_size=1000, model_type="unigram", minloglevel=2, **specials
    )
    path.with_suffix(".vocab").unlink()
    path.with_suffix(".model").rename(path)
    pieces = sentencepiece_model_pb2.ModelProto()
    pieces.ParseFromString(path.read_bytes())
    for number in range(size - len(pieces.pieces)):
        pieces.pieces.add(piece=f"\u2581qz{number}", score=-100.0)
    path.write_bytes(pieces.SerializeToString())


def write_vocabulary(folder, kind, options):
    settings = {"model_max_length": 512}
    if kind in ("wordpiece", "cased"):
        words = Path(options.wordpiece).read_text(encoding="utf-8").splitlines()
        words = words[:28996] if kind == "cased" else words
        (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
        settings["do_lower_case"] = kind == "wordpiece"
    elif kind == "bpe":
        for file in ("vocab.json", "merges.txt"):
            shutil.copy(Path(options.bpe) / file, folder)
    elif kind == "spiece.model":
        specials = dict(pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]"], user_defined_symbols=["[MASK]"])
        train_pieces(folder / kind, options.text, 30000, specials)
        settings |= dict(do_lower_case=True)
    elif kind == "camembert":
        specials = dict(unk_id=0, bos_id=1, eos_id=2)
        train_pieces(folder / "sentencepiece.bpe.model", options.text, 32000, specials)
    else:
        train_pieces(folder / kind, options.text, 250000, dict(unk_id=0, bos_id=1, eos_id=2))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def make(name, folder, options):
    """Writes the files of a layout. Returns its model."""
    kind, sizes, weights, vocabulary, others = LAYOUTS[name]
    torch.manual_seed(1)
    model = getattr(transformers, f"{kind}ForQuestionAnswering")(getattr(transformers, f"{kind}Config")(**sizes)).eval()
    model.qa_outputs.weight.data *= 20
    folder.mkdir(parents=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    if "safetensors" in weights:
        model.save_pretrained(folder)
    if "bin" in weights:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    write_vocabulary(folder, vocabulary, options)
    for other in others:
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).write_bytes(b"not read")
    return model


def null_odds(model, folder):
    """By how much no answer is ahead of the best span, in transformers."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(QUESTION, CONTEXT, return_tensors="pt")
    with torch.no_grad():
        found = model(**inputs)
    start, end = found.start_logits[0].double(), found.end_logits[0].double()
    tokens = [i for i, sequence in enumerate(inputs.sequence_ids()) if sequence == 1]
    best = max(start[i] + end[j] for i in tokens for j in tokens if i <= j < i + 30)
    return float(start[0] + end[0] - best)


class Hub(http.server.BaseHTTPRequestHandler):
    """The two routes of the hub that a download takes."""

    folder = None

    def do_GET(self):
        parts = self.path.lstrip("/").split("/")
        if parts[:2] == ["api", "models"]:
            own = self.folder / parts[2] / parts[3]
            files = sorted(str(path.relative_to(own)) for path in own.rglob("*") if path.is_file())
            return self.reply(json.dumps({"sha": COMMIT, "siblings": [{"rfilename": file} for file in files]}).encode(), {})
        path = self.folder / parts[0] / parts[1] / "/".join(parts[4:])
        self.reply(path.read_bytes(), {"X-Repo-Commit": COMMIT, "ETag": f'"{path.stat().st_size:040x}"'})

    def reply(self, content, headers):
        self.send_response(200)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--longspan", required=True)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--wordpiece", required=True)
    arguments.add_argument("--bpe", required=True)
    arguments.add_argument("--text", required=True)
    arguments.add_argument("--only", nargs="*", default=list(LAYOUTS))
    options = arguments.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"{'layout':66} {'parameters':>12} {'difference':>12}")
    for name in options.only:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            Hub.folder = Path(folder) / "hub"
            model = make(name, Hub.folder / name, options)
            endpoint = f"http://127.0.0.1:{server.server_port}"
            environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HUB_CACHE": f"{folder}/cache"}
            command = [options.longspan, "ask", "-m", name, "--precision", "f32", "--json", QUESTION]
            ran = subprocess.run(command, input=CONTEXT, env=environment, capture_output=True, text=True)
            if ran.stdout:
                difference = abs(json.loads(ran.stdout)["null_odds"] - null_odds(model, Hub.folder / name))
                print(f"{name:66} {model.num_parameters():12,} {difference:12.1e}", flush=True)
            else:
                print(f"{name:66} {' '.join(ran.stderr.split())}", flush=True)


if __name__ == "__main__":
    main()
