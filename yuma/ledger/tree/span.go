package tree

// This file holds what is shown of many keys at once: all pairs of a span.

import (
	"encoding/binary"
	"fmt"
	"strings"

	"lode/protocol"
)

// Span shows all pairs whose keys begin with a prefix, from one key on and below
// another: that these are there, and that no others are. It is the tree with all
// subtrees that lie outside replaced by their digests.
type Span struct {
	_ struct{} `cbor:",toarray"`
	// To is the first key that is not shown any more; empty if all are to the end
	// of the prefix.
	To []byte
	// Shape is what is left of the tree, a node before those below it, the left one
	// first: two bytes are a branch's bit, big-endian, 32 bytes the digest of what
	// is left out, none the next of Pairs.
	Shape [][]byte
	Pairs []Pair // ascending; a few may lie outside, to show where the span would be
}

// Pair is a key and its value.
type Pair struct {
	_     struct{} `cbor:",toarray"`
	Key   []byte
	Value []byte
}

// MaxSpan is the most pairs that [Tree.ProveSpan] shows at once: with the branches
// above them and what was left out on both sides they fit the lists of package
// protocol, whatever the keys.
const MaxSpan = 512

// ProveSpan shows the pairs whose keys begin with a prefix and are not below from:
// the first most of them, at most [MaxSpan], and only the first if keys and values
// have more than mostBytes together.
func (t *Tree) ProveSpan(prefix, from string, most, mostBytes int) (p Span) {
	t.Root()
	if t.top == nil {
		return p
	}
	most = min(max(most, 1), MaxSpan)
	num, size := 0, 0
	s := spanOf(prefix, from, "")
	s.each(t.top, func(l *leaf) bool {
		num, size = num+1, size+len(l.key)+len(l.value)
		if num > most || num > 1 && size > mostBytes {
			p.To = []byte(l.key)
		}
		return p.To == nil
	})
	p.show(t.top, spanOf(prefix, from, string(p.To)))
	return p
}

// show appends what is left of a node, and at least one leaf of it, which tells
// where the node stands.
func (p *Span) show(at node, s span) {
	b, ok := at.(*branch)
	if !ok {
		l := at.(*leaf)
		p.Shape = append(p.Shape, nil)
		p.Pairs = append(p.Pairs, Pair{Key: []byte(l.key), Value: []byte(l.value)})
		return
	}
	p.Shape = append(p.Shape, binary.BigEndian.AppendUint16(nil, b.bit))
	key := first(b).key
	out := [2]bool{s.misses(key, b.bit, 0), s.misses(key, b.bit, 1)}
	if out[0] && out[1] {
		out[0] = false
	}
	for side, c := range b.child {
		if out[side] {
			d := c.digest()
			p.Shape = append(p.Shape, d[:])
			continue
		}
		p.show(c, s)
	}
}

// Check returns the pairs of the tree with the given root whose keys begin with a
// prefix and are not below from: all of them up to p.To. It refuses what does not
// show that.
func (p Span) Check(root protocol.Digest, prefix, from string) ([]Pair, error) {
	r := reader{shape: p.Shape, pairs: p.Pairs, span: spanOf(prefix, from, string(p.To))}
	var h protocol.Digest
	if len(r.shape) > 0 {
		var err error
		var key []byte
		if h, key, err = r.node(); err != nil {
			return nil, fmt.Errorf("tree: span: %w: %w", err, ErrProof)
		}
		if key == nil {
			return nil, fmt.Errorf("tree: span without a leaf: %w", ErrProof)
		}
	}
	if len(r.shape) > 0 || len(r.pairs) > 0 || h != root {
		return nil, fmt.Errorf("tree: span leads to root %s, not %s: %w", h.Short(), root.Short(), ErrProof)
	}
	var in []Pair
	for _, pair := range p.Pairs {
		if r.span.has(string(pair.Key)) {
			in = append(in, pair)
		}
	}
	return in, nil
}

// reader goes through a shape. What it finds is of the tree if the digest is in the
// end, so it only has to see that nothing of the span was left out.
type reader struct {
	shape [][]byte
	pairs []Pair
	span  span
}

// node reads a node and returns its digest and the key of a leaf below it, nil if it
// was left out.
func (r *reader) node() (h protocol.Digest, key []byte, err error) {
	if len(r.shape) == 0 {
		return h, nil, fmt.Errorf("cut off")
	}
	token := r.shape[0]
	r.shape = r.shape[1:]
	switch len(token) {
	case 0:
		if len(r.pairs) == 0 || len(r.pairs[0].Key) == 0 {
			return h, nil, fmt.Errorf("a leaf without a key")
		}
		pair := r.pairs[0]
		r.pairs = r.pairs[1:]
		return hashLeaf(pair.Key, pair.Value), pair.Key, nil
	case len(h):
		return protocol.Digest(token), nil, nil
	case 2:
		return r.branch(binary.BigEndian.Uint16(token))
	}
	return h, nil, fmt.Errorf("a node of %d bytes", len(token))
}

func (r *reader) branch(bit uint16) (h protocol.Digest, key []byte, err error) {
	var below [2]protocol.Digest
	var keys [2][]byte
	for side := range below {
		if below[side], keys[side], err = r.node(); err != nil {
			return h, nil, err
		}
	}
	if key = keys[0]; key == nil {
		key = keys[1]
	}
	if int(bit/8) >= len(key) {
		return h, nil, fmt.Errorf("a branch at bit %d that no key has", bit)
	}
	for side, k := range keys {
		if k == nil && !r.span.misses(string(key), bit, side) {
			return h, nil, fmt.Errorf("what was left out at bit %d may belong to it", bit)
		}
	}
	return hashBranch(bit, below[0], below[1]), key, nil
}

// span is all keys from low on and below high, which is empty where there is no end.
type span struct{ low, high string }

func spanOf(prefix, from, to string) span {
	s := span{max(prefix, from), after(prefix)}
	if to != "" && (s.high == "" || to < s.high) {
		s.high = to
	}
	return s
}

// after returns the first key beyond all that begin with a prefix, empty if there is
// none.
func after(prefix string) string {
	for n := len(prefix) - 1; n >= 0; n-- {
		if prefix[n] < 0xff {
			return prefix[:n] + string([]byte{prefix[n] + 1})
		}
	}
	return ""
}

func (s span) has(key string) bool { return key >= s.low && (s.high == "" || key < s.high) }

// misses reports whether the span surely has no key with the bits that this key has
// before the given one, and side for that.
func (s span) misses(key string, bit uint16, side int) bool {
	n := int(bit/8) + 1
	rest := byte(0xff) >> (bit % 8) // of the last byte, from the bit on
	least := []byte(key[:n])
	least[n-1] = least[n-1]&^rest | byte(side)*(rest-rest>>1)
	most := string(least[:n-1]) + string([]byte{least[n-1] | rest>>1})
	return s.high != "" && string(least) >= s.high || most < s.low && !strings.HasPrefix(s.low, most)
}

// each visits the leaves of a node that lie in the span, in order, until visit
// returns false.
func (s span) each(at node, visit func(*leaf) bool) bool {
	b, ok := at.(*branch)
	if !ok {
		l := at.(*leaf)
		return !s.has(l.key) || visit(l)
	}
	key := first(b).key
	for side, c := range b.child {
		if !s.misses(key, b.bit, side) && !s.each(c, visit) {
			return false
		}
	}
	return true
}
