"""Answers the questions of gradient/twin_test.go: a list on standard input, one on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import vectors
from lode import update


def describe(question: dict[str, Any]) -> dict[str, Any]:
    """What the update of the question's values is, and what its other bytes are."""
    layout, params = vectors.layout_of(question), vectors.params_of(question)
    values = vectors.floats(question["values"])
    u = update.encode(layout, params, values)
    parse = {"plains": update.parse_plain, "forms": update.parse_wire, "noise": update.parse_wire}
    return {
        "plain": u.plain.hex(),
        "wires": [u.wire().hex()],
        "digest": u.digest().hex(),
        "norm": f"{u.norm_squared():x}",
        "decoded": vectors.text(u.values()),
        "residual": vectors.text(u.residual(values, question["clip"])),
        **{kind: [verdict(p, layout, params, b) for b in question[kind]] for kind, p in parse.items()},
    }


def verdict(parse: Callable[..., update.Update], layout: update.Layout, params: update.Params, b: str) -> str:
    """The digest of what is parsed, or why it is refused."""
    try:
        return parse(layout, params, bytes.fromhex(b)).digest().hex()
    except update.Refused as err:
        return vectors.refusal_of(err)


json.dump([describe(q) for q in json.load(sys.stdin)], sys.stdout)
