"""Section 1: tensors, layouts and chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from math import prod

CHUNK_LEN = 4096
DENSE_LEN = 1 << 16  # up to which a tensor of one dimension is a vector
MAX_TENSORS = 1 << 16
MAX_DIMS = 8
MAX_NAME_LEN = 256
MAX_DIM = (1 << 31) - 1
MAX_VALUES = 1 << 40


class Kind(IntEnum):
    """What a tensor is to those who compress its changes."""

    WEIGHT = 0
    EMBEDDING = 1
    FROZEN = 2


@dataclass(frozen=True)
class Tensor:
    """One tensor: its name, its shape, outermost dimension first, its kind."""

    name: str
    shape: tuple[int, ...]
    kind: Kind = Kind.WEIGHT

    def __post_init__(self) -> None:
        if not 1 <= len(self.name.encode()) <= MAX_NAME_LEN:
            raise ValueError(f"tensor name {self.name[:20]!r} must have 1 to {MAX_NAME_LEN} bytes")
        if not 1 <= len(self.shape) <= MAX_DIMS:
            raise ValueError(f"tensor {self.name!r} has {len(self.shape)} dimensions, want 1 to {MAX_DIMS}")
        if not all(1 <= d <= MAX_DIM for d in self.shape) or len(self) > MAX_VALUES:
            raise ValueError(f"tensor {self.name!r} has shape {self.shape}, out of range")

    def __len__(self) -> int:
        return prod(self.shape)

    @property
    def is_vector(self) -> bool:
        """Whether it is a norm or a bias, which every codec keeps whole."""
        return len(self.shape) == 1 and len(self) <= DENSE_LEN


@dataclass(frozen=True)
class Chunk:
    """A run of at most 4,096 consecutive values of one tensor."""

    tensor: int
    index: int  # number within the tensor
    offset: int  # of its first value, in the flat order of all values
    length: int

    @property
    def span(self) -> slice:
        """Where its values lie in the flat order."""
        return slice(self.offset, self.offset + self.length)


@dataclass(frozen=True)
class Layout:
    """The ordered tensors of a model."""

    tensors: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        if len(self.tensors) > MAX_TENSORS:
            raise ValueError(f"{len(self.tensors)} tensors, at most {MAX_TENSORS} are allowed")
        if len({t.name for t in self.tensors}) < len(self.tensors):
            raise ValueError("two tensors have one name")
        if self.num_values > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values")

    @cached_property
    def num_values(self) -> int:
        """The number of values of all tensors."""
        return sum(map(len, self.tensors))

    def chunks(self) -> Iterator[Chunk]:
        """All chunks of all tensors, in order."""
        start = 0
        for t, tensor in enumerate(self.tensors):
            end = start + len(tensor)
            for offset in range(start, end, CHUNK_LEN):
                yield Chunk(t, (offset - start) // CHUNK_LEN, offset, min(CHUNK_LEN, end - offset))
            start = end


def chunk_lengths(num: int) -> list[tuple[int, int]]:
    """The chunks of a tensor of num values: how many there are of which length."""
    whole, rest = divmod(num, CHUNK_LEN)
    return [(count, n) for count, n in ((whole, CHUNK_LEN), (1, rest)) if count and n]
