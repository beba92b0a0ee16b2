"""Sections 5 to 7: how the values of one chunk become bytes, and back.

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

from . import column, fit
from .errors import Malformed, NotCanonical, must
from .layout import CHUNK_LEN
from .params import HEADROOM, Params

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


def of(params: Params, k: int) -> Codec:
    """The codec of weights or embeddings of which k of 4,096 values are kept."""
    if params.codec == "dct":
        return Cosine(k, params.bits, params.e_min, params.e_max - HEADROOM)
    if params.codec == "sign":
        return Sign(params.e_min, params.e_max)
    if params.codec == "dense":
        if params.bits == 8:
            return Dense8(params.e_min, params.e_max)
        return Float(params.bits, params.e_min, params.e_max)
    return TopK(k, params.bits, params.e_min, params.e_max)


def _int8(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def _check_exponent(exponent: int, e_min: int, e_max: int) -> None:
    must(e_min <= exponent <= e_max, Malformed, f"exponent {exponent}, want {e_min} to {e_max}")


@dataclass(frozen=True)
class Sparse:
    """The plain form of a sparse chunk, cut into its parts."""

    exponent: int
    hi: int
    lo: int
    positions: np.ndarray
    codes: np.ndarray


@dataclass(frozen=True)
class TopK(Codec):
    """Section 5: the k largest values of a chunk as positions, signs and levels."""

    k: int
    bits: int
    e_min: int
    e_max: int

    @property
    def top(self) -> int:
        """The highest level, which is also the mask of a code's level; the bit above is the sign."""
        return (1 << (self.bits - 1)) - 1

    def kept(self, n: int) -> int:
        """How many of n values are named."""
        return -(-self.k * n // CHUNK_LEN)

    def _codes_len(self, n: int) -> int:
        return (self.bits * self.kept(n) + 7) // 8

    def size(self, n: int) -> int:
        return 3 + 2 * self.kept(n) + self._codes_len(n)

    def _read(self, chunk: bytes, n: int) -> Sparse:
        k = self.kept(n)
        positions = np.frombuffer(chunk, "<u2", k, 3).astype(np.int64)
        bits = np.unpackbits(np.frombuffer(chunk, np.uint8, offset=3 + 2 * k), bitorder="little")
        codes = bits[: k * self.bits].reshape(k, self.bits) @ (1 << np.arange(self.bits))
        return Sparse(_int8(chunk[0]), chunk[1], chunk[2], positions, codes)

    def _write(self, s: Sparse) -> bytes:
        bits = s.codes[:, None] >> np.arange(self.bits) & 1
        codes = np.packbits(bits.astype(np.uint8), bitorder="little")
        return bytes((s.exponent & 255, s.hi, s.lo)) + s.positions.astype("<u2").tobytes() + codes.tobytes()

    def check(self, chunk: bytes, n: int) -> None:
        s, k = self._read(chunk, n), self.kept(n)
        ascending = bool((np.diff(s.positions) > 0).all()) and s.positions[-1] < n
        must(ascending, Malformed, "positions do not ascend within the chunk")
        used = self.bits * k % 8
        must(used == 0 or chunk[-1] >> used == 0, NotCanonical, "unused bits are set")
        levels = s.codes & self.top
        num_top, num_low = int((levels == self.top).sum()), int((levels == 0).sum())
        self._check_scale(s, num_top, num_low, k)
        if s.hi and (self.top == 0 or s.lo or num_low == 0):
            return  # nothing decodes to zero
        must(not (s.codes == self.top + 1).any(), NotCanonical, "a zero has a sign")
        zeros = np.flatnonzero(s.codes == 0)
        must(len(zeros) == 0 or s.positions[zeros[-1]] == zeros[-1], NotCanonical,
             "a zero is not at the lowest free position")

    def _check_scale(self, s: Sparse, num_top: int, num_low: int, k: int) -> None:
        if s.hi == 0:
            must(s.exponent == s.lo == 0 and num_low == k, NotCanonical, "a chunk of zeros has a scale or levels")
            return
        _check_exponent(s.exponent, self.e_min, self.e_max)
        must(s.hi >= NORMAL or s.exponent == self.e_min, NotCanonical, "the high mantissa is not normalised")
        if self.top == 0:
            must(s.lo == 0, NotCanonical, "a low mantissa where there is one level")
            return
        must(s.lo < s.hi, NotCanonical, "the low mantissa is not below the high one")
        must(num_top > 0, NotCanonical, "no entry takes the highest level")
        if num_top == k:
            must(s.lo == 0, NotCanonical, "a low mantissa that no entry takes")
            return
        must(num_low > 0, NotCanonical, "no entry takes the lowest level")
        must(s.hi - s.lo >= fit.LEAST_SPREAD[self.bits], NotCanonical, "levels coincide")

    def decode(self, chunk: bytes, n: int) -> np.ndarray:
        s, values = self._read(chunk, n), np.zeros(n, dtype=np.int64)
        if s.hi:
            magnitude = np.array(fit.levels_between(s.lo, s.hi, self.bits)) << (s.exponent - self.e_min)
            signed = np.where(s.codes > self.top, -1, 1)
            values[s.positions] = magnitude[s.codes & self.top] * signed
        return values

    def encode(self, values: np.ndarray) -> bytes:
        index = fit.select(values, self.kept(len(values)))
        xs, b = fit.magnitudes(values[index])
        levels = fit.fit(xs, b, self.bits, self.e_min, self.e_max)
        if levels is None:
            first = np.arange(len(index))
            return self._write(Sparse(0, 0, 0, first, np.zeros_like(first)))
        level, hi, lo = fit.assign(xs, levels)
        zeros = np.zeros(len(index), dtype=bool)
        if lo == 0 and self.top:
            index, level = fit.settle_zeros(index, level, len(values))
            zeros = level == 0
        sign = np.signbit(values[index]) & ~zeros
        return self._write(Sparse(levels.exponent, hi, lo, index, level | sign * (self.top + 1)))

    def columns(self, n: int) -> list[column.Range]:
        k = self.kept(n)
        gaps = column.Range(k, k + column.num_escapes(n, k))
        return [column.exactly(1)] * 3 + [gaps, column.exactly((k + 7) // 8), column.exactly(self._levels_len(k))]

    def _levels_len(self, k: int) -> int:
        per = LEVELS_PER_BYTE[self.bits]
        return -(-k // per) if per else 0

    def split(self, chunk: bytes, n: int) -> list[bytes]:
        s = self._read(chunk, n)
        signs = np.packbits(s.codes > self.top, bitorder="little").tobytes()
        levels = _pack(s.codes & self.top, LEVELS_PER_BYTE[self.bits], self.bits - 1)
        return [chunk[0:1], chunk[1:2], chunk[2:3], column.write_gaps(s.positions), signs, levels]

    def join(self, heads: list[column.Head], n: int) -> bytes:
        *scale, gaps, signs, levels = heads
        k = self.kept(n)
        exponent, hi, lo = (head.take(1)[0] for head in scale)
        positions = column.read_gaps(gaps, k, n)
        sign = _unpack(signs.take((k + 7) // 8), 8, 1, k)
        level = _unpack(levels.take(self._levels_len(k)), LEVELS_PER_BYTE[self.bits], self.bits - 1, k)
        return self._write(Sparse(exponent, hi, lo, positions, level | sign << (self.bits - 1)))


# How many levels a byte of their column holds, by the bits of a value.
LEVELS_PER_BYTE = {1: 0, 2: 8, 3: 4, 4: 2}


def _pack(numbers: np.ndarray, per: int, width: int) -> bytes:
    """Numbers of some bits each, so many to a byte, lowest bits first."""
    if per == 0:
        return b""
    padded = np.zeros(-(-len(numbers) // per) * per, dtype=np.int64)
    padded[: len(numbers)] = numbers
    return (padded.reshape(-1, per) << np.arange(per) * width).sum(axis=1).astype(np.uint8).tobytes()


def _unpack(packed: bytes, per: int, width: int, count: int) -> np.ndarray:
    """The numbers that `_pack` packed; bits that none uses must be 0."""
    if per == 0:
        return np.zeros(count, dtype=np.int64)
    numbers = (np.frombuffer(packed, np.uint8).astype(np.int64)[:, None] >> np.arange(per) * width).ravel()
    numbers &= (1 << width) - 1
    must(_pack(numbers[:count], per, width) == packed, Malformed, "unused bits are set")
    return numbers[:count]


RUN = 64
COSINE_BITS = 12
MAX_FLOAT32 = float(np.finfo(np.float32).max)

# round(2^12·cos(πj/128)) for j from 0 to 64.
QUARTER = (
    4096, 4095, 4091, 4085, 4076, 4065, 4052, 4036, 4017, 3996, 3973, 3948, 3920,
    3889, 3857, 3822, 3784, 3745, 3703, 3659, 3612, 3564, 3513, 3461, 3406, 3349,
    3290, 3229, 3166, 3102, 3035, 2967, 2896, 2824, 2751, 2675, 2598, 2520, 2440,
    2359, 2276, 2191, 2106, 2019, 1931, 1842, 1751, 1660, 1567, 1474, 1380, 1285,
    1189, 1092, 995, 897, 799, 700, 601, 501, 401, 301, 201, 101, 0,
)  # fmt: skip


def _cosine(j: int) -> int:
    """round(2^12·cos(πj/128)) for any j from 0."""
    j %= 256
    if j > 128:
        j = 256 - j
    return QUARTER[j] if j <= 64 else -QUARTER[128 - j]


def _basis() -> np.ndarray:
    """The rows of the orthonormal transform in units of 2^−12."""
    rows = [[_cosine((2 * i + 1) * k) for i in range(RUN)] for k in range(RUN)]
    first = [c // 8 for c in rows[0]]
    return np.array([first] + [[(c * 185364 + (1 << 19)) >> 20 for c in row] for row in rows[1:]])


BASIS = _basis()


@dataclass(frozen=True)
class Cosine(TopK):
    """Section 5.1: top-k among the coefficients of the cosine transform of runs of 64 values."""

    def encode(self, values: np.ndarray) -> bytes:
        whole = len(values) - len(values) % RUN
        runs = values[:whole].reshape(-1, RUN).astype(np.float64)
        sums = np.zeros(runs.shape)
        for i in range(RUN):  # in this order: these sums are rounded
            sums += runs[:, i : i + 1] * BASIS[:, i]
        coefficients = np.ldexp(np.clip(sums, -MAX_FLOAT32, MAX_FLOAT32), -COSINE_BITS)
        return super().encode(np.concatenate([coefficients.ravel().astype(np.float32), values[whole:]]))

    def decode(self, chunk: bytes, n: int) -> np.ndarray:
        coefficients, whole = super().decode(chunk, n), n - n % RUN
        runs = coefficients[:whole].reshape(-1, RUN) @ BASIS
        x = np.concatenate([runs.ravel(), coefficients[whole:] << COSINE_BITS])
        rounded = np.rint(np.ldexp(x.astype(np.float64), -COSINE_BITS))
        return rounded.astype(np.float32).astype(np.int64)


@dataclass(frozen=True)
class Sign(Codec):
    """Section 6: a bit for every value and one magnitude a chunk."""

    e_min: int
    e_max: int

    def size(self, n: int) -> int:
        return 2 + (n + 7) // 8

    def check(self, chunk: bytes, n: int) -> None:
        exponent, m = _int8(chunk[0]), chunk[1]
        must(n % 8 == 0 or chunk[-1] >> n % 8 == 0, NotCanonical, "unused bits are set")
        if m == 0:
            must(exponent == 0 and not any(chunk[2:]), NotCanonical, "a chunk of zeros has an exponent or signs")
            return
        _check_exponent(exponent, self.e_min, self.e_max)
        must(m >= NORMAL or exponent == self.e_min, NotCanonical, "the magnitude is not normalised")

    def decode(self, chunk: bytes, n: int) -> np.ndarray:
        if chunk[1] == 0:
            return np.zeros(n, dtype=np.int64)
        magnitude = chunk[1] << (_int8(chunk[0]) - self.e_min)
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
        exponent, mantissas = _int8(chunk[0]), np.frombuffer(chunk, np.int8, offset=1).astype(np.int64)
        must(not (mantissas == -128).any(), Malformed, "a mantissa is −128")
        top = int(np.abs(mantissas).max())
        if top == 0:
            must(exponent == 0, NotCanonical, "a chunk of zeros has an exponent")
            return
        _check_exponent(exponent, self.e_min, self.e_max)
        must(top > MAX_DENSE // 2 or exponent == self.e_min, NotCanonical, "the largest mantissa is not normalised")

    def decode(self, chunk: bytes, n: int) -> np.ndarray:
        shift = max(_int8(chunk[0]) - self.e_min, 0)  # the exponent of zeros means nothing
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
