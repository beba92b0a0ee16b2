"""Section 13: merged steps, read from both forms and applied to a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from . import column
from .errors import Malformed, NotCanonical, must
from .layout import CHUNK_LEN, Chunk, Kind, Layout, Tensor, chunk_lengths
from .update import sums

HEADER = b"LGS\x01"
NARROW_BITS = 15  # up to which an integer takes two bytes, else four
MAX_UNIT = 60
MAX_EXPONENT = 64


@dataclass(frozen=True)
class Rules:
    """What of a merge's settings gives a step's bytes their meaning."""

    bits: int = 8  # of an integer's magnitude
    unit: int = 40  # exponents are at least −unit
    e_max: int = 0  # highest exponent
    keep: int = 0  # values of a full chunk that may move; 0: all

    def __post_init__(self) -> None:
        exponents = 0 <= self.unit <= MAX_UNIT and -self.unit <= self.e_max <= MAX_EXPONENT
        if not (2 <= self.bits <= 24 and exponents and 0 <= self.keep <= CHUNK_LEN):
            raise ValueError(f"invalid rules: {self}")

    def most(self, tensor: Tensor, n: int) -> int:
        """How many of the n values of a tensor's chunk may move."""
        if tensor.kind == Kind.FROZEN:
            return 0
        return n if self.keep == 0 or tensor.is_vector else -(-self.keep * n // CHUNK_LEN)

    @property
    def width(self) -> int:
        """Bytes of an integer in the plain form."""
        return 2 if self.bits <= NARROW_BITS else 4

    @property
    def num_planes(self) -> int:
        """Columns of magnitudes in the wire form."""
        return (self.bits + 7) // 8

    @property
    def limit(self) -> int:
        """The largest magnitude."""
        return (1 << self.bits) - 1


@dataclass(frozen=True)
class Step:
    """What one merge does to a model: θ ← θ − q·2^X, q for each parameter, X for each chunk."""

    layout: Layout
    rules: Rules
    plain: bytes

    def digest(self) -> bytes:
        """What stands for the step in messages: SHA-256 of the plain form."""
        return sha256(self.plain).digest()

    def _parts(self) -> Iterator[tuple[Chunk, int, np.ndarray]]:
        """Each chunk with its exponent and its integers, zeros included."""
        at = len(HEADER)
        for chunk in self.layout.chunks():
            exponent, q, at = _read_chunk(self.plain, at, chunk.length, chunk.length, self.rules)
            yield chunk, exponent, q

    def apply(self, model: np.ndarray) -> np.ndarray:
        """The float32 parameters moved by the step: one rounded subtraction for each that moves."""
        moved = np.array(model, dtype=np.float32)
        for chunk, exponent, q in self._parts():
            moves = q != 0
            part = moved[chunk.span]
            part[moves] -= np.ldexp(q[moves].astype(np.float32), exponent)
        return moved


def parse_plain(layout: Layout, rules: Rules, plain: bytes) -> Step:
    """The step whose plain form is given."""
    must(plain[:4] == HEADER, Malformed, f"step starts with {plain[:4]!r}")
    at = len(HEADER)
    for chunk in layout.chunks():
        most = rules.most(layout.tensors[chunk.tensor], chunk.length)
        exponent, q, at = _read_chunk(plain, at, chunk.length, most, rules)
        _check_chunk(exponent, q, rules)
    must(at == len(plain), Malformed, f"{len(plain) - at} bytes too many")
    return Step(layout, rules, plain)


def _read_chunk(plain: bytes, at: int, n: int, most: int, rules: Rules) -> tuple[int, np.ndarray, int]:
    """Exponent and n integers of the chunk at plain[at:], of which most may move, and where it ends."""
    start = at + 1 + (n + 7) // 8
    must(start <= len(plain), Malformed, "a bitmap is cut off")
    bits = np.unpackbits(np.frombuffer(plain[at + 1 : start], np.uint8), bitorder="little")
    must(not bits[n:].any(), NotCanonical, "bits beyond a chunk are set")
    moves = bits[:n] == 1
    must(int(moves.sum()) <= most, Malformed, f"{int(moves.sum())} values move, at most {most} may")
    end = start + rules.width * int(moves.sum())
    must(end <= len(plain), Malformed, "integers are cut off")
    q = np.zeros(n, dtype=np.int64)
    q[moves] = np.frombuffer(plain[start:end], f"<i{rules.width}")
    must(int((q != 0).sum()) == int(moves.sum()), Malformed, "an integer is zero")
    return int.from_bytes(plain[at : at + 1], "little", signed=True), q, end


def _check_chunk(exponent: int, q: np.ndarray, rules: Rules) -> None:
    top = int(np.abs(q).max())
    must(top <= rules.limit, Malformed, f"integer of magnitude {top}, at most {rules.limit}")
    if top == 0:
        must(exponent == 0, NotCanonical, "a chunk of zeros has an exponent")
        return
    must(-rules.unit <= exponent <= rules.e_max, Malformed, f"exponent {exponent}")
    must(top > rules.limit // 2 or exponent == -rules.unit, NotCanonical, "the largest integer is not normalised")


def parse_wire(layout: Layout, rules: Rules, wire: bytes) -> Step:
    """The step whose wire form is given. Nothing is allocated before every length is known to fit."""
    must(wire[:4] == HEADER, Malformed, f"step starts with {wire[:4]!r}")
    exponents, bitmaps, signs, *planes = column.unpack(wire[4:], _ranges(layout, rules))
    num = int(np.unpackbits(np.frombuffer(bitmaps, np.uint8)).sum())
    must(len(signs) == (num + 7) // 8, Malformed, f"{len(signs)} bytes of signs for {num} integers")
    must(num % 8 == 0 or signs[-1] >> num % 8 == 0, Malformed, "unused bits of signs are set")
    must(all(len(p) == num for p in planes), Malformed, f"magnitudes do not fit {num} integers")
    magnitudes = np.ones(num, dtype=np.int64)
    for i, plane in enumerate(planes):
        magnitudes += np.frombuffer(plane, np.uint8).astype(np.int64) << 8 * i
    must(num == 0 or int(magnitudes.max()) <= rules.limit, Malformed, "an integer is too large")
    below = np.unpackbits(np.frombuffer(signs, np.uint8), count=num, bitorder="little")
    integers = np.where(below, -magnitudes, magnitudes).astype(f"<i{rules.width}").tobytes()
    return parse_plain(layout, rules, _join(layout, rules, sums(exponents), bitmaps, integers))


def _ranges(layout: Layout, rules: Rules) -> list[column.Range]:
    """What the columns' lengths may be: exponents, bitmaps, signs, planes of magnitudes."""
    counts = [c for t in layout.tensors for c in chunk_lengths(len(t))]
    most = sum(count * rules.most(t, n) for t in layout.tensors for count, n in chunk_lengths(len(t)))
    return [
        column.exactly(sum(count for count, _ in counts)),
        column.exactly(sum(count * ((n + 7) // 8) for count, n in counts)),
        column.Range(0, (most + 7) // 8),
        *[column.Range(0, most)] * rules.num_planes,
    ]


def _join(layout: Layout, rules: Rules, exponents: bytes, bitmaps: bytes, integers: bytes) -> bytes:
    """The plain form, of columns whose lengths fit."""
    heads = column.Head(exponents), column.Head(bitmaps), column.Head(integers)
    plain = bytearray(HEADER)
    for chunk in layout.chunks():
        exponent, bitmap = heads[0].take(1), heads[1].take((chunk.length + 7) // 8)
        num = sum(byte.bit_count() for byte in bitmap)
        plain += exponent + bitmap + heads[2].take(rules.width * num)
    return bytes(plain)
