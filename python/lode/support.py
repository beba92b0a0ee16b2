"""Section 5.2: the places of a round that all workers share."""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from . import fit
from .layout import CHUNK_LEN, Kind, Layout
from .params import Params

EXPLORE = 4  # one place in so many is drawn anew
DRAW_BITS = 24


def places(layout: Layout, params: Params) -> list[np.ndarray | None]:
    """The places of each chunk of the layout in a round, ascending; none where another codec has it."""
    if params.round is None:
        raise ValueError("codec 'shared' needs a round")
    found: list[np.ndarray | None] = []
    for chunk in layout.chunks():
        tensor = layout.tensors[chunk.tensor]
        if tensor.is_vector or tensor.kind == Kind.FROZEN:
            found.append(None)
            continue
        k = params.k_embed if tensor.kind == Kind.EMBEDDING and params.k_embed else params.k
        at = chunk.tensor.to_bytes(4, "little") + chunk.index.to_bytes(4, "little")
        last = None if params.round.last is None else params.round.last[chunk.span]
        found.append(_draw(chunk.length, -(-k * chunk.length // CHUNK_LEN), last, sha256(params.round.seed + at).digest()))
    return found


def _draw(n: int, k: int, last: np.ndarray | None, state: bytes) -> np.ndarray:
    """k of n places: the largest of the last step, then those that draw the largest numbers."""
    taken = np.zeros(n, dtype=bool)
    if last is not None:
        moved = np.flatnonzero(last)
        keep = min(len(moved), k - -(-k // EXPLORE))
        taken[moved[fit.select(last[moved], keep)]] = True
    free = np.flatnonzero(~taken)
    numbers = _split_mix(int.from_bytes(state[:8], "little"), n)[free] >> np.uint64(64 - DRAW_BITS)
    order = np.argsort(-numbers.astype(np.int64), kind="stable")
    taken[free[order[: k - int(taken.sum())]]] = True
    return np.flatnonzero(taken)


def _split_mix(state: int, n: int) -> np.ndarray:
    """The first n numbers that SplitMix64 draws from a state."""
    z = np.uint64(state) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return z ^ z >> np.uint64(31)
