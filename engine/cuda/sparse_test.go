package cuda

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/enginetest"
	"lode/engine/model"
	"lode/gradient"
	"lode/tensor"
)

// integers is a vector as merged steps are: integers and an exponent for each chunk, of
// which a share is not zero.
type integers struct {
	layout tensor.Layout
	values []int64
	exp    int
}

func (v integers) Layout() tensor.Layout { return v.layout }

func (v integers) Entries(dst []gradient.Entry, c tensor.Chunk) ([]gradient.Entry, int) {
	for i, x := range v.values[c.Offset : c.Offset+c.Len] {
		if x != 0 {
			dst = append(dst, gradient.Entry{Pos: uint16(i), Value: x})
		}
	}
	return dst, v.exp + c.Index%7
}

// drawIntegers has one value in so many.
func drawIntegers(r *rand.Rand, l tensor.Layout, in int) integers {
	v := integers{l, make([]int64, l.Len()), -30}
	for i := range v.values {
		if r.IntN(in) == 0 {
			v.values[i] = int64(r.IntN(1<<15) - 1<<14)
		}
	}
	return v
}

// TestSparse: what is dense goes as such, what is long in parts, and the results are those of
// package gradient.
func TestSparse(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "order=5")
	m := model.MLP{Input: []int{400}, Hidden: []int{500}, Activation: model.ReLU, Classes: 3}
	e, err := on(t, card, m, Options{exchange: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 1))
	var vs []gradient.Vector
	dense := 0
	for _, in := range []int{1, 2, 3, 60, 1 << 30} {
		v := drawIntegers(r, e.layout, in)
		var p parcel
		for c := range e.layout.Chunks() {
			entries, exp := v.Entries(nil, c)
			p.add(c, entries, math.Ldexp(1, exp))
		}
		if p.bytes() > 4*e.layout.Len()+headBytes*e.layout.NumChunks() {
			t.Errorf("one in %d: %d bytes, more than all values", in, p.bytes())
		}
		if len(p.places) == 0 && len(p.vals) > 0 {
			dense++
		}
		vs = append(vs, v)
	}
	if dense != 1 {
		t.Errorf("%d vectors are sent whole", dense)
	}
	params := make(tensor.Flat, e.layout.Len())
	if err := errors.Join(model.Init(m, [32]byte{1}, params), tensor.Copy(e.layout, e.Params(), params)); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Gradient(enginetest.Batch(r, m, 2, 1)); err != nil {
		t.Fatal(err)
	}
	grad := values(t, e, e.Grad())
	dots, err := e.Dots(vs)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vs {
		want, err := gradient.Dot(v, grad)
		if err != nil || math.Float64bits(dots[i]) != math.Float64bits(want) {
			t.Errorf("product %d is %v, want %v (%v)", i, dots[i], want, err)
		}
		if err := engine.Subtract(e.layout, e.Params(), v, gradient.Unclipped); err != nil {
			t.Fatal(err)
		}
		gradient.SubtractVector(params, v)
		same(t, "parameters after a step", values(t, e, e.Params()), params)
	}

	nan := []float32{float32(math.NaN())}
	at := 0
	for vs[3].(integers).values[at] == 0 {
		at++
	}
	if err := e.grads.WriteChunk(tensor.Chunk{Offset: at, Len: 1}, nan); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Dots(vs); !errors.Is(err, gradient.ErrNotFinite) {
		t.Errorf("products with NaN: %v", err)
	}
	other := integers{layout: e.layout, values: make([]int64, e.layout.Len())}
	if other.layout, err = tensor.NewLayout(tensor.Spec{Name: "x", Shape: []int{5}}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Dots([]gradient.Vector{other}); !errors.Is(err, gradient.ErrLayout) {
		t.Errorf("another layout: %v", err)
	}
	long := tensor.Spec{Name: "x", Shape: []int{e.layout.Len()}} // as many values, in other chunks
	alike, err := tensor.NewLayout(long)
	if err != nil {
		t.Fatal(err)
	}
	u, err := gradient.Encode(alike, gradient.Params{Codec: gradient.TopK, K: 8, KEmbed: 8, Bits: 2, EMin: -30, EMax: 4}, params)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Dots([]gradient.Vector{u}); !errors.Is(err, gradient.ErrLayout) {
		t.Errorf("another layout of as many values: %v", err)
	}
	if err := engine.Subtract(e.layout, e.Params(), other, gradient.Unclipped); !errors.Is(err, gradient.ErrLayout) {
		t.Errorf("another layout: %v", err)
	}
}
