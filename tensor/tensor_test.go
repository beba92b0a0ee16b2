package tensor

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

func testLayout(t testing.TB, lens ...int) Layout {
	t.Helper()
	var specs []Spec
	for i, n := range lens {
		specs = append(specs, Spec{Name: fmt.Sprintf("t%d", i), Shape: []int{n}})
	}
	l, err := NewLayout(specs...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestNewLayoutRefuses(t *testing.T) {
	ok := Spec{Name: "a", Shape: []int{2, 3}}
	for name, specs := range map[string][]Spec{
		"listed twice":    {ok, ok},
		"must have 1 to":  {{Name: "", Shape: []int{1}}},
		"have 1 to 256":   {{Name: strings.Repeat("x", MaxNameLen+1), Shape: []int{1}}},
		"0 dimensions":    {{Name: "a"}},
		"9 dimensions":    {{Name: "a", Shape: make([]int, 9)}},
		"out of range":    {{Name: "a", Shape: []int{3, 0}}},
		"[-1], out":       {{Name: "a", Shape: []int{-1}}},
		"[2147483647 214": {{Name: "a", Shape: []int{math.MaxInt32, math.MaxInt32}}},
		"more than":       {{Name: "a", Shape: []int{1 << 20, 1 << 20}}, {Name: "b", Shape: []int{1}}},
		"at most 65536":   make([]Spec, MaxTensors+1),
	} {
		if _, err := NewLayout(specs...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
}

// Chunks cover every value once, in order, and never cross a tensor.
func TestChunksCoverTheLayout(t *testing.T) {
	for _, lens := range [][]int{nil, {1}, {ChunkLen}, {ChunkLen + 1, 1, 2*ChunkLen - 1}, {5, 3 * ChunkLen}} {
		l := testLayout(t, lens...)
		next, num := 0, 0
		for c := range l.Chunks() {
			if c.Offset != next || c.Len < 1 || c.Len > ChunkLen {
				t.Fatalf("%v: chunk %+v begins elsewhere than %d", lens, c, next)
			}
			if end := l.Offset(c.Tensor) + l.Spec(c.Tensor).Len(); c.Offset < l.Offset(c.Tensor) || c.Offset+c.Len > end {
				t.Fatalf("%v: chunk %+v crosses its tensor", lens, c)
			}
			if c.Offset != l.Offset(c.Tensor)+c.Index*ChunkLen {
				t.Fatalf("%v: chunk %+v has a wrong index", lens, c)
			}
			next += c.Len
			num++
		}
		if next != l.Len() || num != l.NumChunks() {
			t.Fatalf("%v: %d values in %d chunks, want %d in %d", lens, next, num, l.Len(), l.NumChunks())
		}
	}
}

func TestNewLayoutKeepsNothingOfTheCaller(t *testing.T) {
	shape := []int{2, 3}
	l, err := NewLayout(Spec{Name: "a", Shape: shape})
	if err != nil {
		t.Fatal(err)
	}
	shape[0] = 9
	if l.Spec(0).Shape[0] != 2 {
		t.Fatal("the layout changed with the caller's slice")
	}
}

// The slow twin of the tree: RFC 6962 section 2.1, recursively.
func slowRoot(leaves [][]byte) [32]byte {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	default:
		k := 1
		for 2*k < n {
			k *= 2
		}
		left, right := slowRoot(leaves[:k]), slowRoot(leaves[k:])
		return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
}

func TestTreeAgainstItsDefinition(t *testing.T) {
	var tree Tree
	var leaves [][]byte
	for i := range 70 {
		if got, want := tree.Root(), slowRoot(leaves); got != want {
			t.Fatalf("%d leaves: got %x, want %x", i, got, want)
		}
		leaf := fmt.Appendf(nil, "leaf %d", i)
		leaves = append(leaves, leaf)
		tree.Add(leaf)
	}
}

// The published test vectors of RFC 6962 trees (certificate-transparency-go,
// merkle/rfc6962): roots of the first one and of all eight of its leaves.
func TestTreeGolden(t *testing.T) {
	leaves := [][]byte{
		{},
		{0},
		{0x10},
		{0x20, 0x21},
		{0x30, 0x31},
		{0x40, 0x41, 0x42, 0x43},
		{0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57},
		{0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f},
	}
	var tree Tree
	for i, leaf := range leaves {
		tree.Add(leaf)
		root := fmt.Sprintf("%x", tree.Root())
		if i == 0 && root != "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" ||
			i == 7 && root != "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" {
			t.Errorf("%d leaves: root %s", i+1, root)
		}
	}
}

// Every value, name and place counts in the root.
func TestRootSeesEverything(t *testing.T) {
	l := testLayout(t, ChunkLen+3, 2)
	vals := make(Flat, l.Len())
	root := func(l Layout, f Flat) [32]byte {
		r, err := Root(l, f)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	base := root(l, vals)
	for _, i := range []int{0, ChunkLen - 1, ChunkLen, ChunkLen + 3, l.Len() - 1} {
		vals[i] = float32(math.Copysign(0, -1))
		if root(l, vals) == base {
			t.Errorf("the sign of zero at %d does not count", i)
		}
		vals[i] = 0
	}
	other, err := NewLayout(Spec{Name: "t0", Shape: []int{ChunkLen + 3}}, Spec{Name: "tX", Shape: []int{2}})
	if err != nil {
		t.Fatal(err)
	}
	if root(other, vals) == base {
		t.Error("names do not count")
	}
	if root(testLayout(t, ChunkLen+4, 1), vals) == base {
		t.Error("where a tensor ends does not count")
	}
}

type failing struct{ Flat }

var errDisk = errors.New("disk")

func (f failing) ReadChunk(c Chunk, dst []float32) error {
	if c.Index == 1 {
		return errDisk
	}
	return f.Flat.ReadChunk(c, dst)
}

func TestCopyAndRootPassErrorsOn(t *testing.T) {
	l := testLayout(t, 2*ChunkLen)
	src := make(Flat, l.Len())
	for i := range src {
		src[i] = float32(i)
	}
	dst := make(Flat, l.Len())
	if err := Copy(l, dst, src); err != nil || dst[ChunkLen] != ChunkLen {
		t.Fatalf("copy: %v", err)
	}
	if err := Copy(l, dst, failing{src}); !errors.Is(err, errDisk) {
		t.Errorf("copy: %v", err)
	}
	if _, err := Root(l, failing{src}); !errors.Is(err, errDisk) {
		t.Errorf("root: %v", err)
	}
}

// A stream is four bytes a value, and comes back with all bits; what is cut does not.
func TestStream(t *testing.T) {
	l := testLayout(t, ChunkLen+3, 5)
	src, dst := make(Flat, l.Len()), make(Flat, l.Len())
	for i := range src {
		src[i] = math.Float32frombits(uint32(i) * 2654435761)
	}
	var b bytes.Buffer
	if err := Stream(&b, l, src); err != nil || b.Len() != 4*l.Len() {
		t.Fatal(b.Len(), err)
	}
	whole := append(b.Bytes(), 7)
	r := bytes.NewReader(whole)
	if err := Fill(l, dst, r); err != nil || r.Len() != 1 {
		t.Fatalf("%d bytes are left, %v", r.Len(), err)
	}
	for i := range src {
		if math.Float32bits(dst[i]) != math.Float32bits(src[i]) {
			t.Fatalf("value %d is %x, want %x", i, math.Float32bits(dst[i]), math.Float32bits(src[i]))
		}
	}
	if err := Fill(l, dst, bytes.NewReader(whole[:len(whole)-2])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a stream that is cut: %v", err)
	}
	if err := Stream(io.Discard, l, failing{src}); !errors.Is(err, errDisk) {
		t.Errorf("stream: %v", err)
	}
}

func BenchmarkRoot(b *testing.B) {
	l := testLayout(b, 1<<20)
	vals := make(Flat, l.Len())
	b.SetBytes(int64(4 * l.Len()))
	for b.Loop() {
		if _, err := Root(l, vals); err != nil {
			b.Fatal(err)
		}
	}
}
