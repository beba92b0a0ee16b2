"""Section 9: columns of bytes in zstd frames, and the gap bytes of positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import zstandard

from .errors import Malformed, must

ESCAPE = 255
MAX_LEN = (2**31 - 1) * 1024  # of a frame or of what it holds
MAX_VARINT = 10  # bytes
MAGIC = b"\x28\xb5\x2f\xfd"
MIN_WINDOW = 1 << 10
MAX_WINDOW = 1 << 29
WINDOW_LOG = 20  # of what `pack` writes


class Range(NamedTuple):
    """What the length of a column may be, both ends included."""

    least: int
    most: int


def exactly(n: int) -> Range:
    """The range that holds n alone."""
    return Range(n, n)


@dataclass
class Head:
    """The rest of a column, taken chunk by chunk."""

    column: bytes
    at: int = 0

    def take(self, n: int) -> bytes:
        """The next n bytes, which are there: the column's length was checked."""
        self.at += n
        return self.column[self.at - n : self.at]


def num_escapes(n: int, k: int) -> int:
    """The most escape bytes that k positions among n values take."""
    return (n - k) // ESCAPE


def write_gaps(positions: np.ndarray) -> bytes:
    """The gap bytes of ascending positions."""
    gaps = np.diff(positions.astype(np.int64), prepend=-1) - 1
    return b"".join(bytes([ESCAPE]) * (gap // ESCAPE) + bytes([gap % ESCAPE]) for gap in gaps.tolist())


def read_gaps(head: Head, k: int, n: int) -> np.ndarray:
    """The next k positions, each below n."""
    positions: list[int] = []
    position = 0
    while len(positions) < k:
        must(head.at < len(head.column), Malformed, "gaps end early")
        byte = head.take(1)[0]
        position += byte
        must(position < n, Malformed, f"position {position} of {n}")
        if byte != ESCAPE:
            positions.append(position)
            position += 1
    return np.array(positions, dtype=np.int64)


def max_len(ranges: Sequence[Range]) -> int:
    """A bound on the packed length of columns within the ranges."""
    return sum(MAX_VARINT + (r.most + 64 + r.most // 256 if r.most else 0) for r in ranges)


def pack(columns: Sequence[bytes]) -> bytes:
    """The packed form: the lengths of all frames, then the frames."""
    settings = zstandard.ZstdCompressionParameters.from_level(
        3, window_log=WINDOW_LOG, write_content_size=True, write_checksum=False, write_dict_id=False
    )
    compressor = zstandard.ZstdCompressor(compression_params=settings)
    frames = [compressor.compress(c) if c else b"" for c in columns]
    return b"".join(_varint(len(f)) for f in frames) + b"".join(frames)


def unpack(packed: bytes, ranges: Sequence[Range]) -> list[bytes]:
    """The columns, one within each range. Nothing is inflated before all lengths are known to fit."""
    frames = [Frame.parse(f) for f in _cut(packed, ranges)]
    for frame, r in zip(frames, ranges):
        must(r.least <= frame.size <= r.most, Malformed, f"column of {frame.size} bytes, want {r.least} to {r.most}")
    widest = max([MIN_WINDOW] + [f.size for f in frames])
    for frame in frames:
        must(frame.window <= min(widest, MAX_WINDOW), Malformed, f"window of {frame.window} bytes")
    return [f.inflate() for f in frames]


def _cut(packed: bytes, ranges: Sequence[Range]) -> list[bytes]:
    """The frames, by the lengths that stand before them."""
    must(len(packed) <= max_len(ranges), Malformed, f"{len(packed)} packed bytes, at most {max_len(ranges)}")
    lengths, at = [], 0
    for _ in ranges:
        length, at = _read_varint(packed, at)
        lengths.append(length)
    must(at + sum(lengths) == len(packed), Malformed, f"frames of {sum(lengths)} bytes in {len(packed) - at}")
    frames = []
    for length in lengths:
        frames.append(packed[at : at + length])
        at += length
    return frames


def _varint(n: int) -> bytes:
    """n in groups of seven bits, lowest first, all but the last marked by the eighth."""
    head = bytearray()
    while n >= 0x80:
        head.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(head) + bytes([n])


def _read_varint(b: bytes, at: int) -> tuple[int, int]:
    """The number at b[at:], in its shortest form, and where it ends."""
    value = 0
    for i in range(MAX_VARINT):
        must(at + i < len(b), Malformed, "a length is cut off")
        value |= (b[at + i] & 0x7F) << 7 * i
        if b[at + i] < 0x80:
            must(i == 0 or b[at + i] != 0, Malformed, "a length is not minimal")
            must(value <= MAX_LEN, Malformed, f"a frame of {value} bytes")
            return value, at + i + 1
    raise Malformed("a length does not end")


@dataclass(frozen=True)
class Frame:
    """One zstd frame (RFC 8878, section 3.1.1), and what its header says."""

    content: bytes
    size: int  # of what it holds
    window: int  # how far back it refers

    @staticmethod
    def parse(frame: bytes) -> Frame:
        """Refuses all but a single frame that states its size and ends with its last block."""
        if not frame:
            return Frame(frame, 0, 0)
        must(frame[:4] == MAGIC and len(frame) > 4, Malformed, "no zstd frame")
        descriptor, at = frame[4], 5
        must(descriptor & 0x08 == 0, Malformed, "the reserved bit of a frame header is set")
        single, checksum = descriptor & 0x20 != 0, descriptor & 0x04 != 0
        window = 0
        if not single:
            byte, at = _little(frame, at, 1)
            window = (1 << 10 + (byte >> 3)) // 8 * (8 + (byte & 7))
        dictionary, at = _little(frame, at, (0, 1, 2, 4)[descriptor & 3])
        must(dictionary == 0, Malformed, "a frame needs a dictionary")
        width = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
        size, at = _little(frame, at, width)
        size += 256 if width == 2 else 0
        must(0 < size <= MAX_LEN, Malformed, f"a frame says {size} bytes")
        end = _after_blocks(frame, at)
        must(len(frame) - end == (4 if checksum else 0), Malformed, "bytes after the last block")
        return Frame(frame, size, size if single else window)

    def inflate(self) -> bytes:
        """What the frame holds."""
        if not self.content:
            return b""
        try:
            content = zstandard.ZstdDecompressor().decompress(self.content, max_output_size=self.size)
        except zstandard.ZstdError as err:
            raise Malformed(f"a frame does not inflate: {err}") from err
        must(len(content) == self.size, Malformed, f"{len(content)} bytes, the frame says {self.size}")
        return content


def _little(b: bytes, at: int, width: int) -> tuple[int, int]:
    """The little-endian number of width bytes at b[at:], and where it ends."""
    must(at + width <= len(b), Malformed, "a frame header is cut off")
    return int.from_bytes(b[at : at + width], "little"), at + width


def _after_blocks(frame: bytes, at: int) -> int:
    """Where the last block ends."""
    last = 0
    while not last:
        head, at = _little(frame, at, 3)
        last, kind, size = head & 1, head >> 1 & 3, head >> 3
        must(kind != 3, Malformed, "a block of the reserved type")
        at += 1 if kind == 1 else size
        must(at <= len(frame), Malformed, "a frame ends inside a block")
    return at
