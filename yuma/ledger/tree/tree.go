package tree

// This file holds the map.

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"strings"

	"lode/protocol"
)

// MaxKeyLen is the longest key in bytes: a branch names a bit by 16 bits.
const MaxKeyLen = 1 << 13

// Tree is the map. The zero Tree is empty and ready.
type Tree struct {
	top  node // nil if empty
	size int
}

// node is a *leaf or a *branch.
type node interface{ digest() protocol.Digest }

type leaf struct{ key, value string }

type branch struct {
	hash  protocol.Digest // meaningless while stale
	child [2]node         // by bit
	bit   uint16          // counted from the highest of the first byte
	stale bool
}

func (l *leaf) digest() protocol.Digest { return hashLeaf([]byte(l.key), []byte(l.value)) }

func (b *branch) digest() protocol.Digest {
	if b.stale {
		b.hash = hashBranch(b.bit, b.child[0].digest(), b.child[1].digest())
		b.stale = false
	}
	return b.hash
}

func hashLeaf(key, value []byte) protocol.Digest { return protocol.Hash("state leaf", key, value) }

func hashBranch(bit uint16, left, right protocol.Digest) protocol.Digest {
	return protocol.Hash("state branch", binary.BigEndian.AppendUint16(nil, bit), left[:], right[:])
}

// bitOf returns a bit of a key, 0 past its end.
func bitOf[K string | []byte](key K, bit uint16) int {
	if at := int(bit / 8); at < len(key) {
		return int(key[at]>>(7-bit%8)) & 1
	}
	return 0
}

// Len returns the number of keys.
func (t *Tree) Len() int { return t.size }

// Root returns the digest of all pairs, zero if there are none.
func (t *Tree) Root() protocol.Digest {
	if t.top == nil {
		return protocol.Digest{}
	}
	return t.top.digest()
}

// Get returns the value of a key.
func (t *Tree) Get(key string) (value string, ok bool) {
	if l := t.nearest(key); l != nil && l.key == key {
		return l.value, true
	}
	return "", false
}

// nearest returns the leaf that the bits of key lead to: its own, if it has one; nil
// in an empty tree.
func (t *Tree) nearest(key string) *leaf {
	at := t.top
	for {
		switch n := at.(type) {
		case *branch:
			at = n.child[bitOf(key, n.bit)]
		case *leaf:
			return n
		default:
			return nil
		}
	}
}

// Put gives a key a value. The key must neither begin another nor have another at
// its beginning, nor be empty or longer than [MaxKeyLen].
func (t *Tree) Put(key, value string) {
	if key == "" || len(key) > MaxKeyLen {
		panic("tree: a key is empty or too long")
	}
	l := t.nearest(key)
	if l == nil {
		t.top, t.size = &leaf{key, value}, 1
		return
	}
	if l.key == key {
		*t.slot(key, 8*MaxKeyLen) = &leaf{key, value}
		return
	}
	bit := difference(key, l.key)
	slot := t.slot(key, int(bit))
	b := &branch{bit: bit, stale: true}
	side := bitOf(key, bit)
	b.child[side], b.child[1-side] = &leaf{key, value}, *slot
	*slot = b
	t.size++
}

// slot returns where the bits of key before the given one lead; all branches on the
// way become stale.
func (t *Tree) slot(key string, before int) *node {
	at := &t.top
	for {
		b, ok := (*at).(*branch)
		if !ok || int(b.bit) >= before {
			return at
		}
		b.stale = true
		at = &b.child[bitOf(key, b.bit)]
	}
}

// difference returns the first bit in which two keys differ.
func difference(a, b string) uint16 {
	for i := range min(len(a), len(b)) {
		if x := a[i] ^ b[i]; x != 0 {
			return uint16(8*i + bits.LeadingZeros8(x))
		}
	}
	panic("tree: a key begins with another")
}

// Delete takes a key out and reports whether it was there.
func (t *Tree) Delete(key string) bool {
	if _, ok := t.Get(key); !ok {
		return false
	}
	t.size--
	at, above := &t.top, (*node)(nil)
	for {
		b, ok := (*at).(*branch)
		if !ok {
			break
		}
		b.stale = true
		above, at = at, &b.child[bitOf(key, b.bit)]
	}
	if above == nil {
		t.top = nil
		return true
	}
	b := (*above).(*branch)
	*above = b.child[1-bitOf(key, b.bit)]
	return true
}

// Ascend yields all pairs whose key has the prefix, in ascending order.
func (t *Tree) Ascend(prefix string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		at := t.top
		for {
			b, ok := at.(*branch)
			if !ok || int(b.bit) >= 8*len(prefix) {
				break
			}
			at = b.child[bitOf(prefix, b.bit)]
		}
		// All below at share the bits up to its own, so one speaks for all.
		if at != nil && strings.HasPrefix(first(at).key, prefix) {
			ascend(at, yield)
		}
	}
}

func first(at node) *leaf {
	for {
		b, ok := at.(*branch)
		if !ok {
			return at.(*leaf)
		}
		at = b.child[0]
	}
}

func ascend(at node, yield func(string, string) bool) bool {
	if l, ok := at.(*leaf); ok {
		return yield(l.key, l.value)
	}
	b := at.(*branch)
	return ascend(b.child[0], yield) && ascend(b.child[1], yield)
}
