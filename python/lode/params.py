"""Section 2: the parameters of the codec, the same for all who take part."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

import numpy as np

from .layout import CHUNK_LEN

MIN_EXPONENT = -100
MAX_EXPONENT = 64
MAX_EXPONENT_RANGE = 36
HEADROOM = 4  # bits by which a dct value may pass its largest coefficient

BITS = {"topk": (1, 2, 3, 4), "shared": (1, 2, 3, 4), "dct": (1, 2, 3, 4), "sign": (1,), "dense": (8, 16, 32)}


@dataclass(frozen=True)
class Round:
    """What shared places follow from: the last step's values, none before the first, and a seed."""

    last: np.ndarray | None  # float32, one for each parameter
    seed: bytes  # 32


@dataclass(frozen=True)
class Params:
    """The codec and how much it keeps."""

    codec: str  # topk, shared, dct, sign or dense
    _: KW_ONLY
    bits: int  # of a value
    e_min: int  # lowest exponent of a scale
    e_max: int  # highest exponent of a scale
    k: int = 0  # topk, shared, dct: values kept of a full chunk
    k_embed: int = 0  # the same for embeddings; 0 means k
    round: Round | None = field(default=None, compare=False)  # shared: what its places follow from

    def __post_init__(self) -> None:
        spread = self.e_max - self.e_min
        for holds, fault in (
            (self.codec in BITS, f"no codec {self.codec!r}"),
            (self.bits in BITS.get(self.codec, ()), f"{self.bits} bits a value"),
            (not self.sparse or 1 <= self.k <= CHUNK_LEN, f"k is {self.k}"),
            (not self.sparse or 0 <= self.k_embed <= CHUNK_LEN, f"k of embeddings is {self.k_embed}"),
            (self.sparse or self.k == self.k_embed == 0, f"codec {self.codec!r} keeps everything, but k is set"),
            (MIN_EXPONENT <= self.e_min and self.e_max <= MAX_EXPONENT, "exponents out of range"),
            (0 <= spread <= MAX_EXPONENT_RANGE, f"exponents {spread} apart"),
            (self.codec != "dct" or spread >= HEADROOM, f"exponents {spread} apart, dct needs {HEADROOM}"),
        ):
            if not holds:
                raise ValueError(f"invalid parameters: {fault}")

    @property
    def sparse(self) -> bool:
        """Whether k of 4,096 are kept, not all."""
        return self.codec in ("topk", "shared", "dct")
