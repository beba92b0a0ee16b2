"""What sections 5 to 7 have in common, and the codecs of 6 and 7: how the values of one chunk become bytes, and back.

A codec knows the plain form of a chunk of n values: its size, whether bytes are
one (`check`), what they decode to (`decode`, as integers in units of 2^e_min), and
how a chunk is encoded. For the wire form it cuts a plain form into the parts that
go to its columns and joins them again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from math import frexp, ldexp

import numpy as np

from . import column
from .errors import Malformed, NotCanonical, must

MANTISSA_BITS = 8
NORMAL = 1 << (MANTISSA_BITS - 1)  # least mantissa of a scale above e_min


class Codec(ABC):
    """One of the plain forms below, under given parameters."""

    delta = True  # whether the first column holds exponents, which travel as differences

    @abstractmethod
    def size(self, n: int) -> int:
        """The length of the plain form."""

    @abstractmethod
    def check(self, chunk: bytes, n: int) -> None:
        """Refuses bytes of the right size that are not the one plain form of what they decode to."""

    @abstractmethod
    def decode(self, chunk: bytes, n: int) -> np.ndarray:
        """The n values, int64 in units of 2^e_min."""

    @abstractmethod
    def encode(self, values: np.ndarray) -> bytes:
        """The plain form of finite float32 values."""

    @abstractmethod
    def columns(self, n: int) -> list[column.Range]:
        """What a chunk adds to the length of each column."""

    @abstractmethod
    def split(self, chunk: bytes, n: int) -> list[bytes]:
        """What a chunk adds to each column."""

    @abstractmethod
    def join(self, heads: list[column.Head], n: int) -> bytes:
        """The plain form, still to be checked, from what the columns hold next."""


def int8(byte: int) -> int:
    """The number that a byte stands for in two's complement."""
    return byte - 256 if byte > 127 else byte


def check_exponent(exponent: int, e_min: int, e_max: int) -> None:
    """Refuses an exponent out of bounds."""
    must(e_min <= exponent <= e_max, Malformed, f"exponent {exponent}, want {e_min} to {e_max}")


@dataclass(frozen=True)
class Sign(Codec):
    """Section 6: a bit for every value and one magnitude a chunk."""

    e_min: int
    e_max: int

    def size(self, n: int) -> int:
        return 2 + (n + 7) // 8

    def check(self, chunk: bytes, n: int) -> None:
        exponent, m = int8(chunk[0]), chunk[1]
        must(n % 8 == 0 or chunk[-1] >> n % 8 == 0, NotCanonical, "unused bits are set")
        if m == 0:
            must(exponent == 0 and not any(chunk[2:]), NotCanonical, "a chunk of zeros has an exponent or signs")
            return
        check_exponent(exponent, self.e_min, self.e_max)
        must(m >= NORMAL or exponent == self.e_min, NotCanonical, "the magnitude is not normalised")

    def decode(self, chunk: bytes, n: int) -> np.ndarray:
        if chunk[1] == 0:
            return np.zeros(n, dtype=np.int64)
        magnitude = chunk[1] << (int8(chunk[0]) - self.e_min)
        below = np.unpackbits(np.frombuffer(chunk, np.uint8, offset=2), count=n, bitorder="little")
        return np.where(below, -magnitude, magnitude)

    def encode(self, values: np.ndarray) -> bytes:
        total = np.add.accumulate(np.abs(values.astype(np.float64)))[-1]  # one after another: rounded
        exponent, m = self._scale(float(total) / len(values))
        if m == 0:
            return bytes(self.size(len(values)))
        return bytes((exponent & 255, m)) + np.packbits(np.signbit(values), bitorder="little").tobytes()

    def _scale(self, mean: float) -> tuple[int, int]:
        """The mean as exponent and mantissa of eight bits, fewer at e_min, the largest above e_max."""
        exponent = max(frexp(mean)[1] - MANTISSA_BITS, self.e_min)
        m = round(ldexp(mean, -exponent))
        if m == 1 << MANTISSA_BITS:
            m, exponent = NORMAL, exponent + 1
        return (exponent, m) if exponent <= self.e_max else (self.e_max, 255)

    def columns(self, n: int) -> list[column.Range]:
        return [column.exactly(1), column.exactly(1), column.exactly((n + 7) // 8)]

    def split(self, chunk: bytes, n: int) -> list[bytes]:
        return [chunk[0:1], chunk[1:2], chunk[2:]]

    def join(self, heads: list[column.Head], n: int) -> bytes:
        exponents, magnitudes, signs = heads
        return exponents.take(1) + magnitudes.take(1) + signs.take((n + 7) // 8)


MAX_DENSE = 127


@dataclass(frozen=True)
class Dense8(Codec):
    """Section 7.1: an exponent and a signed byte for every value."""

    e_min: int
    e_max: int

    def size(self, n: int) -> int:
        return 1 + n

    def check(self, chunk: bytes, n: int) -> None:
        exponent, mantissas = int8(chunk[0]), np.frombuffer(chunk, np.int8, offset=1).astype(np.int64)
        must(not (mantissas == -128).any(), Malformed, "a mantissa is −128")
        top = int(np.abs(mantissas).max())
        if top == 0:
            must(exponent == 0, NotCanonical, "a chunk of zeros has an exponent")
            return
        check_exponent(exponent, self.e_min, self.e_max)
        must(top > MAX_DENSE // 2 or exponent == self.e_min, NotCanonical, "the largest mantissa is not normalised")

    def decode(self, chunk: bytes, n: int) -> np.ndarray:
        shift = max(int8(chunk[0]) - self.e_min, 0)  # the exponent of zeros means nothing
        return np.frombuffer(chunk, np.int8, offset=1).astype(np.int64) << shift

    def encode(self, values: np.ndarray) -> bytes:
        exact = values.astype(np.float64)
        top, exponent = float(np.abs(exact).max()), self.e_min
        while exponent < self.e_max and round(ldexp(top, -exponent)) > MAX_DENSE:
            exponent += 1
        mantissas = np.clip(np.rint(np.ldexp(exact, -exponent)), -MAX_DENSE, MAX_DENSE).astype(np.int8)
        return bytes((exponent & 255 if mantissas.any() else 0,)) + mantissas.tobytes()

    def columns(self, n: int) -> list[column.Range]:
        return [column.exactly(1), column.exactly(n)]

    def split(self, chunk: bytes, n: int) -> list[bytes]:
        return [chunk[:1], chunk[1:]]

    def join(self, heads: list[column.Head], n: int) -> bytes:
        exponents, mantissas = heads
        return exponents.take(1) + mantissas.take(n)


@dataclass(frozen=True)
class Float(Codec):
    """Section 7.2: every value as float32 or, with 16 bits, its upper half."""

    bits: int
    e_min: int
    e_max: int
    delta = False

    @property
    def width(self) -> int:
        """Bytes of a value."""
        return self.bits // 8

    @property
    def digits(self) -> int:
        """Bits of a significand."""
        return 8 if self.bits == 16 else 24

    @cached_property
    def limit(self) -> int:
        """The largest magnitude, in units of 2^e_min."""
        span = self.e_max - self.e_min + MANTISSA_BITS
        digits = min(self.digits, span)
        return ((1 << digits) - 1) << (span - digits)

    def size(self, n: int) -> int:
        return self.width * n

    def _floats(self, chunk: bytes) -> np.ndarray:
        if self.bits == 16:
            return (np.frombuffer(chunk, "<u2").astype(np.uint32) << 16).view(np.float32)
        return np.frombuffer(chunk, "<u4").astype(np.uint32).view(np.float32)

    def check(self, chunk: bytes, n: int) -> None:
        floats = self._floats(chunk)
        must(bool(np.isfinite(floats).all()), Malformed, "a value is not finite")
        must(not (np.signbit(floats) & (floats == 0)).any(), Malformed, "a zero has a sign")
        x = np.ldexp(floats.astype(np.float64), -self.e_min)
        must(bool((np.abs(x) <= self.limit).all()), Malformed, "a value is too large")
        must(bool((x == np.trunc(x)).all()), Malformed, f"a value is no multiple of 2^{self.e_min}")

    def decode(self, chunk: bytes, n: int) -> np.ndarray:
        return np.ldexp(self._floats(chunk).astype(np.float64), -self.e_min).astype(np.int64)

    def encode(self, values: np.ndarray) -> bytes:
        x = np.ldexp(np.abs(values.astype(np.float64)), -self.e_min)
        last = np.ldexp(1.0, np.maximum(np.frexp(x)[1] - self.digits, 0))  # unit of the last digit kept
        m = np.minimum(np.rint(x / last) * last, self.limit)
        signed = np.where(np.signbit(values) & (m != 0), -m, m)
        bits: np.ndarray = np.ldexp(signed, self.e_min).astype(np.float32).view(np.uint32)
        kept = (bits >> 16).astype("<u2") if self.bits == 16 else bits.astype("<u4")
        return kept.tobytes()

    def columns(self, n: int) -> list[column.Range]:
        return [column.exactly(n)] * self.width

    def split(self, chunk: bytes, n: int) -> list[bytes]:
        return [chunk[plane :: self.width] for plane in range(self.width)]

    def join(self, heads: list[column.Head], n: int) -> bytes:
        chunk = bytearray(self.size(n))
        for plane, head in enumerate(heads):
            chunk[plane :: self.width] = head.take(n)
        return bytes(chunk)
