package gradient

// This file tests shared supports.

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"lode/tensor"
)

var sharedParams = Params{Codec: Shared, K: 64, Bits: 2, EMin: -40, EMax: -4}

func mustOn(tb testing.TB, p Params, l tensor.Layout, last Vector, seed byte) Params {
	tb.Helper()
	p, err := p.On(l, last, [32]byte{seed})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// A support holds the places where the last step was largest, and others by the
// seed alone.
func TestSupportFollowsTheStep(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{5, tensor.ChunkLen}}, tensor.Spec{Name: "v", Shape: []int{3, 5}})
	last := mustEncode(t, l, DefaultParams(), heavyTail(1, l.Len()))
	s := mustOn(t, sharedParams, l, last, 1).on
	for c := range l.ChunksOf(0) {
		entries, _ := last.Entries(nil, c)
		slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(max(b.Value, -b.Value), max(a.Value, -a.Value)) })
		places := s.at(c).places
		for _, e := range entries[:48] {
			if !slices.Contains(places, e.Pos) {
				t.Fatalf("chunk %d: place %d of the last step is missing", c.Index, e.Pos)
			}
		}
		if len(places) != 64 || !slices.IsSorted(places) || len(slices.Compact(slices.Clone(places))) != 64 {
			t.Fatalf("%d places: %v", len(places), places)
		}
	}
	for c := range l.ChunksOf(1) {
		if places := s.at(c).places; len(places) != 1 || int(places[0]) >= c.Len {
			t.Fatalf("places of a short chunk: %v", places)
		}
	}
	first := l.ChunksOf(0)
	for c := range first {
		again, other := mustOn(t, sharedParams, l, last, 1).on.at(c).places, mustOn(t, sharedParams, l, last, 2).on.at(c).places
		if !slices.Equal(s.at(c).places, again) || slices.Equal(again, other) {
			t.Error("the seed does not decide")
		}
	}
}

// Without a step every place is as likely as another.
func TestSupportExplores(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{400, tensor.ChunkLen}})
	var num [tensor.ChunkLen]int
	s := mustOn(t, sharedParams, l, nil, 1).on
	for c := range l.Chunks() {
		for _, at := range s.at(c).places {
			num[at]++
		}
	}
	// 400 chunks of 64 places: 6.25 a place expected, 2.5 its deviation.
	if least, most := slices.Min(num[:]), slices.Max(num[:]); most > 20 || least > 3 {
		t.Errorf("places are drawn %d to %d times", least, most)
	}
}

// Two bits a value on a shared support take no bits for positions.
func TestSupportSendsNoPositions(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{256, tensor.ChunkLen}})
	u := mustEncode(t, l, mustOn(t, sharedParams, l, nil, 1), heavyTail(1, l.Len()))
	if bits := 8 * float64(len(u.Wire())) / float64(u.NumKept()); bits > 2.4 {
		t.Errorf("%.2f bits a value", bits)
	}
}

func TestSupportRefuses(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{2, 3000}})
	a := heavyTail(1, l.Len())
	if _, err := Encode(l, sharedParams, a); !errors.Is(err, ErrParams) {
		t.Errorf("no support: %v", err)
	}
	if _, err := ParsePlain(l, sharedParams, nil); !errors.Is(err, ErrParams) {
		t.Errorf("no support: %v", err)
	}
	if n := PlainLen(l, sharedParams); n != PlainLen(l, mustOn(t, sharedParams, l, nil, 1)) || n == 0 || MaxWireLen(l, sharedParams) == 0 {
		t.Errorf("lengths depend on the support: %d", n)
	}
	if _, err := DefaultParams().On(l, nil, [32]byte{}); !errors.Is(err, ErrParams) {
		t.Errorf("another codec: %v", err)
	}
	other := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{4, 4}})
	u := mustEncode(t, other, DefaultParams(), make(tensor.Flat, 16))
	if _, err := sharedParams.On(l, u, [32]byte{}); !errors.Is(err, ErrLayout) {
		t.Errorf("another layout's step: %v", err)
	}
	p := mustOn(t, sharedParams, l, nil, 1)
	if _, err := Encode(other, p, make(tensor.Flat, 16)); !errors.Is(err, ErrLayout) {
		t.Errorf("another layout's support: %v", err)
	}
	p.K = 65
	if _, err := Encode(l, p, a); !errors.Is(err, ErrParams) {
		t.Errorf("a support of other parameters: %v", err)
	}
	// All values are kept or sent, so all must be numbers.
	a[2999] = float32(math.Inf(1))
	if _, err := Encode(l, mustOn(t, sharedParams, l, nil, 1), a); !errors.Is(err, ErrNotFinite) {
		t.Errorf("infinity: %v", err)
	}
}

// Errors name what differs between two rounds' parameters, and no address.
func TestParamsAreNamed(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{2, tensor.ChunkLen}})
	one, same, two := mustOn(t, sharedParams, l, nil, 1), mustOn(t, sharedParams, l, nil, 1), mustOn(t, sharedParams, l, nil, 2)
	if one.String() != same.String() || one.String() == two.String() || one.String() == sharedParams.String() {
		t.Errorf("%v\n%v\n%v\n%v", one, same, two, sharedParams)
	}
	p := Params{Codec: TopK, K: 64, KEmbed: 32, Bits: 2, EMin: -40, EMax: -4}
	if got, want := fmt.Sprintf("%+v", p), "topk, k 64, 32 of embeddings, bits 2, exponents -40 to -4"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := fmt.Sprint(Params{Codec: Sign, Bits: 1, EMin: -40, EMax: -4}), "sign, bits 1, exponents -40 to -4"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
