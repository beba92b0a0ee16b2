"""Updates against the vectors that package gradient makes, and alone."""

from __future__ import annotations

import random
import unittest

import numpy as np
import vectors
from lode import column, update
from lode.update import UNCLIPPED, Layout, Malformed, NotFinite, Params, Refused, Tensor, clip_to

UPDATES = vectors.read("gradient/testdata/vectors/updates.json")
REFUSALS = vectors.read("gradient/testdata/vectors/refusals.json")


class Vectors(unittest.TestCase):
    def test_there_are_some(self) -> None:
        self.assertGreater(len(UPDATES), 30)
        self.assertGreater(len(REFUSALS), 60)

    def test_encoding(self) -> None:
        for v in UPDATES:
            with self.subTest(v["name"]):
                u = update.encode(vectors.layout_of(v), vectors.params_of(v), vectors.floats(v["values"]))
                self.assertEqual(u.plain.hex(), v["plain"])

    def test_reading(self) -> None:
        for v in UPDATES:
            layout, params = vectors.layout_of(v), vectors.params_of(v)
            with self.subTest(v["name"]):
                u = update.parse_plain(layout, params, bytes.fromhex(v["plain"]))
                self.assertEqual(u.digest().hex(), v["digest"])
                self.assertEqual(u.norm_squared(), int(v["norm"], 16))
                self.assertEqual(vectors.text(u.values()), v["decoded"])
                residual = u.residual(vectors.floats(v["values"]), v["clip"])
                self.assertEqual(vectors.text(residual), v["residual"])

    def test_wire(self) -> None:
        for v in UPDATES:
            layout, params = vectors.layout_of(v), vectors.params_of(v)
            with self.subTest(v["name"]):
                for wire in map(bytes.fromhex, v["wires"]):
                    u = update.parse_wire(layout, params, wire)
                    self.assertEqual(u.plain.hex(), v["plain"])
                    self.assertLessEqual(len(u.wire()), update.max_wire_len(layout, params))
                    self.assertEqual(update.parse_wire(layout, params, u.wire()), u)

    def test_refusals(self) -> None:
        for v in REFUSALS:
            parse = {"plain": update.parse_plain, "wire": update.parse_wire}[v["form"]]
            with self.subTest(v["form"] + ", " + v["name"]):
                with self.assertRaises(Refused) as caught:
                    parse(vectors.layout_of(v), vectors.params_of(v), bytes.fromhex(v["bytes"]))
                self.assertEqual(vectors.refusal_of(caught.exception), v["refusal"], caught.exception)


class Update(unittest.TestCase):
    layout = Layout((Tensor("w", (2, 300)), Tensor("b", (7,))))
    params = Params("topk", bits=2, e_min=-40, e_max=-4, k=64)

    def test_what_is_not_finite_is_refused(self) -> None:
        for bad in (np.nan, np.inf, -np.inf):
            values = np.zeros(607, dtype=np.float32)
            values[600] = bad
            with self.assertRaises(NotFinite):
                update.encode(self.layout, self.params, values)

    def test_wrong_number_of_values(self) -> None:
        with self.assertRaises(ValueError):
            update.encode(self.layout, self.params, np.zeros(606, dtype=np.float32))

    def test_any_bytes_are_parsed_or_refused(self) -> None:
        chance = random.Random(1)
        values = np.array([chance.gauss(0, 1e-4) for _ in range(607)], dtype=np.float32)
        wire = update.encode(self.layout, self.params, values).wire()
        for _ in range(3000):
            b = bytearray(wire[: chance.randrange(len(wire) + 1)] if chance.random() < 0.1 else wire)
            for _ in range(chance.randrange(3)):
                if b:
                    b[chance.randrange(len(b))] = chance.randrange(256)
            try:
                u = update.parse_wire(self.layout, self.params, bytes(b))
            except Refused:
                continue
            self.assertEqual(update.parse_plain(self.layout, self.params, u.plain), u)

    def test_a_declared_size_is_not_believed(self) -> None:
        huge = b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + b"\x01\x00\x00"
        with self.assertRaisesRegex(Malformed, "column of 1099511627776 bytes"):
            column.unpack(bytes([len(huge)]) + huge, [column.Range(0, 1 << 20)])

    def test_clip_factor_is_the_floor(self) -> None:
        chance = random.Random(2)
        for _ in range(2000):
            norm, reference = (chance.getrandbits(chance.randrange(1, 129)) for _ in range(2))
            f = clip_to(norm, reference)
            if norm <= reference:
                self.assertEqual(f, UNCLIPPED)
                continue
            self.assertLessEqual(f * f * norm, reference << 64)
            self.assertGreater((f + 1) ** 2 * norm, reference << 64)

    def test_invalid_settings(self) -> None:
        good = dict(codec="topk", bits=2, e_min=-40, e_max=-4, k=64)
        Params(**good)
        for change in (
            {"codec": "nothing"}, {"bits": 0}, {"bits": 5}, {"k": 0}, {"k": 4097}, {"k_embed": -1}, {"k_embed": 4097},
            {"e_min": -101}, {"e_max": 65, "e_min": 60}, {"e_min": -3}, {"e_max": -3}, {"codec": "dct", "e_max": -37},
            {"codec": "sign", "bits": 1}, {"codec": "dense", "bits": 9, "k": 0}, {"codec": "sign", "bits": 2, "k": 0},
        ):  # fmt: skip
            with self.subTest(change), self.assertRaises(ValueError):
                Params(**{**good, **change})

    def test_invalid_layouts(self) -> None:
        for make in (
            lambda: Tensor("", (1,)), lambda: Tensor("n" * 257, (1,)), lambda: Tensor("w", ()),
            lambda: Tensor("w", (1,) * 9), lambda: Tensor("w", (0,)), lambda: Tensor("w", (1 << 31,)),
            lambda: Tensor("w", (1 << 21, 1 << 21)), lambda: Layout((Tensor("w", (1,)),) * 2),
            lambda: Layout((Tensor("v", (1 << 20, 1 << 20)), Tensor("w", (1,)))),
        ):  # fmt: skip
            with self.assertRaises(ValueError):
                make()


if __name__ == "__main__":
    unittest.main()
