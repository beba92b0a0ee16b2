package main

// This file tests proofs as files.

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"lode/protocol"
	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
	"lode/yuma/ledger/tree"
)

var update = flag.Bool("update", false, "write testdata/proof.json anew")

// What lode ledger prove writes never changes: python/tests reads the same file.
func TestGoldenProof(t *testing.T) {
	var state tree.Tree
	for n := range byte(20) {
		state.Put(ask.Key(ask.Accounts, hotOf(n)), string(protocol.Encode(ledger.Account{Nonce: uint64(n), Balance: ledger.Coin})))
	}
	key := ask.Key(ask.Accounts, hotOf(7))
	now := proofText(state.Root(), 9, key, state.Prove(key))
	const file = "testdata/proof.json"
	if *update {
		if err := os.WriteFile(file, now, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(now, want) {
		t.Errorf("the proof differs from %s (%v)", file, err)
	}
	p, err := parseProof(want)
	if err != nil {
		t.Fatal(err)
	}
	if value, there, err := p.proof.Check(state.Root(), []byte(key)); err != nil || !there || len(value) == 0 {
		t.Errorf("%x, %v, %v", value, there, err)
	}
}

func FuzzParseProof(f *testing.F) {
	f.Add([]byte(`{"root":"` + protocol.Digest{1}.String() + `","key":"6e","proof":"8380406161"}`))
	m, err := ledger.New(ledger.DefaultGenesis("fuzz"))
	if err != nil {
		f.Fatal(err)
	}
	root := m.Root()
	b, err := json.Marshal(proofFile{root.String(), "6e", fmt.Sprintf("%x", protocol.Encode(m.Prove("n"))), 0})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseProof(b)
		if err != nil {
			return
		}
		value, there, err := p.proof.Check(p.root, []byte(p.key))
		if err != nil || p.root != root {
			return
		}
		if want := m.Prove(p.key); there != (string(want.Key) == p.key) || there && !bytes.Equal(want.Value, value) {
			t.Fatalf("%x is %x", p.key, value)
		}
	})
}
