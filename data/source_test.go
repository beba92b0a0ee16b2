package data

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"lode/protocol"
)

// memory is a corpus of pieces in memory; piece i is filled by fill.
type memory struct {
	pieces [][]byte
	index  *Index
}

func newMemory(num, piece int, fill func(i, at int) byte) *memory {
	m := &memory{index: &Index{Bytes: uint64(num * piece), Piece: piece, Width: 1}}
	for i := range num {
		b := make([]byte, piece)
		for at := range b {
			b[at] = fill(i, at)
		}
		m.pieces = append(m.pieces, b)
		m.index.Digests = append(m.index.Digests, protocol.Sum(b))
	}
	return m
}

func (m *memory) Piece(_ context.Context, i int) ([]byte, error) {
	if i < 0 || i >= len(m.pieces) {
		return nil, fmt.Errorf("no piece %d", i)
	}
	return m.pieces[i], nil
}

// remote counts what is fetched from a memory.
type remote struct {
	mu     sync.Mutex
	from   *memory
	counts map[protocol.Digest]int
	spoil  func([]byte) []byte // of what is sent, nil sends it as it is
}

func (r *remote) fetch(_ context.Context, d protocol.Digest) ([]byte, error) {
	i, ok := r.from.index.Places()[d]
	if !ok {
		return nil, errors.New("nobody has it")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[d]++
	b := append([]byte(nil), r.from.pieces[i]...)
	if r.spoil != nil {
		b = r.spoil(b)
	}
	return b, nil
}

func (r *remote) fetches() (n int) {
	for _, c := range r.counts {
		n += c
	}
	return n
}

func newRemote(num int) *remote {
	return &remote{from: newMemory(num, 64, func(i, at int) byte { return byte(1 + i + at) }), counts: map[protocol.Digest]int{}}
}

func cached(t *testing.T, r *remote, memory int64, dir string) *Cached {
	t.Helper()
	c, err := NewCached(r.from.index, r.fetch, memory, dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// get asks for pieces in turn and checks what comes.
func get(t *testing.T, src Source, m *memory, pieces ...int) {
	t.Helper()
	for _, i := range pieces {
		b, err := src.Piece(context.Background(), i)
		if err != nil || string(b) != string(m.pieces[i]) {
			t.Fatalf("piece %d: got %d bytes and %v", i, len(b), err)
		}
	}
}

func TestCachedKeepsTheLatest(t *testing.T) {
	r := newRemote(4)
	c := cached(t, r, 2*64+63, "") // room for two
	get(t, c, r.from, 0, 1, 0, 1, 0)
	if n := r.fetches(); n != 2 {
		t.Fatalf("%d fetches, want 2", n)
	}
	get(t, c, r.from, 2, 0) // 1 went, 0 stayed
	if n := r.fetches(); n != 3 {
		t.Fatalf("%d fetches, want 3", n)
	}
	get(t, c, r.from, 1)
	if n := r.fetches(); n != 4 || len(c.held) != 2 || c.order.Len() != 2 {
		t.Fatalf("%d fetches and %d pieces held, want 4 and 2", n, len(c.held))
	}
}

func TestCachedHoldsOnePieceAtLeast(t *testing.T) {
	r := newRemote(2)
	c := cached(t, r, 0, "")
	get(t, c, r.from, 0, 0, 1, 1, 0)
	if n := r.fetches(); n != 3 {
		t.Fatalf("%d fetches, want 3", n)
	}
}

func TestCachedOnDisk(t *testing.T) {
	r := newRemote(3)
	dir := filepath.Join(t.TempDir(), "a", "b")
	get(t, cached(t, r, 0, dir), r.from, 0, 1, 2)
	get(t, cached(t, r, 0, dir), r.from, 0, 1, 2)
	if n := r.fetches(); n != 3 {
		t.Fatalf("%d fetches, a second process must find all 3 on disk", n)
	}
	path := func(i int) string { return filepath.Join(dir, r.from.index.Digests[i].String()) }
	if err := os.WriteFile(path(0), make([]byte, 64), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path(1), 63); err != nil {
		t.Fatal(err)
	}
	get(t, cached(t, r, 0, dir), r.from, 0, 1, 2)
	if n := r.fetches(); n != 5 {
		t.Fatalf("%d fetches, the damaged and the cut piece must be fetched again", n)
	}
	get(t, cached(t, r, 0, dir), r.from, 0, 1, 2)
	if n := r.fetches(); n != 5 {
		t.Fatalf("%d fetches, damaged pieces must have been replaced", n)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("%d files in the folder and %v, want 3", len(left), err)
	}
}

func TestCachedRefusesWhatIsNotThePiece(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"one bit":    func(b []byte) []byte { b[63] ^= 1; return b },
		"cut":        func(b []byte) []byte { return b[:63] },
		"longer":     func(b []byte) []byte { return append(b, 0) },
		"nothing":    func([]byte) []byte { return nil },
		"all zeroes": func(b []byte) []byte { return make([]byte, len(b)) },
	} {
		r := newRemote(2)
		r.spoil = spoil
		dir := t.TempDir()
		c := cached(t, r, 1<<20, dir)
		if b, err := c.Piece(context.Background(), 1); !errors.Is(err, ErrWrongPiece) || b != nil {
			t.Errorf("%s: got %d bytes and %v", name, len(b), err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 || len(c.held) != 0 {
			t.Errorf("%s: a wrong piece was kept", name)
		}
		r.spoil = nil
		get(t, c, r.from, 1)
	}
}

func TestSourcesRefuseOtherNumbers(t *testing.T) {
	r := newRemote(2)
	c, err := Open(write(t, map[string]string{"f": string(r.from.pieces[0]) + string(r.from.pieces[1])}))
	if err != nil {
		t.Fatal(err)
	}
	local, err := NewLocal(c, r.from.index)
	if err != nil {
		t.Fatal(err)
	}
	get(t, local, r.from, 0, 1)
	for _, src := range []Source{local, cached(t, r, 1, "")} {
		for _, i := range []int{-1, 2, 1 << 40} {
			if _, err := src.Piece(context.Background(), i); err == nil {
				t.Errorf("%T gave piece %d of 2", src, i)
			}
		}
	}
	if r.fetches() != 0 {
		t.Error("a piece that does not exist was asked for")
	}
}

func TestCachedReportsTheFetchersError(t *testing.T) {
	cause := errors.New("line cut")
	m := newRemote(2).from
	c, err := NewCached(m.index, func(context.Context, protocol.Digest) ([]byte, error) { return nil, cause }, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Piece(context.Background(), 0); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(write(t, map[string]string{"f": "x"}), "f")
	if _, err := NewCached(m.index, nil, 1, file); err == nil {
		t.Error("a file was taken for a folder")
	}
}

func TestCachedBearsManyAtOnce(t *testing.T) {
	r := newRemote(16)
	c := cached(t, r, 4*64, t.TempDir())
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 64 {
				i := (g*5 + n*3) % 16
				if b, err := c.Piece(context.Background(), i); err != nil || string(b) != string(r.from.pieces[i]) {
					t.Errorf("piece %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	if len(c.held) > 4 {
		t.Errorf("%d pieces held, at most 4 fit", len(c.held))
	}
}
