"""The tensors in shared memory: four runs of float32, one after the other.

Parameters and gradient hold D values in the order of the layout, the first and the
second moments one value for each that is trained.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from math import prod

from .wire import Refused

SIZE = 4  # bytes of a value
DESCRIPTOR = 3  # on which the program hands over the memory


@dataclass(frozen=True)
class Spec:
    """One tensor of the layout."""

    name: str
    shape: tuple[int, ...]
    frozen: bool
    hidden: bool  # Muon's, if it is asked for
    decays: bool  # weight decay moves it

    def __len__(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class Place:
    """Where the values of one tensor lie, in values from the start of the memory."""

    spec: Spec
    params: int
    grads: int
    first: int | None  # None if frozen
    second: int | None


def places(specs: list[Spec]) -> tuple[list[Place], int]:
    """Returns where each tensor lies, and the length of the memory in values."""
    total = sum(len(s) for s in specs)
    trained = sum(len(s) for s in specs if not s.frozen)
    out, at, moment = [], 0, 2 * total
    for s in specs:
        first = None if s.frozen else moment
        out.append(Place(s, at, total + at, first, None if first is None else first + trained))
        at += len(s)
        moment += 0 if s.frozen else len(s)
    return out, 2 * (total + trained)


def attach(descriptor: int, length: int) -> mmap.mmap:
    """Maps so many values of the memory, if it has them. It may be longer."""
    size = os.fstat(descriptor).st_size
    if size < length * SIZE:
        raise Refused(f"the shared memory has {size} bytes, the model needs {length * SIZE}")
    return mmap.mmap(descriptor, length * SIZE)
