package replica_test

// This file tests runs that begin with given parameters.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"lode/data"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// given returns parameters with odd bits among them, the rules of a run that begins with
// them, and the pieces they travel in.
func given(t testing.TB) (tensor.Flat, *replica.Rules, shelf) {
	t.Helper()
	l := rulesOf(t).Layout
	first := make(tensor.Flat, l.Len())
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range first {
		first[i] = float32(rng.NormFloat64())
	}
	first[1], first[2] = float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32
	var travels bytes.Buffer
	g, err := replica.Cut(&travels, l, first)
	if err != nil {
		t.Fatal(err)
	}
	if uint64(travels.Len()) != g.Index.Bytes {
		t.Fatalf("%d bytes travel, the index says %d", travels.Len(), g.Index.Bytes)
	}
	store := shelf{}
	store.put(g.Index.Encode())
	for piece := range slices.Chunk(travels.Bytes(), g.Index.Piece) {
		store.put(piece)
	}
	return first, rulesOf(t, func(m *protocol.Manifest) { m.Model.Initial, m.Model.Pieces = g.Root, g.Index.Digest() }), store
}

// counted counts what is fetched, and may change it or end it.
type counted struct {
	shelf
	mu   sync.Mutex
	num  int
	most int // 0: no bound
	bend func([]byte) []byte
}

var errCut = errors.New("the line is cut")

func (c *counted) Fetch(ctx context.Context, d protocol.Digest, most int64) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most > 0 && c.num >= c.most {
		return nil, errCut
	}
	c.num++
	b, err := c.shelf.Fetch(ctx, d, most)
	if c.bend != nil && err == nil {
		b = c.bend(slices.Clone(b))
	}
	return b, err
}

func nobody(uint64, uint64) {}

// Who brings the pieces begins with the very bits, also if it was cut at any of them;
// nothing is fetched twice.
func TestBring(t *testing.T) {
	first, r, store := given(t)
	dir := t.TempDir()
	all := 0
	for tries := 1; ; tries++ {
		line := &counted{shelf: store, most: 3}
		err := r.Bring(t.Context(), line, dir, nobody)
		all += line.num - 1 // the index is asked for each time
		if err == nil {
			break
		}
		if !errors.Is(err, errCut) || tries > 100 {
			t.Fatal(err)
		}
		if r.Initial != nil {
			t.Fatal("half of the parameters were taken for all")
		}
	}
	if all != len(store)-1 || all < 2 {
		t.Errorf("%d pieces were fetched, there are %d", all, len(store)-1)
	}
	m := modelOf(t, r)
	if !sameBits(m.Params, first) {
		t.Error("the model begins with other bits")
	}
	if root, err := r.FirstRoot(); err != nil || root != r.Manifest.Model.Initial {
		t.Errorf("root %s, %v", root, err)
	}
	again := rulesOf(t, func(m *protocol.Manifest) { *m = r.Manifest })
	line := &counted{shelf: store}
	if err := again.Bring(t.Context(), line, dir, nobody); err != nil || line.num != 1 {
		t.Errorf("%d payloads were fetched for what is there, %v", line.num, err)
	}
}

// A piece that was damaged on disk is fetched anew.
func TestBringMends(t *testing.T) {
	first, r, store := given(t)
	dir := t.TempDir()
	if err := r.Bring(t.Context(), store, dir, nobody); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for i, spoil := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:len(b)/2] },
		func(b []byte) []byte { b[5]++; return b },
	} {
		path := filepath.Join(dir, files[i].Name())
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, spoil(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	line := &counted{shelf: store}
	if err := r.Bring(t.Context(), line, dir, nobody); err != nil || line.num != 3 {
		t.Errorf("%d payloads were fetched to mend two, %v", line.num, err)
	}
	if !sameBits(modelOf(t, r).Params, first) {
		t.Error("the model begins with other bits")
	}
}

// Wrong bytes are not taken, whoever serves them.
func TestBringRefuses(t *testing.T) {
	_, r, store := given(t)
	for name, bend := range map[string]func([]byte) []byte{
		"changed": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"cut":     func(b []byte) []byte { return b[:len(b)-1] },
		"longer":  func(b []byte) []byte { return append(b, 0) },
		"empty":   func([]byte) []byte { return nil },
	} {
		for what, after := range map[string]int{"index": 0, "pieces": 1} {
			n := 0
			line := &counted{shelf: store, bend: func(b []byte) []byte {
				if n++; n > after {
					return bend(b)
				}
				return b
			}}
			err := r.Bring(t.Context(), line, t.TempDir(), nobody)
			if err == nil || r.Initial != nil || !strings.Contains(err.Error(), "initial parameters") {
				t.Errorf("%s, %s: %v", what, name, err)
			}
			if what == "pieces" && !errors.Is(err, data.ErrWrongPiece) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	// An index of its digest, but of other sizes.
	large := data.Index{Bytes: 1 << 30, Piece: 1 << 20, Width: 4, Digests: make([]protocol.Digest, 1<<10)}
	store.put(large.Encode())
	other := rulesOf(t, func(m *protocol.Manifest) { *m = r.Manifest; m.Model.Pieces = large.Digest() })
	if err := other.Bring(t.Context(), store, t.TempDir(), nobody); err == nil || !strings.Contains(err.Error(), "in pieces of") {
		t.Errorf("an index of another length: %v", err)
	}
}

// Without the parameters, and with others, there is no model.
func TestBeginRefuses(t *testing.T) {
	first, r, _ := given(t)
	if _, err := replica.NewModel(r); !errors.Is(err, replica.ErrNotAtHand) {
		t.Errorf("without them: %v", err)
	}
	first[7]++
	r.Initial = first
	if _, err := replica.NewModel(r); err == nil || !strings.Contains(err.Error(), "have root") {
		t.Errorf("with others: %v", err)
	}
	first[7]--
	r.Initial = tensor.At(bytes.NewReader(make([]byte, 4*len(first)-1)))
	if _, err := replica.NewModel(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("with too few: %v", err)
	}
}

// Pieces are never much larger than what they hold, and at most 1 MiB.
func TestCut(t *testing.T) {
	for _, n := range []int{1, 31, 32, 33, 5000, 1<<19 - 1, 1 << 19, 1<<19 + 1, 700_000} {
		l, err := tensor.NewLayout(tensor.Spec{Name: "a", Shape: []int{n}})
		if err != nil {
			t.Fatal(err)
		}
		g, err := replica.Cut(io.Discard, l, make(tensor.Flat, n))
		if err != nil {
			t.Fatal(err)
		}
		ix := g.Index
		if ix.Piece > 1<<20 || ix.Bytes < uint64(4*n) || ix.Bytes >= uint64(4*n+2*ix.Piece) || uint64(len(ix.Digests)*ix.Piece) != ix.Bytes {
			t.Errorf("%d values: %d bytes in %d pieces of %d", n, ix.Bytes, len(ix.Digests), ix.Piece)
		}
		if parsed, err := data.ParseIndex(ix.Encode()); err != nil || parsed.Digest() != ix.Digest() {
			t.Errorf("%d values: %v", n, err)
		}
	}
}
