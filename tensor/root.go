package tensor

// This file holds the Merkle tree over a model's chunks.
//
// Shape of the tree: RFC 6962 section 2.1 (certificate transparency) with
// SHA-256: a leaf is H(0x00 ‖ leaf), a node H(0x01 ‖ left ‖ right), the left
// subtree holds the largest power of two of leaves smaller than the whole. The
// leaf of a chunk is its tensor's name, its index and its values as IEEE 754
// little-endian bytes.

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// Root returns the Merkle root over all chunks of l as read from src. It reads
// each chunk once, in order, and keeps one chunk and log2(chunks) digests.
func Root(l Layout, src Reader) ([32]byte, error) {
	var tree Tree
	vals := make([]float32, ChunkLen)
	leaf := make([]byte, 0, MaxNameLen+16+4*ChunkLen)
	for c := range l.Chunks() {
		if err := src.ReadChunk(c, vals[:c.Len]); err != nil {
			return [32]byte{}, err
		}
		leaf = AppendLeaf(leaf[:0], l.specs[c.Tensor].Name, c.Index, vals[:c.Len])
		tree.Add(leaf)
	}
	return tree.Root(), nil
}

// AppendLeaf appends the bytes that stand for one chunk in the tree: the length
// of the name (uint16), the name, the chunk's index (uint64) and the values, all
// little-endian.
func AppendLeaf(dst []byte, name string, index int, vals []float32) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(name)))
	dst = append(dst, name...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(index))
	for _, v := range vals {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}

// Tree builds an RFC 6962 Merkle root from leaves that arrive in order. The zero
// Tree is empty and ready; its root is the hash of nothing.
type Tree struct {
	peaks []peak // roots of perfect subtrees, sizes strictly descending
}

type peak struct {
	size int
	hash [32]byte
}

// Add appends one leaf.
func (t *Tree) Add(leaf []byte) {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(leaf)
	var hash [32]byte
	h.Sum(hash[:0])
	t.AddHash(hash)
}

// AddHash appends a leaf whose hash somebody else computed: H(0x00 ‖ leaf).
func (t *Tree) AddHash(hash [32]byte) {
	p := peak{size: 1, hash: hash}
	for len(t.peaks) > 0 && t.peaks[len(t.peaks)-1].size == p.size {
		last := t.peaks[len(t.peaks)-1]
		t.peaks = t.peaks[:len(t.peaks)-1]
		p = peak{size: 2 * p.size, hash: join(last.hash, p.hash)}
	}
	t.peaks = append(t.peaks, p)
}

// Root returns the root of the leaves added so far; more may be added after.
func (t *Tree) Root() [32]byte {
	if len(t.peaks) == 0 {
		return sha256.Sum256(nil)
	}
	h := t.peaks[len(t.peaks)-1].hash
	for i := len(t.peaks) - 2; i >= 0; i-- {
		h = join(t.peaks[i].hash, h)
	}
	return h
}

func join(a, b [32]byte) [32]byte {
	var buf [65]byte
	buf[0] = 1
	copy(buf[1:], a[:])
	copy(buf[33:], b[:])
	return sha256.Sum256(buf[:])
}
