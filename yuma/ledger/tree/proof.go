package tree

// This file holds what is shown to who knows the root alone.

import (
	"errors"
	"fmt"

	"lode/protocol"
)

// ErrProof is wrapped by every error of [Proof.Check].
var ErrProof = errors.New("not a proof")

// Proof shows that a key has a value or has none: it is the way from the root to
// the only leaf where the key could be.
type Proof struct {
	_    struct{} `cbor:",toarray"`
	Path []Step   // from the root down
	Key  []byte   // of that leaf; empty in an empty tree
	// Value is that of the leaf.
	Value []byte
}

// Step is one branch on the way.
type Step struct {
	_     struct{} `cbor:",toarray"`
	Bit   uint16
	Other protocol.Digest // of the side that the way does not take
}

// Prove shows what the tree says of a key. It brings the root up to date.
func (t *Tree) Prove(key string) Proof {
	t.Root()
	var p Proof
	at := t.top
	for {
		switch n := at.(type) {
		case *branch:
			side := bitOf(key, n.bit)
			p.Path = append(p.Path, Step{Bit: n.bit, Other: n.child[1-side].digest()})
			at = n.child[side]
			continue
		case *leaf:
			p.Key, p.Value = []byte(n.key), []byte(n.value)
		}
		return p
	}
}

// Check returns the value that the tree with the given root has for the key; ok is
// false if it has none. It refuses a proof that does not lead to the root, or is one
// of another key.
func (p Proof) Check(root protocol.Digest, key []byte) (value []byte, ok bool, err error) {
	if len(p.Key) == 0 {
		if len(p.Path) > 0 || len(p.Value) > 0 || root != (protocol.Digest{}) {
			return nil, false, fmt.Errorf("tree: no leaf under root %s: %w", root.Short(), ErrProof)
		}
		return nil, false, nil
	}
	last := -1
	for _, s := range p.Path {
		if int(s.Bit) <= last || bitOf(key, s.Bit) != bitOf(p.Key, s.Bit) {
			return nil, false, fmt.Errorf("tree: bit %d is not on the way to the key: %w", s.Bit, ErrProof)
		}
		last = int(s.Bit)
	}
	h := hashLeaf(p.Key, p.Value)
	for i := len(p.Path) - 1; i >= 0; i-- {
		s := p.Path[i]
		if bitOf(key, s.Bit) == 0 {
			h = hashBranch(s.Bit, h, s.Other)
		} else {
			h = hashBranch(s.Bit, s.Other, h)
		}
	}
	if h != root {
		return nil, false, fmt.Errorf("tree: it leads to root %s, not %s: %w", h.Short(), root.Short(), ErrProof)
	}
	if string(p.Key) != string(key) {
		return nil, false, nil
	}
	return p.Value, true, nil
}
