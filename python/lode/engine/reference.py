"""The backend in numpy. It is slow and easy to check, and needs no PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import memory, optimizer, tape
from .wire import Refused

PRECISIONS = {"": np.float32, "float32": np.float32, "float64": np.float64}


class Reference:
    """Parameters and moments stay in shared memory, in float32; passes are of the chosen
    precision."""

    def __init__(self, model: dict[str, Any], options: dict[str, Any], beat: Callable[[str], None]):
        if "stages" not in model:
            raise Refused("the numpy backend runs no models of your own, PyTorch does")
        if options["precision"] not in PRECISIONS:
            raise Refused(f"the numpy backend has no precision {options['precision']!r}; there are float32 and float64")
        if options["device"] not in ("", "cpu"):
            raise Refused(f"the numpy backend works on the cpu, not on {options['device']!r}")
        self.model, self.beat = model, beat
        for s in model["stages"]:
            if not hasattr(tape.Tape, s["op"]):
                raise Refused(f"there is no stage {s['op']!r} in numpy yet")
        self.kind = PRECISIONS[options["precision"]]

    def describe(self) -> dict[str, Any]:
        return {
            "tensors": [{"name": t["name"], "shape": t["shape"]} for t in self.model["tensors"]],
            "device": f"cpu (numpy {np.__version__})",
            "shared": True,
            "source": "",
        }

    def attach(self, view: Any, places: list[memory.Place]) -> None:
        values = np.frombuffer(view, dtype=np.float32)

        def at(start: int | None, spec: memory.Spec) -> np.ndarray | None:
            return None if start is None else values[start : start + len(spec)].reshape(spec.shape)

        self.params = {p.spec.name: at(p.params, p.spec) for p in places}
        self.grads = {p.spec.name: at(p.grads, p.spec) for p in places if not p.spec.frozen}
        self.moving = [
            optimizer.Moving(self.params[p.spec.name], self.grads[p.spec.name], at(p.first, p.spec), at(p.second, p.spec), p.spec.hidden, p.spec.decays)
            for p in places
            if not p.spec.frozen
        ]

    def take(self, what: list[str]) -> None:
        """Nothing is kept elsewhere."""

    def give(self) -> None:
        """Everything is in shared memory already."""

    def loss(self, batch: dict[str, Any]) -> float:
        return self.run(batch, {})

    def gradient(self, batch: dict[str, Any], _seed: int | None) -> float:
        grads = {name: np.zeros(g.shape, self.kind) for name, g in self.grads.items()}
        loss = self.run(batch, grads)
        for name, g in grads.items():
            self.grads[name][...] = g
        return loss

    def predict(self, batch: dict[str, Any]) -> bytes:
        out = self.ran(batch, {}, False).out
        if self.model["positions"] == 2:
            out = out[:, -1]
        return out.astype("<f4").tobytes()

    def grade(self, batch: dict[str, Any]) -> tuple[bytes, bytes]:
        t = self.ran(batch, {}, True)
        at = batch["targets"]["ids"]
        if at is None:
            return t.losses.tobytes(), bytes(len(t.losses))
        right = t.out.reshape(-1, t.out.shape[-1]).argmax(axis=-1) == np.frombuffer(at, dtype="<i4")
        return t.losses.tobytes(), right.astype(np.uint8).tobytes()

    def run(self, batch: dict[str, Any], grads: dict[str, np.ndarray]) -> float:
        return self.ran(batch, grads, True).loss

    def ran(self, batch: dict[str, Any], grads: dict[str, np.ndarray], told: bool) -> tape.Tape:
        """Returns what a pass leaves, and its way back's gradients in grads if there are any."""
        weights = {name: w.astype(self.kind, copy=False) for name, w in self.params.items()}
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by name
            inputs, targets = array(batch, "inputs", self.kind), array(batch, "targets", self.kind) if told else None
            t = tape.Tape(weights, grads, self.model["positions"], self.beat)
            t.run(self.model["stages"], inputs, targets, bool(grads))
        return t

    def device_peak(self) -> int:
        return 0

    def norm(self) -> float:
        return float(np.sqrt(sum(np.sum(np.square(g, dtype=np.float64)) for g in self.grads.values())))

    def move(self, h: optimizer.Hyper, scale: float) -> None:
        for t in self.moving:
            self.beat("optimizer step")
            optimizer.move(t, h, scale)


def array(batch: dict[str, Any], which: str, kind: type) -> np.ndarray:
    a = batch[which]
    values = np.frombuffer(a["ids"], dtype="<i4") if a["ids"] is not None else np.frombuffer(a["reals"], dtype="<f4").astype(kind)
    return values.reshape(batch["rows"], *a["shape"])
