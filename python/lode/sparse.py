"""Sections 5, 5.1 and 5.2: codecs that name some values of a chunk, as signs and levels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from . import column, fit
from .codec import NORMAL, Codec, check_exponent, int8
from .errors import Malformed, NotCanonical, must
from .layout import CHUNK_LEN


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
        return Sparse(int8(chunk[0]), chunk[1], chunk[2], positions, codes)

    def _write(self, s: Sparse) -> bytes:
        bits = s.codes[:, None] >> np.arange(self.bits) & 1
        codes = np.packbits(bits.astype(np.uint8), bitorder="little")
        return bytes((s.exponent & 255, s.hi, s.lo)) + s.positions.astype("<u2").tobytes() + codes.tobytes()

    def check(self, chunk: bytes, n: int) -> None:
        s = self._read(chunk, n)
        ascending = bool((np.diff(s.positions) > 0).all()) and s.positions[-1] < n
        must(ascending, Malformed, "positions do not ascend within the chunk")
        if self._check_codes(s, chunk, self.kept(n)):
            zeros = np.flatnonzero(s.codes == 0)
            must(len(zeros) == 0 or s.positions[zeros[-1]] == zeros[-1], NotCanonical,
                 "a zero is not at the lowest free position")

    def _check_codes(self, s: Sparse, chunk: bytes, k: int) -> bool:
        """Checks all but the positions, and tells whether something decodes to zero."""
        used = self.bits * k % 8
        must(used == 0 or chunk[-1] >> used == 0, NotCanonical, "unused bits are set")
        levels = s.codes & self.top
        num_top, num_low = int((levels == self.top).sum()), int((levels == 0).sum())
        self._check_scale(s, num_top, num_low, k)
        if s.hi and (self.top == 0 or s.lo or num_low == 0):
            return False
        must(not (s.codes == self.top + 1).any(), NotCanonical, "a zero has a sign")
        return True

    def _check_scale(self, s: Sparse, num_top: int, num_low: int, k: int) -> None:
        if s.hi == 0:
            must(s.exponent == s.lo == 0 and num_low == k, NotCanonical, "a chunk of zeros has a scale or levels")
            return
        check_exponent(s.exponent, self.e_min, self.e_max)
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


@dataclass(frozen=True)
class Given(TopK):
    """Section 5.2: top-k at places that are known already. Lengths do not depend on them."""

    places: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64), compare=False)

    def at(self, places: np.ndarray) -> Given:
        """The codec of a chunk with these places."""
        return replace(self, places=places)

    def size(self, n: int) -> int:
        return 3 + self._codes_len(n)

    def _with_places(self, chunk: bytes) -> bytes:
        """The form that topk has of the same."""
        return chunk[:3] + self.places.astype("<u2").tobytes() + chunk[3:]

    def _without_places(self, chunk: bytes) -> bytes:
        return chunk[:3] + chunk[3 + 2 * len(self.places) :]

    def check(self, chunk: bytes, n: int) -> None:
        self._check_codes(self._read(self._with_places(chunk), n), chunk, self.kept(n))

    def decode(self, chunk: bytes, n: int) -> np.ndarray:
        return super().decode(self._with_places(chunk), n)

    def encode(self, values: np.ndarray) -> bytes:
        xs, b = fit.magnitudes(values[self.places])
        levels = fit.fit(xs, b, self.bits, self.e_min, self.e_max)
        if levels is None:
            return bytes(self.size(len(values)))
        level, hi, lo = fit.assign(xs, levels)
        zeros = (level == 0) & (lo == 0 and self.top > 0)
        sign = np.signbit(values[self.places]) & ~zeros
        codes = level | sign * (self.top + 1)
        return self._without_places(self._write(Sparse(levels.exponent, hi, lo, self.places, codes)))

    def columns(self, n: int) -> list[column.Range]:
        *scale, _, signs, levels = super().columns(n)
        return [*scale, signs, levels]

    def split(self, chunk: bytes, n: int) -> list[bytes]:
        *scale, _, signs, levels = super().split(self._with_places(chunk), n)
        return [*scale, signs, levels]

    def join(self, heads: list[column.Head], n: int) -> bytes:
        *scale, signs, levels = heads
        gaps = column.Head(column.write_gaps(self.places))
        return self._without_places(super().join([*scale, gaps, signs, levels], n))


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
