package gradient

// This file tests shared supports.

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/tensor"
)

func supportModel(tb testing.TB) tensor.Layout {
	return layoutOf(tb,
		tensor.Spec{Name: "embed", Shape: []int{100, 90}, Kind: tensor.Embedding},
		tensor.Spec{Name: "norm", Shape: []int{5000}},
		tensor.Spec{Name: "frozen", Shape: []int{70, 90}, Kind: tensor.Frozen},
		tensor.Spec{Name: "head", Shape: []int{3, 5000}},
	)
}

func mustSupport(tb testing.TB, l tensor.Layout, k int, last Vector, seed byte) *Support {
	tb.Helper()
	s, err := NewSupport(l, k, last, [32]byte{seed})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// What is gathered, compressed without loss of places, and spread again is the
// vector on the support and zero elsewhere.
func TestSupportThereAndBack(t *testing.T) {
	l := supportModel(t)
	p := Params{Codec: Dense, Bits: 32, EMin: -40, EMax: -4}
	for _, k := range []int{1, 64, 300, 4096} {
		a := heavyTail(uint64(k), l.Len())
		s := mustSupport(t, l, k, nil, 1)
		on, err := s.Gather(a)
		if err != nil {
			t.Fatal(err)
		}
		back := make(tensor.Flat, l.Len())
		s.Scatter(back, on)
		if again, err := s.Gather(back); err != nil || !slices.Equal(again, on) {
			t.Fatalf("k %d: scattered and gathered again it is another vector: %v", k, err)
		}
		full, err := s.Spread(mustEncode(t, s.Layout(), p, on))
		if err != nil {
			t.Fatal(err)
		}
		want := decode(t, mustEncode(t, l, Params{Codec: Dense, Bits: 32, EMin: -40, EMax: -4}, a))
		num := 0
		for c := range l.Chunks() {
			entries, exp := full.Entries(nil, c)
			if !slices.IsSortedFunc(entries, func(a, b Entry) int { return int(a.Pos) - int(b.Pos) }) {
				t.Fatalf("k %d, chunk %v: positions do not ascend", k, c)
			}
			dense := make(tensor.Flat, c.Len)
			for _, e := range entries {
				dense[e.Pos] = float32(float64(e.Value) * pow(exp))
			}
			kept := topk{k: k}.kept(c.Len)
			for i, v := range dense {
				if x := want[c.Offset+i]; v != 0 && x != v && l.Spec(c.Tensor).Name != "norm" {
					t.Fatalf("k %d, chunk %v, place %d: %v, want %v", k, c, i, v, x)
				}
				if v != 0 {
					num++
				}
			}
			if name := l.Spec(c.Tensor).Name; len(entries) > kept && name != "norm" || name == "frozen" && len(entries) > 0 {
				t.Fatalf("k %d: %d entries of %s", k, len(entries), name)
			}
		}
		if num == 0 {
			t.Fatal("nothing came back")
		}
	}
}

func pow(exp int) float64 {
	x := 1.0
	for ; exp < 0; exp++ {
		x /= 2
	}
	for ; exp > 0; exp-- {
		x *= 2
	}
	return x
}

// A support holds the places where the last step was largest, and others by the
// seed alone.
func TestSupportFollowsTheStep(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{5, tensor.ChunkLen}})
	last := mustEncode(t, l, DefaultParams(), heavyTail(1, l.Len()))
	s := mustSupport(t, l, 64, last, 1)
	for c := range l.Chunks() {
		entries, _ := last.Entries(nil, c)
		slices.SortStableFunc(entries, func(a, b Entry) int {
			return int(max(b.Value, -b.Value)/1 - max(a.Value, -a.Value)/1)
		})
		places, _ := s.of(c)
		for _, e := range entries[:48] {
			if !slices.Contains(places, e.Pos) {
				t.Fatalf("chunk %d: place %d of the last step is missing", c.Index, e.Pos)
			}
		}
		if len(places) != 64 || !slices.IsSorted(places) {
			t.Fatalf("%d places: %v", len(places), places)
		}
	}
	again, other := mustSupport(t, l, 64, last, 1), mustSupport(t, l, 64, last, 2)
	if !slices.Equal(s.places[0], again.places[0]) || slices.Equal(s.places[0], other.places[0]) {
		t.Error("the seed does not decide")
	}
}

// Two bits a value on a shared support take no bits for positions.
func TestSupportSendsNoPositions(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{256, tensor.ChunkLen}})
	s := mustSupport(t, l, 64, nil, 1)
	p := DefaultParams()
	p.K = tensor.ChunkLen // of the places, all
	on, err := s.Gather(heavyTail(1, l.Len()))
	if err != nil {
		t.Fatal(err)
	}
	u := mustEncode(t, s.Layout(), p, on)
	if bits := 8 * float64(len(u.Wire())) / float64(u.NumKept()); bits > 2.1 {
		t.Errorf("%.2f bits a value", bits)
	}
}

func TestSupportRefuses(t *testing.T) {
	l := supportModel(t)
	for _, k := range []int{0, -1, 4097} {
		if _, err := NewSupport(l, k, nil, [32]byte{}); !errors.Is(err, ErrParams) {
			t.Errorf("%d places: %v", k, err)
		}
	}
	other := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{4, 4}})
	u := mustEncode(t, other, DefaultParams(), make(tensor.Flat, 16))
	if _, err := NewSupport(l, 4, u, [32]byte{}); !errors.Is(err, ErrLayout) {
		t.Errorf("another layout's step: %v", err)
	}
	s := mustSupport(t, l, 4, nil, 1)
	if _, err := s.Spread(u); !errors.Is(err, ErrLayout) {
		t.Errorf("another layout's vector: %v", err)
	}
	if _, err := s.Gather(failing{}); !errors.Is(err, errRead) {
		t.Errorf("reader that fails: %v", err)
	}
}

// Aligning units changes no value.
func TestAlign(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		entries := make([]Entry, r.IntN(6))
		for i := range entries {
			entries[i].Value = int64(1 + r.IntN(1000))
		}
		before := slices.Clone(entries)
		at, a, b := r.IntN(len(entries)+1), r.IntN(9)-4, r.IntN(9)-4
		unit := align(entries, at, a, b)
		for i, e := range entries {
			exp := b
			if i < at {
				exp = a
			}
			if float64(e.Value)*pow(unit) != float64(before[i].Value)*pow(exp) {
				t.Fatalf("at %d of units %d and %d: %v became %v in %d", at, a, b, before, entries, unit)
			}
		}
	}
}
