"""CBOR (RFC 8949) as far as frames need it: no tags, no indefinite lengths."""

from __future__ import annotations

import struct
from typing import Any

MAX_DEPTH = 16


class Malformed(ValueError):
    """Bytes that are no value of the kinds that frames hold."""


def dumps(value: Any) -> bytes:
    """Returns the encoding of None, bool, int, float, bytes, str, list, tuple or dict."""
    out = bytearray()
    _encode(value, out)
    return bytes(out)


def loads(data: bytes) -> Any:
    """Returns the one value that data holds."""
    value, end = _decode(memoryview(data), 0, 0)
    if end != len(data):
        raise Malformed(f"{len(data) - end} bytes follow the value")
    return value


def _head(major: int, n: int, out: bytearray) -> None:
    if n < 24:
        out.append(major << 5 | n)
        return
    for code, size, form in ((24, 1, ">B"), (25, 2, ">H"), (26, 4, ">I"), (27, 8, ">Q")):
        if n < 1 << 8 * size:
            out.append(major << 5 | code)
            out += struct.pack(form, n)
            return
    raise OverflowError(f"{n} does not fit 64 bits")


def _encode(value: Any, out: bytearray) -> None:
    if value is None or isinstance(value, bool):
        out.append({False: 0xF4, True: 0xF5, None: 0xF6}[value])
    elif isinstance(value, int):
        _head(*((0, value) if value >= 0 else (1, -1 - value)), out)
    elif isinstance(value, float):
        out.append(0xFB)
        out += struct.pack(">d", value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _head(2, len(value), out)
        out += value
    elif isinstance(value, str):
        text = value.encode()
        _head(3, len(text), out)
        out += text
    elif isinstance(value, (list, tuple)):
        _head(4, len(value), out)
        for item in value:
            _encode(item, out)
    elif isinstance(value, dict):
        _head(5, len(value), out)
        for key, item in value.items():
            _encode(key, out)
            _encode(item, out)
    else:
        raise TypeError(f"frames hold no {type(value).__name__}")


_SIMPLE = {20: False, 21: True, 22: None}
_FLOATS = {25: (2, ">e"), 26: (4, ">f"), 27: (8, ">d")}


def _decode(data: memoryview, at: int, depth: int) -> tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise Malformed("values lie too deep in each other")
    if at >= len(data):
        raise Malformed("it ends too early")
    major, low = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        return _simple(data, at, low)
    n, at = _length(data, at, low)
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major in (2, 3):
        if n > len(data) - at:
            raise Malformed("it ends too early")
        raw = data[at : at + n].tobytes()
        return (raw if major == 2 else _text(raw)), at + n
    if major == 4:
        return _list(data, at, n, depth)
    if major == 5:
        return _dict(data, at, n, depth)
    raise Malformed("tags are not used")


def _simple(data: memoryview, at: int, low: int) -> tuple[Any, int]:
    if low in _SIMPLE:
        return _SIMPLE[low], at
    if low not in _FLOATS:
        raise Malformed(f"there is no simple value {low}")
    size, form = _FLOATS[low]
    if size > len(data) - at:
        raise Malformed("it ends too early")
    return struct.unpack(form, data[at : at + size])[0], at + size


def _length(data: memoryview, at: int, low: int) -> tuple[int, int]:
    if low < 24:
        return low, at
    if low > 27:
        raise Malformed("lengths are always told")
    size = 1 << (low - 24)
    if size > len(data) - at:
        raise Malformed("it ends too early")
    return int.from_bytes(data[at : at + size], "big"), at + size


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed("text is not UTF-8") from None


def _list(data: memoryview, at: int, n: int, depth: int) -> tuple[list[Any], int]:
    out = []
    for _ in range(n):  # every item takes a byte, so a false number ends soon
        item, at = _decode(data, at, depth + 1)
        out.append(item)
    return out, at


def _dict(data: memoryview, at: int, n: int, depth: int) -> tuple[dict[Any, Any], int]:
    out: dict[Any, Any] = {}
    for _ in range(n):
        key, at = _decode(data, at, depth + 1)
        if not isinstance(key, (str, int)) or key in out:
            raise Malformed("a key that is no text or number, or is there twice")
        out[key], at = _decode(data, at, depth + 1)
    return out, at
