"""Whole updates: parsed from both forms, decoded, encoded, digested.

    update = parse_wire(layout, params, wire)     # or parse_plain, or encode
    update.values()                               # float32, one for each parameter
    update.residual(values, clip)                 # what was not sent
    update.digest(), update.norm_squared(), update.plain, update.wire()
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import repeat
from math import isqrt, ldexp

import numpy as np

from . import codec, column, sparse, support
from .errors import Malformed, NotCanonical, NotFinite, Refused, must
from .layout import Chunk, Kind, Layout, Tensor, chunk_lengths
from .params import HEADROOM, Params, Round

__all__ = [
    "Chunk", "Kind", "Layout", "Malformed", "NotCanonical", "NotFinite", "Params", "Refused", "Round", "Tensor",
    "UNCLIPPED", "Update", "clip_to", "encode", "max_wire_len", "parse_plain", "parse_wire", "plain_len",
]  # fmt: skip

HEADER = b"LGU\x01"
CLIP_BITS = 32
UNCLIPPED = 1 << CLIP_BITS  # the clip factor 1

WEIGHTS, EMBEDDINGS, VECTORS = range(3)  # whose columns travel in this order


# Section 3: which codec a tensor has, and where each chunk lies.


def _group(tensor: Tensor, params: Params) -> int | None:
    """Which of the three codecs a tensor has; none if it is frozen."""
    if tensor.kind == Kind.FROZEN:
        return None
    if tensor.is_vector:
        return VECTORS
    return EMBEDDINGS if tensor.kind == Kind.EMBEDDING and params.k_embed else WEIGHTS


def _codec(params: Params, k: int) -> codec.Codec:
    """The codec of weights or embeddings of which k of 4,096 values are kept."""
    if params.codec == "dct":
        return sparse.Cosine(k, params.bits, params.e_min, params.e_max - HEADROOM)
    if params.codec == "shared":
        return sparse.Given(k, params.bits, params.e_min, params.e_max)
    if params.codec == "sign":
        return codec.Sign(params.e_min, params.e_max)
    if params.codec == "dense":
        if params.bits == 8:
            return codec.Dense8(params.e_min, params.e_max)
        return codec.Float(params.bits, params.e_min, params.e_max)
    return sparse.TopK(k, params.bits, params.e_min, params.e_max)


class _Plan:
    """What layout and parameters say of every update."""

    def __init__(self, layout: Layout, params: Params) -> None:
        self.layout, self.params = layout, params
        self.groups = [_group(t, params) for t in layout.tensors]
        self.codecs = (
            _codec(params, params.k),
            _codec(params, params.k_embed),
            codec.Dense8(params.e_min, params.e_max),
        )
        self.size = len(HEADER)
        self.ranges: list[list[column.Range]] = [[] for _ in self.codecs]  # of a group without chunks: no columns
        for tensor, group in zip(layout.tensors, self.groups):
            if group is not None:
                for count, n in chunk_lengths(len(tensor)):
                    self._count(group, count, n)

    def _count(self, group: int, count: int, n: int) -> None:
        """Counts chunks of n values."""
        self.size += count * self.codecs[group].size(n)
        more = self.codecs[group].columns(n)
        have = self.ranges[group] or [column.exactly(0)] * len(more)
        self.ranges[group] = [
            column.Range(r.least + count * m.least, r.most + count * m.most) for r, m in zip(have, more)
        ]

    def chunks(self) -> Iterator[tuple[Chunk, int, codec.Codec]]:
        """The chunks that an update names, each with its group and its codec, in order."""
        for chunk, places in zip(self.layout.chunks(), self._places()):
            group = self.groups[chunk.tensor]
            if group is not None:
                form = self.codecs[group]
                if isinstance(form, sparse.Given) and places is not None:
                    form = form.at(places)
                yield chunk, group, form

    def _places(self) -> Iterable[np.ndarray | None]:
        """The shared places of each chunk, if the codec has such."""
        return support.places(self.layout, self.params) if self.params.codec == "shared" else repeat(None)

    def all_ranges(self) -> list[column.Range]:
        """The lengths of all columns, in the order in which they travel."""
        return [r for ranges in self.ranges for r in ranges]


def plain_len(layout: Layout, params: Params) -> int:
    """The length of the plain form of every update."""
    return _Plan(layout, params).size


def max_wire_len(layout: Layout, params: Params) -> int:
    """A bound on the length of the wire form of every update. What is longer is refused unread."""
    return len(HEADER) + column.max_len(_Plan(layout, params).all_ranges())


# Section 4: the plain form.


@dataclass(frozen=True)
class Update:
    """One compressed pseudo-gradient. `plain` is its canonical form."""

    layout: Layout
    params: Params
    plain: bytes

    def _parts(self) -> Iterator[tuple[Chunk, int, codec.Codec, bytes]]:
        """Each chunk with its group, its codec and its bytes."""
        plan, at = _Plan(self.layout, self.params), len(HEADER)
        for chunk, group, form in plan.chunks():
            size = form.size(chunk.length)
            yield chunk, group, form, self.plain[at : at + size]
            at += size

    def check(self) -> None:
        """Refuses what is not canonical (sections 4 to 7)."""
        for chunk, _, form, b in self._parts():
            form.check(b, chunk.length)

    # Section 8: what an update means.

    def integers(self) -> np.ndarray:
        """The decoded values as int64, exact, in units of 2^e_min."""
        values = np.zeros(self.layout.num_values, dtype=np.int64)
        for chunk, _, form, b in self._parts():
            values[chunk.span] = form.decode(b, chunk.length)
        return values

    def values(self) -> np.ndarray:
        """The decoded values as float32, exact."""
        return np.ldexp(self.integers().astype(np.float64), self.params.e_min).astype(np.float32)

    def digest(self) -> bytes:
        """What stands for the update in messages: SHA-256 of the plain form."""
        return sha256(self.plain).digest()

    def norm_squared(self) -> int:
        """The squared norm of the decoded values, exact, in units of 2^(2·e_min)."""
        values = self.integers()
        return sum(v * v for v in values[values != 0].tolist())

    def residual(self, values: np.ndarray, clip: int = UNCLIPPED) -> np.ndarray:
        """values − clip·decoded: the product is rounded to float64 and to float32, then the difference."""
        if clip == 0:
            return values.copy()
        scaled = self.integers().astype(np.float64) * ldexp(clip, self.params.e_min - CLIP_BITS)
        return values - scaled.astype(np.float32)

    # Section 9: the wire form.

    def wire(self) -> bytes:
        """The form that travels. Its bytes depend on the compressor; what they decode to does not."""
        plan = _Plan(self.layout, self.params)
        columns = [[bytearray() for _ in ranges] for ranges in plan.ranges]
        for chunk, group, form, b in self._parts():
            for col, part in zip(columns[group], form.split(b, chunk.length)):
                col += part
        for form, cols in zip(plan.codecs, columns):
            if form.delta and cols:
                cols[0] = bytearray(differences(bytes(cols[0])))
        return HEADER + column.pack([bytes(c) for cols in columns for c in cols])


def differences(exponents: bytes) -> bytes:
    """Each byte less the one before, modulo 256."""
    return np.diff(np.frombuffer(exponents, np.uint8), prepend=np.uint8(0)).tobytes()


def sums(differences: bytes) -> bytes:
    """The bytes whose differences are given."""
    return np.add.accumulate(np.frombuffer(differences, np.uint8), dtype=np.uint8).tobytes()


def parse_plain(layout: Layout, params: Params, plain: bytes) -> Update:
    """The update whose plain form is given."""
    size = plain_len(layout, params)
    must(len(plain) == size, Malformed, f"plain form of {len(plain)} bytes, want {size}")
    must(plain[:4] == HEADER, Malformed, f"plain form starts with {plain[:4]!r}")
    update = Update(layout, params, plain)
    update.check()
    return update


def parse_wire(layout: Layout, params: Params, wire: bytes) -> Update:
    """The update whose wire form is given. Nothing is allocated before every length is known to fit."""
    must(wire[:4] == HEADER, Malformed, f"wire form starts with {wire[:4]!r}")
    plan = _Plan(layout, params)
    unpacked = iter(column.unpack(wire[4:], plan.all_ranges()))
    heads = []
    for form, ranges in zip(plan.codecs, plan.ranges):
        columns = [next(unpacked) for _ in ranges]
        if form.delta and columns:
            columns[0] = sums(columns[0])
        heads.append([column.Head(c) for c in columns])
    plain = bytearray(HEADER)
    for chunk, group, form in plan.chunks():
        b = form.join(heads[group], chunk.length)
        form.check(b, chunk.length)
        plain += b
    for head in (h for group in heads for h in group):
        must(head.at == len(head.column), Malformed, f"{len(head.column) - head.at} bytes too many in a column")
    return Update(layout, params, bytes(plain))


# Section 10: clip factors.


def clip_to(norm_squared: int, reference: int) -> int:
    """The factor that brings a squared norm down to the reference: ⌊min(1, √reference/√norm)·2^32⌋."""
    if norm_squared <= reference:
        return UNCLIPPED
    return isqrt((reference << 2 * CLIP_BITS) // norm_squared)


# Section 12: encoding.


def encode(layout: Layout, params: Params, values: np.ndarray) -> Update:
    """The update of float32 values, with the selection and the levels that every node of a run takes."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    if values.shape != (layout.num_values,):
        raise ValueError(f"values of shape {values.shape}, want {layout.num_values} in a row")
    plan, plain = _Plan(layout, params), bytearray(HEADER)
    for chunk, _, form in plan.chunks():
        part = values[chunk.span]
        if not np.isfinite(part).all():
            raise NotFinite(f"tensor {layout.tensors[chunk.tensor].name!r} holds a NaN or an infinity")
        plain += form.encode(part)
    return Update(layout, params, bytes(plain))
