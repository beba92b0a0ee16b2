"""One optimizer step, by the formulas of lode/engine/cpu, in place.

Arrays are numpy's or torch's: only what both can do is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

MOMENTUM = 0.95
SCALE = 0.2
ROUNDS = 5
A, B, C = 3.4445, -4.7750, 2.0315


@dataclass(frozen=True)
class Hyper:
    """The settings of one step, all resolved."""

    rate: float
    beta1: float
    beta2: float
    epsilon: float
    decay: float
    clip: float  # 0 is off
    muon: bool
    number: int  # of the step, from 1

    def scale(self, norm: float) -> float:
        """What a gradient of that norm is multiplied by."""
        return self.clip / norm if 0 < self.clip < norm else 1.0


def direction(x: Any) -> Any:
    """Returns where Muon goes, at a rate of one, for a matrix of momentum."""
    return SCALE * max(x.shape) ** 0.5 * orthogonal(x)


@dataclass(frozen=True)
class Moving:
    """A trained tensor: values, gradient and moments, of one shape. If they are some of
    its rows, direction finds those rows of that of the whole."""

    values: Any
    grad: Any
    first: Any
    second: Any
    hidden: bool
    decays: bool
    direction: Callable[[Any], Any] = direction


def move(t: Moving, h: Hyper, scale: float) -> None:
    """Moves one tensor against its gradient times scale."""
    decay = h.rate * h.decay if t.decays else 0.0
    if h.muon and t.hidden:
        return _muon(t, h.rate, decay, scale)
    grad = t.grad * scale
    m, v = t.first, t.second
    m *= h.beta1
    m += (1 - h.beta1) * grad
    v *= h.beta2
    grad *= grad
    grad *= 1 - h.beta2
    v += grad
    root = v / (1 - h.beta2**h.number)
    root **= 0.5
    root += h.epsilon
    step = m / root
    step *= h.rate / (1 - h.beta1**h.number)
    values = t.values
    if decay:
        values *= 1 - decay
    values -= step
    return None


def _muon(t: Moving, rate: float, decay: float, scale: float) -> None:
    take = (1 - MOMENTUM) * scale
    # Of more dimensions the first are rows; these are views.
    values, grad, m = (x.reshape(x.shape[0], prod(x.shape[1:])) for x in (t.values, t.grad, t.first))
    m *= MOMENTUM
    m += take * grad
    values *= 1 - decay
    values -= rate * t.direction(MOMENTUM * m + take * grad)


def orthogonal(x: Any) -> Any:
    """Returns an orthogonal matrix near x, zeros for zeros."""
    x = x / (float((x * x).sum()) ** 0.5 + 1e-7)
    wide = x.shape[0] <= x.shape[1]
    for _ in range(ROUNDS):
        square = x @ x.T if wide else x.T @ x
        factor = B * square + C * (square @ square)
        x = A * x + (factor @ x if wide else x @ factor)
    return x
