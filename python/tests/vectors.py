"""Test vectors as JSON has them: bytes and floats in hexadecimal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from lode.errors import Malformed, Refused
from lode.layout import Kind, Layout, Tensor
from lode.params import Params, Round

ROOT = Path(__file__).resolve().parents[2]


def read(path: str) -> list[dict[str, Any]]:
    """The vectors of a file, by its path from the root of the repository."""
    return json.loads((ROOT / path).read_text())


def layout_of(vector: dict[str, Any]) -> Layout:
    """The layout of a vector."""
    tensors = vector["tensors"] or []
    return Layout(tuple(Tensor(t["name"], tuple(t["shape"]), Kind(t["kind"])) for t in tensors))


def params_of(vector: dict[str, Any]) -> Params:
    """The parameters of a vector."""
    given = dict(vector["params"])
    support = given.pop("support", None)
    if support is None:
        return Params(**given)
    last = floats(support["last"]) if support["last"] else None
    return Params(**given, round=Round(last, bytes.fromhex(support["seed"])))


def floats(text: str) -> np.ndarray:
    """The float32 values of eight hexadecimal digits each."""
    return np.frombuffer(bytes.fromhex(text), ">f4").astype(np.float32)


def text(values: np.ndarray) -> str:
    """The reverse."""
    return values.astype(">f4").tobytes().hex()


def refusal_of(err: Refused) -> str:
    """The class of a refusal, as vectors name it."""
    return "malformed" if isinstance(err, Malformed) else "not canonical"
