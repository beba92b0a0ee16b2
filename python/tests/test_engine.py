"""The engine's frames and formulas, apart from what the program's own tests ask of it."""

from __future__ import annotations

import io
import os
import random
import sys
import unittest
from unittest import mock

import numpy as np

from lode.engine import cbor, memory, optimizer, serve, wire


class Cbor(unittest.TestCase):
    def test_round_trip(self) -> None:
        for value in (
            None, True, False, 0, 23, 24, 255, 256, 65535, 65536, 2**32, 2**64 - 1, -1, -24, -25, -(2**63), 1.5, float("inf"),
            b"", b"abc" * 100, "", "ä" * 300, [], [1, [2, [3]]], {}, {"a": {"b": [None]}, "c": b"d"},
        ):  # fmt: skip
            self.assertEqual(cbor.loads(cbor.dumps(value)), value)
        self.assertEqual(cbor.loads(bytes.fromhex("f93e00")), 1.5)  # RFC 8949, appendix A
        self.assertEqual(cbor.loads(bytes.fromhex("fa47c35000")), 100000.0)
        self.assertEqual(cbor.dumps({"a": 1, "b": [2, 3]}), bytes.fromhex("a26161016162820203"))

    def test_what_does_not_fit(self) -> None:
        with self.assertRaises(OverflowError):
            cbor.dumps(2**64)
        with self.assertRaises(TypeError):
            cbor.dumps({1, 2})

    def test_junk_is_malformed(self) -> None:
        for bad in ("", "18", "5f4101ff", "c001", "ff", "e0", "9b7fffffffffffffff", "5b7fffffffffffffff00", "61ff", "0000", "a2616100616100", "81" * 40):
            with self.assertRaises(cbor.Malformed, msg=bad):
                cbor.loads(bytes.fromhex(bad))
        rng = random.Random(1)
        good = cbor.dumps({"id": 1, "call": "step", "args": {"batch": b"1234", "list": [1, 2.5, None, "x"]}})
        for _ in range(5000):
            noise = bytearray(good)
            noise[rng.randrange(len(noise))] = rng.randrange(256)
            try:
                cbor.loads(bytes(noise[: rng.randrange(len(noise) + 1)]))
            except cbor.Malformed:
                pass


class Wire(unittest.TestCase):
    def test_calls_and_reports(self) -> None:
        body = cbor.dumps({"id": 7, "call": "x", "args": {}})
        out = io.BytesIO()
        way = wire.Wire(io.BytesIO(len(body).to_bytes(4, "little") + body), out)
        self.assertEqual(way.read()["call"], "x")
        way.beat("too soon")
        way._told -= 2 * wire.PAUSE
        way.beat("later")
        way.answer(result={})
        self.assertIsNone(way.read())
        said, at = [], 0
        while at < len(out.getvalue()):
            n = int.from_bytes(out.getvalue()[at : at + 4], "little")
            said.append(cbor.loads(out.getvalue()[at + 4 : at + 4 + n]))
            at += 4 + n
        self.assertEqual(said, [{"id": 7, "progress": "later"}, {"id": 7, "result": {}}])

    def test_bad_frames(self) -> None:
        with self.assertRaises(cbor.Malformed):
            wire.Wire(io.BytesIO(b"\xff\xff\xff\xff"), io.BytesIO()).read()
        self.assertIsNone(wire.Wire(io.BytesIO(b"\x04\0\0\0abc"), io.BytesIO()).read())


class Serve(unittest.TestCase):
    def test_refusals(self) -> None:
        calls = [("loss", {}), ("open", {"backend": "abacus", "model": {}, "options": {}})]
        frames = b""
        for n, (name, args) in enumerate(calls):
            body = cbor.dumps({"id": n, "call": name, "args": args})
            frames += len(body).to_bytes(4, "little") + body
        out = io.BytesIO()
        serve.serve(wire.Wire(io.BytesIO(frames), out), -1)
        self.assertIn(b"nothing is open", out.getvalue())
        self.assertIn(b"there is no backend 'abacus'", out.getvalue())


    def test_without_torch(self) -> None:
        with mock.patch.dict(sys.modules, {"torch": None}), self.assertRaisesRegex(wire.Refused, "has no torch: install it .* -m pip install torch"):
            serve.open_backend({"backend": "torch", "model": {}, "options": {"ranks": 1}}, lambda _: None)


class Memory(unittest.TestCase):
    def test_places(self) -> None:
        specs = [memory.Spec("a", (2, 3), False, True, True), memory.Spec("b", (4,), True, False, False), memory.Spec("c", (5,), False, False, False)]
        where, length = memory.places(specs)
        self.assertEqual(length, 2 * 15 + 2 * 11)
        self.assertEqual([(p.params, p.grads, p.first, p.second) for p in where], [(0, 15, 30, 41), (6, 21, None, None), (10, 25, 36, 47)])

    def test_length_is_checked(self) -> None:
        read, write = os.pipe()
        try:
            with self.assertRaises(wire.Refused):
                memory.attach(read, 4)
        finally:
            os.close(read)
            os.close(write)


class Optimizer(unittest.TestCase):
    def test_orthogonal(self) -> None:
        rng = np.random.default_rng(1)
        for shape in ((6, 9), (9, 6), (5, 5)):
            x = optimizer.orthogonal(rng.normal(size=shape))
            singular = np.linalg.svd(x, compute_uv=False)
            self.assertTrue(np.all(singular < 1.3) and np.median(singular) > 0.6, singular)
        self.assertFalse(optimizer.orthogonal(np.zeros((3, 4))).any())

    def test_scale(self) -> None:
        h = optimizer.Hyper(1e-3, 0.9, 0.95, 1e-8, 0.1, 2.0, False, 1)
        self.assertEqual((h.scale(4.0), h.scale(2.0), h.scale(0.0)), (0.5, 1.0, 1.0))


if __name__ == "__main__":
    unittest.main()
