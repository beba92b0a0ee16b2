"""Models in PyTorch: runs the stages of a description.

Stages and names are those of lode/engine/model.Builder; parameters have the names and the
order of the layout, as in any other module. How they are first drawn is for the program.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .wire import Refused

Stage = dict[str, Any]
Value = list[Tensor]  # parts that lie next to each other in the last dimension


@dataclass(frozen=True)
class Span:
    """Stages that follow each other. Numbers are those of the stages, and of their values."""

    part: str  # the module that all of them belong to, "" if there is none
    stages: range
    takes: list[int]  # values from before
    gives: list[int]  # values that are used later


class Part(nn.Module):
    """A numbered module, such as a layer. Its stages run in its forward, so that who wraps
    modules finds it called."""

    def forward(self, run: Callable[[Span, dict[int, Value]], dict[int, Value]], span: Span, values: dict[int, Value]) -> dict[int, Value]:
        return run(span, values)


class Program(nn.Module):
    """Takes inputs and targets and returns the mean loss. A value has as many dimensions
    of positions as the model says; what lies at a position comes after them."""

    def __init__(self, model: dict[str, Any], beat: Callable[[str], None]):
        super().__init__()
        self.stages, self.positions, self.beat = model["stages"], model["positions"], beat
        for s in self.stages:
            if not hasattr(self, "run_" + s["op"]):
                raise Refused(f"there is no stage {s['op']!r} in PyTorch yet")
        for t in model["tensors"]:
            self.declare(t["name"], t["shape"])
        self.spans = spans(self.stages)

    def blocks(self) -> list[nn.Module]:
        """Returns the parts that stages run in."""
        return [self.get_submodule(s.part) for s in self.spans if s.part]

    def declare(self, name: str, shape: list[int]) -> None:
        """Makes a parameter."""
        owner: nn.Module = self
        *path, last = name.split(".")
        for part in path:
            if part not in owner._modules:
                owner.add_module(part, Part())
            owner = owner.get_submodule(part)
        owner.register_parameter(last, nn.Parameter(torch.empty(shape)))

    def layer(self, s: Stage, name: str) -> tuple[Tensor, Tensor | None]:
        """Returns a module's weight and, if the stage has one, bias."""
        m = self.get_submodule(name)
        return m.weight, m.bias if s["bias"] else None

    def forward(self, inputs: Tensor, targets: Tensor | None = None) -> Tensor:
        """Without targets it returns what the head makes of all positions."""
        values: dict[int, Value] = {0: [inputs]}  # by number
        for s in self.spans:
            taken = {n: values[n] for n in s.takes}
            values |= self.get_submodule(s.part)(self.run, s, taken) if s.part else self.run(s, taken)
        out = join(values[len(self.stages)])
        if targets is None:
            return out
        if self.stages[-1]["op"] == "squared_error":
            return F.mse_loss(out.float().reshape(targets.shape), targets)
        return F.cross_entropy(out.float().flatten(0, -2), targets.flatten())

    def run(self, span: Span, values: dict[int, Value]) -> dict[int, Value]:
        for n in span.stages:
            s = self.stages[n - 1]
            self.beat(s["op"])
            x = getattr(self, "run_" + s["op"])(values[s["in"]], s)
            if s["add"]:
                x = [join(x) + join(values[s["add"]])]
            values[n] = x
        return {n: values[n] for n in span.gives}

    def run_inputs(self, x: Value, _: Stage) -> Value:
        return x

    def run_embed(self, x: Value, s: Stage) -> Value:
        return [F.embedding(join(x), self.get_submodule(s["name"]).weight)]

    def run_rms_norm(self, x: Value, s: Stage) -> Value:
        v = join(x)
        wide = v.float()  # squares want the range of float32
        root = torch.rsqrt(wide.square().mean(-1, keepdim=True) + s["eps"])
        return [(wide * root).to(v.dtype) * self.get_submodule(s["name"]).weight.to(v.dtype)]

    def run_linear(self, x: Value, s: Stage) -> Value:
        v = join(x)
        return [F.linear(v, *self.layer(s, p["name"])) for p in s["parts"]]

    def run_conv2d(self, x: Value, s: Stage) -> Value:
        return [F.conv2d(join(x), *self.layer(s, s["name"]), stride=s["stride"], padding=s["pad"])]

    def run_pool(self, x: Value, s: Stage) -> Value:
        return [(F.avg_pool2d if s["mean"] else F.max_pool2d)(join(x), s["size"], s["stride"])]

    def run_relu(self, x: Value, _: Stage) -> Value:
        return [F.relu(join(x))]

    def run_gelu(self, x: Value, _: Stage) -> Value:
        return [F.gelu(join(x))]

    def run_flatten(self, x: Value, _: Stage) -> Value:
        v = join(x)
        return [v.flatten(self.positions) if v.dim() > self.positions else v]

    def run_attention(self, x: Value, s: Stage) -> Value:
        heads, shared = s["query"], s["kv"]
        size = sum(p.shape[-1] for p in x) // (heads + 2 * shared)
        q, k, v = (
            p.unflatten(-1, (-1, size)).transpose(1, 2)  # [rows, heads, steps, size]
            for p in split(x, [heads * size, shared * size, shared * size])
        )
        turn = angles(q.shape[2], size, s["theta"], q.device)
        q, k = rotate(q, turn), rotate(k, turn)
        if heads != shared:
            k, v = (t.repeat_interleave(heads // shared, dim=1) for t in (k, v))
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return [out.transpose(1, 2).flatten(2)]

    def run_swiglu(self, x: Value, _: Stage) -> Value:
        half = sum(p.shape[-1] for p in x) // 2
        gate, up = split(x, [half, half])
        return [F.silu(gate) * up]

    def run_cross_entropy(self, x: Value, s: Stage) -> Value:
        return [F.linear(join(x), *self.layer(s, s["name"]))]

    run_squared_error = run_cross_entropy


def spans(stages: list[Stage]) -> list[Span]:
    """Cuts stages into those of each numbered module, from the first that names it to the
    last, and those between. Where two such would overlap, it cuts neither out."""
    parts = [{part_of(name) for name in [s["name"], *(p["name"] for p in s["parts"] or [])] if name} for s in stages]
    runs: list[tuple[str, range]] = []
    at = 0
    while at < len(stages):
        name, end = "", at + 1
        if len(parts[at]) == 1 and (only := next(iter(parts[at]))):
            mentions = [i for i, p in enumerate(parts) if only in p]
            if mentions[0] == at and all(p <= {only} for p in parts[at : mentions[-1] + 1]):
                name, end = only, mentions[-1] + 1
        if not name and runs and not runs[-1][0]:
            runs[-1] = "", range(runs[-1][1].start, end + 1)
        else:
            runs.append((name, range(at + 1, end + 1)))
        at = end
    uses = [{s["in"], s["add"]} for s in stages]
    out = []
    for name, r in runs:
        takes = sorted({n for i in r for n in uses[i - 1] if n < r.start})
        later = {len(stages)}.union(*uses[r.stop - 1 :])
        out.append(Span(name, r, takes, [n for n in r if n in later]))
    return out


def part_of(name: str) -> str:
    """Returns the outermost numbered module that a module is in, model.layers.0 of
    model.layers.0.mlp.up_proj."""
    found = re.match(r"(?:.+?\.)?\d+(?=\.|$)", name)
    return found.group() if found else ""


def join(x: Value) -> Tensor:
    return x[0] if len(x) == 1 else torch.cat(x, dim=-1)


def split(x: Value, widths: list[int]) -> Value:
    """Returns parts of these widths, without a copy where they are there already."""
    return x if [p.shape[-1] for p in x] == widths else list(join(x).split(widths, dim=-1))


def angles(steps: int, size: int, theta: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns cosines and sines, [steps, size/2]. Large angles want more than float32."""
    a = torch.arange(steps, dtype=torch.float64)[:, None] / theta ** (torch.arange(0, size, 2, dtype=torch.float64) / size)
    return a.cos().float().to(device), a.sin().float().to(device)


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turns the pairs (i, i + size/2) of [rows, heads, steps, size]."""
    cos, sin = turn
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1).to(x.dtype)
