"""Frames: a length of 4 bytes, little-endian, and so many bytes of CBOR.

The program calls with {"id", "call", "args"}; the answer is {"id", "result"} or {"id",
"error"}. Before it, any number of {"id", "progress"} say that work goes on: without one
for long the program takes this process for dead.
"""

from __future__ import annotations

import time
from typing import Any, BinaryIO

from . import cbor

MAX_FRAME = 1 << 30  # bytes; the largest is a batch
PAUSE = 1.0  # seconds between two reports


class Refused(Exception):
    """A call that cannot be carried out, with what the user should read."""


class Agreed(Refused):
    """A refusal that every process of an engine knows of: they go on."""


class Wire:
    def __init__(self, source: BinaryIO, out: BinaryIO) -> None:
        self._source, self._out = source, out
        self._call = 0
        self._told = 0.0

    def read(self) -> dict[str, Any] | None:
        """Returns the next call, None once the program is gone."""
        head = self._source.read(4)
        if not head:
            return None
        size = int.from_bytes(head, "little")
        if len(head) < 4 or size > MAX_FRAME:
            raise cbor.Malformed(f"a frame of {size} bytes, at most {MAX_FRAME} are allowed")
        body = self._source.read(size)
        if len(body) < size:
            return None
        call = cbor.loads(body)
        self._call, self._told = call["id"], time.monotonic()
        return call

    def write(self, message: dict[str, Any]) -> None:
        body = cbor.dumps(message)
        self._out.write(len(body).to_bytes(4, "little") + body)
        self._out.flush()

    def answer(self, **message: Any) -> None:
        self.write({"id": self._call, **message})

    def beat(self, doing: str) -> None:
        """Reports that work goes on, now and then. It is cheap: call it often."""
        now = time.monotonic()
        if now - self._told >= PAUSE:
            self._told = now
            self.answer(progress=doing)
