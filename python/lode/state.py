"""Proofs of the chain's state, checked without Go: docs/state-proof.md."""

from __future__ import annotations

import hashlib
import json
import struct
import sys

from lode.errors import Malformed, must

Item = int | bytes | list["Item"]
EMPTY = bytes(32)


def digest(domain: bytes, *parts: bytes) -> bytes:
    """H of docs/state-proof.md."""
    h = hashlib.sha256()
    for part in (b"lode/1 " + domain, *parts):
        h.update(struct.pack("<Q", len(part)) + part)
    return h.digest()


def check(root: bytes, key: bytes, proof: bytes) -> bytes | None:
    """Returns the value that the state with a root has at a key, None if it has none.

    Refuses bytes that prove neither.
    """
    path, leaf, value = _parse(proof)
    if not leaf:
        must(not path and not value and root == EMPTY, Malformed, "no leaf under the root")
        return None
    last = -1
    for bit, _ in path:
        must(bit > last and _bit(key, bit) == _bit(leaf, bit), Malformed, f"bit {bit} is not on the way to the key")
        last = bit
    h = digest(b"state leaf", leaf, value)
    for bit, other in reversed(path):
        left, right = (other, h) if _bit(key, bit) else (h, other)
        h = digest(b"state branch", struct.pack(">H", bit), left, right)
    must(h == root, Malformed, "it leads to another root")
    return value if leaf == key else None


def check_file(text: str) -> tuple[bytes, bytes, bytes | None]:
    """Checks what lode ledger prove wrote: returns root, key and what check says of them.

    The root is the file's word: compare it with one that you know from elsewhere.
    """
    try:
        fields = json.loads(text)
        root, key, proof = (bytes.fromhex(fields[name]) for name in ("root", "key", "proof"))
    except (ValueError, TypeError, KeyError) as e:
        raise Malformed(f"not a proof file: {e}") from e
    must(len(root) == 32 and len(key) > 0, Malformed, "a root or key that is none")
    return root, key, check(root, key, proof)


def _bit(key: bytes, bit: int) -> int:
    """A bit of a key from the highest of its first byte, 0 past its end."""
    at, shift = divmod(bit, 8)
    return key[at] >> (7 - shift) & 1 if at < len(key) else 0


def _parse(proof: bytes) -> tuple[list[tuple[int, bytes]], bytes, bytes]:
    item, end = _item(proof, 0, 3)
    must(end == len(proof), Malformed, "bytes after the proof")
    must(isinstance(item, list) and len(item) == 3, Malformed, "no path, key and value")
    path, key, value = item
    must(isinstance(path, list) and isinstance(key, bytes) and isinstance(value, bytes), Malformed, "no path, key and value")
    for step in path:
        must(isinstance(step, list) and len(step) == 2, Malformed, "a step is no pair")
        must(isinstance(step[0], int) and step[0] < 1 << 16, Malformed, "a step without a bit")
        must(isinstance(step[1], bytes) and len(step[1]) == 32, Malformed, "a step without a digest")
    return [(bit, other) for bit, other in path], key, value


def _item(b: bytes, at: int, depth: int) -> tuple[Item, int]:
    """One item of CBOR at a place, and where the next begins; lists are at most so deep."""
    must(at < len(b), Malformed, "cut off")
    major, n = b[at] >> 5, b[at] & 31
    at += 1
    if n >= 24:
        size = 1 << (n - 24)
        must(n <= 27 and at + size <= len(b), Malformed, "a length that is none, or cut off")
        n, at, short = int.from_bytes(b[at : at + size], "big"), at + size, 24 if size == 1 else 1 << 4 * size
        must(n >= short, Malformed, "a number longer than it must be")
    if major == 0:
        return n, at
    if major == 2:
        must(n <= len(b) - at, Malformed, "cut off")
        return b[at : at + n], at + n
    must(major == 4 and depth > 0 and n <= len(b) - at, Malformed, "neither number, bytes nor list")
    items: list[Item] = []
    for _ in range(n):
        item, at = _item(b, at, depth - 1)
        items.append(item)
    return items, at


def main() -> None:
    """Checks the proof file that the command line names, and prints what it proves."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m lode.state FILE")
    try:
        with open(sys.argv[1], encoding="ascii") as f:
            root, key, value = check_file(f.read())
    except (OSError, ValueError, Malformed) as e:
        sys.exit(f"{sys.argv[1]}: {e}")
    print("root ", root.hex())
    print("key  ", key.hex())
    print("value", "none" if value is None else value.hex())


if __name__ == "__main__":
    main()
