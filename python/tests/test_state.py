"""Proofs of the chain's state against those that package tree makes."""

from __future__ import annotations

import unittest

import vectors
from lode import state
from lode.errors import Malformed

PROOFS = vectors.read("yuma/ledger/tree/testdata/proofs.json")


class Vectors(unittest.TestCase):
    def test_there_are_some(self) -> None:
        self.assertGreater(len(PROOFS), 15)

    def test_checking(self) -> None:
        for v in PROOFS:
            root, key, proof = (bytes.fromhex(v[name]) for name in ("Root", "Key", "Proof"))
            value = state.check(root, key, proof)
            self.assertEqual(value is not None, v["Present"])
            self.assertEqual((value or b"").hex(), v["Value"])

    def test_changed_bytes_prove_nothing(self) -> None:
        for v in PROOFS:
            root, key, proof = (bytes.fromhex(v[name]) for name in ("Root", "Key", "Proof"))
            for i in range(len(proof)):
                for bad in (proof[:i] + bytes([proof[i] ^ 1]) + proof[i + 1 :], proof[:i]):
                    with self.assertRaises(Malformed):
                        state.check(root, key, bad)
            with self.assertRaises(Malformed):
                state.check(root, key, proof + b"\0")


class Files(unittest.TestCase):
    def test_what_lode_ledger_prove_writes(self) -> None:
        text = (vectors.ROOT / "cmd/lode/testdata/proof.json").read_text()
        root, key, value = state.check_file(text)
        self.assertEqual(key[:1], b"a")
        self.assertIsNotNone(value)
        self.assertEqual(len(root), 32)
        for bad in (text[:-5], "{}", "[]", "", text.replace(root.hex(), "00" * 32), text.replace(root.hex(), "00"), text.replace(key.hex(), "6e")):
            with self.assertRaises(Malformed):
                state.check_file(bad)


if __name__ == "__main__":
    unittest.main()
