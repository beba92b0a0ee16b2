"""Models in numpy: runs the stages of a description, and by hand their way back.

Stages and names are those of lode/engine/model.Builder. A value has one dimension of
positions or two, of rows and of steps; what lies at a position comes after them. Every stage leaves a way back: from the gradient
of its result to that of its inputs, adding up that of its weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray
Stage = dict[str, Any]


class Tape:
    """One pass over a batch. A tensor without a gradient is frozen."""

    def __init__(self, weights: dict[str, Array], grads: dict[str, Array], positions: int, beat: Callable[[str], None]):
        self.weights, self.grads, self.positions, self.beat = weights, grads, positions, beat
        self.values: list[Any] = [None]  # by number; 0 is none
        self.d: list[Any] = [None]  # their gradients, once there are any
        self.ways: list[Callable[[], None]] = []
        self.loss = 0.0
        self.out: Any = None  # what the head makes
        self.losses: Any = None  # of each target, or row of reals

    def run(self, stages: list[Stage], inputs: Array, targets: Array | None, back: bool) -> float:
        """Returns the mean loss in nats; without targets there is none."""
        for s in stages:
            self.beat(s["op"])
            getattr(self, s["op"])(self.values[s["in"]], s, inputs, targets)
        if back:
            for way in reversed(self.ways):
                self.beat("back")
                way()
        return self.loss

    def push(self, y: Array, way: Callable[[Array], None]) -> None:
        """Adds the next value."""
        n = len(self.values)
        self.values.append(y)
        self.d.append(None)
        self.ways.append(lambda: way(self.d[n]))

    def give(self, to: int, d: Array) -> None:
        """Adds to the gradient of a value."""
        self.d[to] = d if self.d[to] is None else self.d[to] + d

    def tensor(self, name: str) -> tuple[Array, Array | None]:
        """Returns a tensor's values and their gradient."""
        return self.weights[name], self.grads.get(name)

    def weight(self, module: str) -> tuple[Array, Array | None]:
        return self.tensor(module + ".weight")

    def layer(self, x: Array, name: str, bias: bool) -> tuple[Array, Callable[[Array], Array]]:
        """Returns x·Wᵀ, plus a bias, and the way back to x."""
        w, dw = self.weight(name)
        y = x @ w.T
        db = None
        if bias:
            b, db = self.tensor(name + ".bias")
            y += b

        def way(d: Array) -> Array:
            if dw is not None:
                dw[...] += flat(d).T @ flat(x)
            if db is not None:
                db[...] += flat(d).sum(axis=0)
            return d @ w

        return y, way

    def inputs(self, _: None, __: Stage, inputs: Array, ___: Array) -> None:
        self.push(inputs, lambda _: None)

    def embed(self, _: None, s: Stage, inputs: Array, __: Array) -> None:
        w, dw = self.weight(s["name"])

        def way(d: Array) -> None:
            if dw is not None:
                np.add.at(dw, inputs, d)

        self.push(w[inputs], way)

    def rms_norm(self, x: Array, s: Stage, *_: Array) -> None:
        w, dw = self.weight(s["name"])
        r = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + x.dtype.type(s["eps"]))

        def way(d: Array) -> None:
            if dw is not None:
                dw[...] += flat(d * x * r).sum(axis=0)
            d = d * w
            self.give(s["in"], r * d - x * (r**3 * np.mean(d * x, axis=-1, keepdims=True)))

        self.push(x * r * w, way)

    def linear(self, x: Array, s: Stage, *_: Array) -> None:
        parts, ways = zip(*(self.layer(x, p["name"], s["bias"]) for p in s["parts"]), strict=True)
        ends = np.cumsum([p.shape[-1] for p in parts])
        y = np.concatenate(parts, axis=-1)
        if s["add"]:
            y += self.values[s["add"]]

        def way(d: Array) -> None:
            if s["add"]:
                self.give(s["add"], d)
            for back, part in zip(ways, np.split(d, ends[:-1], axis=-1), strict=True):
                self.give(s["in"], back(part))

        self.push(y, way)

    def conv2d(self, x: Array, s: Stage, *_: Array) -> None:
        w, dw = self.weight(s["name"])
        padded = np.pad(x, ((0, 0), (0, 0), (s["pad"],) * 2, (s["pad"],) * 2))
        seen = windows(padded, s)  # [rows, in, tall, wide, size, size]
        y = np.einsum("nihwab,oiab->nohw", seen, w, optimize=True)
        db = None
        if s["bias"]:
            b, db = self.tensor(s["name"] + ".bias")
            y += b[:, None, None]

        def way(d: Array) -> None:
            if dw is not None:
                dw[...] += np.einsum("nohw,nihwab->oiab", d, seen, optimize=True)
            if db is not None:
                db[...] += d.sum(axis=(0, 2, 3))
            back = np.zeros_like(padded)
            for a, b, at in within(s, *d.shape[2:]):
                back[at] += np.einsum("nohw,oi->nihw", d, w[:, :, a, b], optimize=True)
            _, _, height, width = x.shape
            self.give(s["in"], back[:, :, s["pad"] : s["pad"] + height, s["pad"] : s["pad"] + width])

        self.push(y, way)

    def pool(self, x: Array, s: Stage, *_: Array) -> None:
        seen = windows(x, s)
        flat_seen = seen.reshape(*seen.shape[:4], -1)
        chosen = flat_seen.argmax(axis=-1)  # the first of equals
        y = flat_seen.mean(axis=-1) if s["mean"] else np.take_along_axis(flat_seen, chosen[..., None], axis=-1)[..., 0]

        def way(d: Array) -> None:
            back = np.zeros_like(x)
            for a, b, at in within(s, *d.shape[2:]):
                back[at] += d / s["size"] ** 2 if s["mean"] else d * (chosen == a * s["size"] + b)
            self.give(s["in"], back)

        self.push(y, way)

    def relu(self, x: Array, s: Stage, *_: Array) -> None:
        self.push(np.maximum(x, 0), lambda d: self.give(s["in"], d * (x > 0)))

    def gelu(self, x: Array, s: Stage, *_: Array) -> None:
        below = ((1 + erf(x / math.sqrt(2))) / 2).astype(x.dtype)
        slope = below + x * np.exp(-x * x / 2) / x.dtype.type(math.sqrt(2 * math.pi))
        self.push(x * below, lambda d: self.give(s["in"], d * slope))

    def flatten(self, x: Array, s: Stage, *_: Array) -> None:
        self.push(x.reshape(*x.shape[: self.positions], -1), lambda d: self.give(s["in"], d.reshape(x.shape)))

    def attention(self, x: Array, s: Stage, *_: Array) -> None:
        rows, steps, wide = x.shape
        heads, shared = s["query"], s["kv"]
        size = wide // (heads + 2 * shared)
        turn = angles(steps, size, s["theta"], x.dtype)

        def split(x: Array, n: int) -> Array:  # to [rows, heads, steps, size]
            return x.reshape(rows, steps, n, size).transpose(0, 2, 1, 3)

        def join(x: Array) -> Array:
            return x.reshape(rows, -1, steps, size).transpose(0, 2, 1, 3).reshape(rows, steps, -1)

        # Query heads that share a key head lie below each other: one product serves all.
        group = (rows, shared, heads // shared * steps, size)
        q, k, v = np.split(x, (heads * size, (heads + shared) * size), axis=-1)
        q, k, v = rotate(split(q, heads), turn).reshape(group), rotate(split(k, shared), turn), split(v, shared)
        scale = x.dtype.type(size**-0.5)
        p = (q @ k.transpose(0, 1, 3, 2)).reshape(rows, heads, steps, steps) * scale
        p = np.where(np.tril(np.ones((steps, steps), bool)), p, -np.inf)
        p = np.exp(p - p.max(axis=-1, keepdims=True))
        p = (p / p.sum(axis=-1, keepdims=True)).reshape(*group[:3], steps)

        def way(d: Array) -> None:
            d = split(d, heads).reshape(group)
            dp = d @ v.transpose(0, 1, 3, 2)
            dp = p * (dp - np.sum(dp * p, axis=-1, keepdims=True)) * scale
            undo = (turn[0], -turn[1])
            dq = rotate((dp @ k).reshape(rows, heads, steps, size), undo)
            dk = rotate(dp.transpose(0, 1, 3, 2) @ q, undo)
            self.give(s["in"], np.concatenate((join(dq), join(dk), join(p.transpose(0, 1, 3, 2) @ d)), axis=-1))

        self.push(join(p @ v), way)

    def swiglu(self, x: Array, s: Stage, *_: Array) -> None:
        gate, up = np.split(x, 2, axis=-1)
        sigmoid = 1 / (1 + np.exp(-gate))

        def way(d: Array) -> None:
            dgate = d * up * sigmoid * (1 + gate * (1 - sigmoid))
            self.give(s["in"], np.concatenate((dgate, d * gate * sigmoid), axis=-1))

        self.push(gate * sigmoid * up, way)

    def cross_entropy(self, x: Array, s: Stage, _: Array, targets: Array) -> None:
        logits, back = self.layer(x, s["name"], s["bias"])
        self.out = logits
        if targets is None:
            return
        logits = logits - logits.max(axis=-1, keepdims=True)
        p = np.exp(logits)
        total = p.sum(axis=-1, keepdims=True)
        at = targets.reshape(*p.shape[:-1], 1)
        chosen = np.take_along_axis(logits, at, axis=-1) - np.log(total)
        self.losses = -chosen.reshape(-1).astype(np.float64)
        self.loss = float(self.losses.mean())

        def way() -> None:
            d = p / total
            np.put_along_axis(d, at, np.take_along_axis(d, at, axis=-1) - 1, axis=-1)
            self.give(s["in"], back(d / at.size))

        self.ways.append(way)

    def squared_error(self, x: Array, s: Stage, _: Array, targets: Array) -> None:
        y, back = self.layer(x, s["name"], s["bias"])
        self.out = y
        if targets is None:
            return
        off = y - targets.reshape(y.shape)
        self.losses = np.square(off, dtype=np.float64).reshape(len(off), -1).mean(axis=1)
        self.loss = float(self.losses.mean())
        self.ways.append(lambda: self.give(s["in"], back(off * (2 / off.size))))


erf = np.vectorize(math.erf, otypes=[np.float64])


def windows(x: Array, s: Stage) -> Array:
    """Returns the windows of planes [rows, in, height, width]: [rows, in, tall, wide, size, size]."""
    seen = np.lib.stride_tricks.sliding_window_view(x, (s["size"], s["size"]), axis=(2, 3))
    return seen[:, :, :: s["stride"], :: s["stride"]]


def within(s: Stage, tall: int, wide: int) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """Yields each place in a window, and where that lies in the plane for all windows."""
    for a in range(s["size"]):
        for b in range(s["size"]):
            down, across = slice(a, a + s["stride"] * tall, s["stride"]), slice(b, b + s["stride"] * wide, s["stride"])
            yield a, b, (slice(None), slice(None), down, across)


def flat(x: Array) -> Array:
    """Joins the positions."""
    return x.reshape(-1, x.shape[-1])


def angles(steps: int, size: int, theta: float, kind: Any) -> tuple[Array, Array]:
    """Returns cosines and sines, [steps, size/2]."""
    a = np.arange(steps)[:, None] / theta ** (np.arange(0, size, 2) / size)
    return np.cos(a).astype(kind), np.sin(a).astype(kind)


def rotate(x: Array, turn: tuple[Array, Array]) -> Array:
    """Turns the pairs (i, i + size/2) of the last dimension, by position in the one before."""
    cos, sin = turn
    a, b = np.split(x, 2, axis=-1)
    return np.concatenate((a * cos - b * sin, b * cos + a * sin), axis=-1)
