"""Section 12: which values a sparse encoder keeps, and which levels it takes.

A magnitude is an integer x below 2^31 in units of 2^b, b common to the chunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAGNITUDE_MASK = 0x7FFFFFFF  # float32 bits without the sign: they order as magnitudes do
MANTISSA_BITS = 8
MAX_ROUNDS = 16

# Where the levels lie between the low one at 0 and the high one at 256, by the
# number of bits of a code.
CURVES = {1: (256,), 2: (0, 256), 3: (0, 62, 144, 256), 4: (0, 13, 31, 54, 86, 127, 183, 256)}


def levels_between(lo: int, hi: int, bits: int) -> list[int]:
    """The mantissas of all levels, ascending."""
    return [lo + ((hi - lo) * at + 128) // 256 for at in CURVES[bits]]


def _least_spread(bits: int) -> int:
    """The least hi − lo at which all levels differ."""
    return next(s for s in range(1, 256) if len(set(levels_between(0, s, bits))) == len(CURVES[bits]))


LEAST_SPREAD = {bits: _least_spread(bits) for bits in CURVES}


def select(values: np.ndarray, k: int) -> np.ndarray:
    """The indices of the k largest magnitudes, ascending; among equals the lower index first."""
    keys = (values.view(np.uint32) & MAGNITUDE_MASK).astype(np.int64)
    return np.sort(np.argsort(-keys, kind="stable")[:k])


def magnitudes(values: np.ndarray) -> tuple[np.ndarray, int]:
    """x of each value, what falls below being cut off, and b."""
    keys = (values.view(np.uint32) & MAGNITUDE_MASK).astype(np.int64)
    exponents = np.maximum(keys >> 23, 1)
    fractions = (keys & 0x7FFFFF) | np.where(keys >> 23 > 0, 1 << 23, 0)
    top = int(exponents.max())
    return (fractions << 7) >> np.minimum(top - exponents, 63), top - 157


@dataclass(frozen=True)
class Levels:
    """Fitted levels: mantissas times 2^exponent, and from which x on each is taken."""

    exponent: int
    mantissas: list[int]
    cuts: list[int]  # of level 1 and up


def fit(xs: np.ndarray, b: int, bits: int, e_min: int, e_max: int) -> Levels | None:
    """The levels of a chunk, or None if all of it is zero."""
    digits = max(3, bits + 1)
    hi, lo = (_round_digits(x, digits) for x in _outer(xs, bits))
    if hi == 0:
        return None
    shift = min(max(hi.bit_length() - MANTISSA_BITS, e_min - b), e_max - b)
    limit = (1 << MANTISSA_BITS) - (1 << (MANTISSA_BITS - digits))
    hi, lo = (min(_round_shift(x, shift), limit) for x in (hi, lo))
    if hi == 0:
        return None
    merged = hi - lo < LEAST_SPREAD[bits]
    if merged:
        lo = 0
        if hi < LEAST_SPREAD[bits] and not xs.all():
            return None  # too small to be told from zero with levels between
    mantissas = levels_between(lo, hi, bits)
    if merged or shift < 0:
        cuts = [1] * (len(mantissas) - 1)
    else:
        cuts = [((m + n << shift) + 1) // 2 for m, n in zip(mantissas, mantissas[1:])]
    return Levels(b + shift, mantissas, cuts)


def _round_digits(x: int, digits: int) -> int:
    """x rounded to so many significant bits."""
    drop = max(x.bit_length() - digits, 0)
    return _round_shift(x, drop) << drop


def _outer(xs: np.ndarray, bits: int) -> tuple[int, int]:
    """The highest and the lowest level."""
    if bits == 1:
        mean = _mean(int(xs.sum()), len(xs))
        return mean, mean
    return _lloyd(xs) if bits == 2 else _regress(xs, bits)


def _mean(total: int, num: int) -> int:
    return (total + num // 2) // num


def _lloyd(xs: np.ndarray) -> tuple[int, int]:
    """The means of the two groups that Lloyd's iteration ends with."""
    cut = _mean(int(xs.sum()), len(xs))
    hi = lo = cut
    for _ in range(MAX_ROUNDS):
        above, below = xs[xs >= cut], xs[xs < cut]
        if len(above) == 0 or len(below) == 0:
            return cut, cut
        hi, lo = (_mean(int(g.sum()), len(g)) for g in (above, below))
        if (hi + lo + 1) // 2 == cut:
            break
        cut = (hi + lo + 1) // 2
    return hi, lo


def _regress(xs: np.ndarray, bits: int) -> tuple[int, int]:
    """The ends of a curve of levels that fit best, each x at its nearest level."""
    low, high = float(xs.min()), float(xs.max())
    for _ in range(MAX_ROUNDS):
        ends = _refit(xs, bits, low, high)
        if ends == (low, high):
            break
        low, high = ends
    return round(max(high, 0.0)), round(min(max(low, 0.0), max(high, 0.0)))


def _refit(xs: np.ndarray, bits: int, low: float, high: float) -> tuple[float, float]:
    """The least-squares ends under the assignment to the levels from low to high.

    The sums are exact, so their order does not matter: in units of its last
    digit each fits 53 bits.
    """
    curve = CURVES[bits]
    cuts = np.array([low + (high - low) * ((c + d) / 512) for c, d in zip(curve, curve[1:])])
    reached = np.logical_and.accumulate(xs[:, None] >= cuts, axis=1).sum(axis=1)
    c, x = np.array(curve)[reached] / 256, xs.astype(np.float64)
    aa, ab, bb = (float(s.sum()) for s in ((1 - c) * (1 - c), (1 - c) * c, c * c))
    ax, bx = float(((1 - c) * x).sum()), float((c * x).sum())
    det = aa * bb - ab * ab
    if det <= 0:
        return low, high
    return (ax * bb - bx * ab) / det, (bx * aa - ax * ab) / det


def _round_shift(x: int, shift: int) -> int:
    """x·2^−shift to nearest, ties to even; more than any mantissa if shift is negative and x is not 0."""
    if shift < 0:
        return 1 << MANTISSA_BITS if x else 0
    q, rest = x >> shift, x & ((1 << shift) - 1)
    half = 1 << shift >> 1
    return q + (rest > half or (rest == half > 0 and q & 1 == 1))


def assign(xs: np.ndarray, levels: Levels) -> tuple[np.ndarray, int, int]:
    """The level of each x and the two mantissas that are written, so that some entry takes each."""
    top = len(levels.mantissas) - 1
    level = (xs[:, None] >= np.array(levels.cuts, dtype=np.int64)).sum(axis=1)
    if not (level == top).any():
        level[xs.argmax()] = top
    if (level == top).all():
        return level, levels.mantissas[top], 0
    level[xs.argmin()] = 0
    return level, levels.mantissas[top], levels.mantissas[0]


def settle_zeros(index: np.ndarray, level: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The entries with those of level 0 moved to the lowest positions the others leave free."""
    taken = np.zeros(n, dtype=np.int64)
    taken[index[level > 0]] = level[level > 0]
    free = np.flatnonzero(taken == 0)[: int((level == 0).sum())]
    settled = np.sort(np.concatenate([index[level > 0], free]))
    return settled, taken[settled]
