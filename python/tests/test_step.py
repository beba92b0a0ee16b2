"""Merged steps against the vectors that package aggregation makes."""

from __future__ import annotations

import unittest
from typing import Any

import vectors
from lode import step
from lode.errors import Refused

STEPS = vectors.read("aggregation/testdata/vectors/steps.json")
REFUSALS = vectors.read("aggregation/testdata/vectors/refusals.json")


def rules_of(vector: dict[str, Any]) -> step.Rules:
    """The rules of a vector."""
    return step.Rules(**vector["rules"])


class Vectors(unittest.TestCase):
    def test_there_are_some(self) -> None:
        self.assertGreater(len(STEPS), 20)
        self.assertGreater(len(REFUSALS), 20)

    def test_reading(self) -> None:
        for v in STEPS:
            layout, rules = vectors.layout_of(v), rules_of(v)
            with self.subTest(v["name"]):
                s = step.parse_plain(layout, rules, bytes.fromhex(v["plain"]))
                self.assertEqual(step.parse_wire(layout, rules, bytes.fromhex(v["wire"])), s)
                self.assertEqual(s.digest().hex(), v["digest"])

    def test_applying(self) -> None:
        for v in STEPS:
            with self.subTest(v["name"]):
                s = step.parse_plain(vectors.layout_of(v), rules_of(v), bytes.fromhex(v["plain"]))
                self.assertEqual(vectors.text(s.apply(vectors.floats(v["before"]))), v["after"])

    def test_refusals(self) -> None:
        for v in REFUSALS:
            parse = {"plain": step.parse_plain, "wire": step.parse_wire}[v["form"]]
            with self.subTest(v["form"] + ", " + v["name"]):
                with self.assertRaises(Refused) as caught:
                    parse(vectors.layout_of(v), rules_of(v), bytes.fromhex(v["bytes"]))
                self.assertEqual(vectors.refusal_of(caught.exception), v["refusal"], caught.exception)

    def test_invalid_rules(self) -> None:
        for rules in ({"bits": 1}, {"bits": 25}, {"unit": -1}, {"unit": 61}, {"e_max": 65}, {"e_max": -41}):
            with self.subTest(rules), self.assertRaises(ValueError):
                step.Rules(**rules)


if __name__ == "__main__":
    unittest.main()
