"""Computes loss and gradients of an mlp or cnn of Lode with PyTorch.

    python examples_torch.py FOLDER...

FOLDER holds config.json and model.safetensors as Lode writes them and batch.json with
inputs and targets. Writes torch.json with what PyTorch makes of them, read by
engine/cpu's tests. The layers are torch.nn's, and load_state_dict reads the tensors by
the names they have in the file.
"""

import json
import pathlib
import struct
import sys
from collections import OrderedDict

import torch
from torch import nn


def tensors(path):
    raw = path.read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    head = json.loads(raw[8 : 8 + size])
    out = {}
    for name, t in head.items():
        if name == "__metadata__":
            continue
        lo, hi = t["data_offsets"]
        values = struct.unpack(f"<{(hi - lo) // 4}f", raw[8 + size + lo : 8 + size + hi])
        out[name] = torch.tensor(values).reshape(t["shape"])
    return out


def activation(c):
    return {"relu": nn.ReLU, "gelu": nn.GELU}[c["activation"]]()


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        wide = [torch.Size(c["input_shape"]).numel(), *c["hidden_sizes"], c.get("num_classes") or c["num_outputs"]]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(wide, wide[1:]))
        self.f = activation(c)

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = self.f(layer(x))
        return self.layers[-1](x)


class CNN(nn.Module):
    def __init__(self, c):
        super().__init__()
        pool = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}[c["pool_type"]](c["pool_size"])
        planes, parts = c["input_shape"][0], []
        for i, out in enumerate(c["conv_channels"], 1):
            setattr(self, f"conv{i}", nn.Conv2d(planes, out, c["kernel_size"], padding=c["padding"]))
            parts += [getattr(self, f"conv{i}"), activation(c), pool]
            planes = out
        parts.append(nn.Flatten())
        wide = nn.Sequential(*parts)(torch.zeros(1, *c["input_shape"])).shape[1]
        sizes = [wide, *c["hidden_sizes"], c["num_classes"]]
        for i, (a, b) in enumerate(zip(sizes, sizes[1:]), 1):
            setattr(self, f"fc{i}", nn.Linear(a, b))
            parts += [getattr(self, f"fc{i}"), activation(c)]
        self.order = parts[:-1]

    def forward(self, x):
        for f in self.order:
            x = f(x)
        return x


def run(folder):
    c = json.loads((folder / "config.json").read_text())
    batch = json.loads((folder / "batch.json").read_text())
    model = {"mlp": MLP, "cnn": CNN}[c["model_type"]](c)
    model.load_state_dict(tensors(folder / "model.safetensors"))
    x = torch.tensor(batch["inputs"]).reshape(-1, *c["input_shape"])
    y = model(x)
    if c.get("num_classes"):
        loss = nn.functional.cross_entropy(y, torch.tensor(batch["targets"]))
    else:
        loss = nn.functional.mse_loss(y, torch.tensor(batch["targets"]).reshape(y.shape))
    loss.backward()
    out = OrderedDict(
        made_by=f"torch {torch.__version__}",
        loss=loss.item(),
        gradients={name: [float(f"{v:.7g}") for v in p.grad.flatten().tolist()] for name, p in model.named_parameters()},
    )
    (folder / "torch.json").write_text(json.dumps(out) + "\n")


for name in sys.argv[1:]:
    run(pathlib.Path(name))
