"""Makes the golden checkpoints with torch, transformers and safetensors, and `expected.json`, which lists their contents.

    python make.py

The files are written beside this script. Their bytes depend on the versions in `versions.json`, because the layout of
torch's zip archives changes slightly between releases.
"""

import json
import os
import pathlib
import pickle
import platform
import shutil
import struct
from collections import OrderedDict

import safetensors
import safetensors.torch
import torch
import transformers

HERE = pathlib.Path(__file__).parent
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def tiny_state(dtype):
    """Every way in which tensors of a state dict may lie in their storages."""
    generator = torch.Generator().manual_seed(1)
    base = torch.randn(40, generator=generator).to(dtype)
    matrix = torch.randn(3, 5, generator=generator).to(dtype)
    state = OrderedDict()
    state["embeddings.weight"] = matrix
    state["decoder.weight"] = matrix  # tied: the same tensor under two names
    state["view.first"] = base[:12].view(3, 4)
    state["view.second"] = base[12:20]  # a view with an offset
    state["view.transposed"] = base[20:32].view(3, 4).t()  # out of order
    state["view.stepped"] = base[1:40:3]  # with gaps
    state["view.permuted"] = base[0:24].view(2, 3, 4).permute(2, 0, 1)
    state["view.expanded"] = base[5:8].view(3, 1).expand(3, 2)  # one number for several places
    state["scalar"] = torch.tensor(1.5, dtype=dtype)
    state["empty"] = torch.zeros(0, 4, dtype=dtype)
    state["parameter"] = torch.nn.Parameter(torch.tensor([[0.25, -2.0]], dtype=dtype))
    state["embeddings.position_ids"] = torch.arange(6).view(1, 6)
    state._metadata = OrderedDict({"": {"version": 1}})  # what `Module.state_dict()` adds
    return state


def values(tensor):
    return {"shape": list(tensor.shape), "values": tensor.double().flatten().tolist()}


def summary(tensor):
    """A larger tensor in short: its sum, and the sum weighted by position, which sees an exchange."""
    flat = tensor.double().flatten()
    weighted = (flat * torch.arange(1, len(flat) + 1, dtype=torch.float64)).sum()
    return {"shape": list(tensor.shape), "sum": flat.sum().item(), "weighted_sum": weighted.item()}


def save_tiny(name, dtype):
    state = tiny_state(dtype)
    torch.save(state, HERE / f"tiny-zip-{name}.bin")
    torch.save(state, HERE / f"tiny-legacy-{name}.bin", _use_new_zipfile_serialization=False)
    apart = {key: tensor.detach().clone().contiguous() for key, tensor in state.items()}
    safetensors.torch.save_file(apart, HERE / f"tiny-{name}.safetensors", metadata={"format": "pt"})
    return {key: values(tensor.detach()) for key, tensor in state.items() if tensor.dtype == dtype}


def longformer(dtype):
    config = transformers.LongformerConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=40, attention_window=8, type_vocab_size=1,
    )
    torch.manual_seed(2)
    return transformers.LongformerForQuestionAnswering(config).to(dtype)


def save_sharded(name, dtype):
    """In shards: as transformers writes them, and as it wrote them with torch's pickles before version 5."""
    model = longformer(dtype)
    folder = HERE / f"sharded-safetensors-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size="10KB" if name == "f32" else "5KB")
    for extra in folder.glob("*config.json"):
        extra.unlink()
    if name == "f32":
        folder = HERE / "sharded-bin-f32"
        folder.mkdir(exist_ok=True)
        tensors = list(model.state_dict().items())
        weight_map = {}
        for i, part in enumerate([tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]]):
            shard = f"pytorch_model-{i + 1:05}-of-00002.bin"
            torch.save(OrderedDict((key, tensor.clone()) for key, tensor in part), folder / shard)
            weight_map.update({key: shard for key, _ in part})
        index = {"metadata": {"total_size": sum(t.nbytes for _, t in tensors)}, "weight_map": weight_map}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2))
    return {key: summary(tensor) for key, tensor in model.state_dict().items()}


class OldView:
    """A tensor on a view of a storage, which torch wrote before 0.4 and still reads."""

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, (OldView.storage, 1, (2, 2), (1, 2), False, OrderedDict())

    storage = object()


class OldPickler(pickle.Pickler):
    def persistent_id(self, value):
        if value is OldView.storage:
            return "storage", torch.FloatStorage, "the root", "cpu", 8, ("a view", 2, 6)


def save_old_views():
    path = HERE / "views-legacy-f32.bin"
    with path.open("wb") as file:
        for header in (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {"little_endian": True}):
            pickle.dump(header, file, protocol=2)
        OldPickler(file, protocol=2).dump({"weight": OldView()})
        pickle.dump(["the root"], file, protocol=2)
        file.write(struct.pack("<q8f", 8, *range(8)))
    assert torch.load(path, weights_only=False)["weight"].tolist() == [[3, 5], [4, 6]]


class Calls:
    """What its pickle would call when Python loads it."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def save_hostile():
    """Files that would run something in Python, and files that hold something else than a state dict."""
    command = Calls(os.system, "echo owned")
    for protocol in (0, 2, 4):
        (HERE / f"hostile-pickle-{protocol}.bin").write_bytes(pickle.dumps(command, protocol=protocol))
    torch.save({"weight": torch.zeros(2), "x": command}, HERE / "hostile-zip.bin")
    torch.save({"weight": torch.zeros(2), "x": command}, HERE / "hostile-legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"x": Calls(eval, "print('owned')")}, HERE / "hostile-eval.bin")
    torch.save(torch.nn.Linear(2, 2), HERE / "module-zip.bin")
    torch.save([torch.zeros(2)], HERE / "list-zip.bin")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(HERE / "torchscript.bin"))
    state = {"model.weight": torch.tensor([1.0, 2.0])}
    lightning = {"epoch": 3, "lr": 0.1, "state_dict": state, "callbacks": {}, "loops": [None, True, 2**70]}
    torch.save(lightning, HERE / "lightning-zip.bin")


def main():
    expected = {"tiny": {}, "sharded": {}}
    for name, dtype in DTYPES.items():
        expected["tiny"][name] = save_tiny(name, dtype)
        expected["sharded"][name] = save_sharded(name, dtype)
    save_old_views()
    save_hostile()
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    versions = {module.__name__: module.__version__ for module in (torch, transformers, safetensors)}
    (HERE / "versions.json").write_text(json.dumps({"python": platform.python_version(), **versions}, indent=1) + "\n")


if __name__ == "__main__":
    main()
