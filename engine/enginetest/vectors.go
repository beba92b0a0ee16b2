package enginetest

// This file holds the conformance kit's vectors and optional abilities.

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine"
	"lode/gradient"
	"lode/tensor"
)

// read returns the values of a vector.
func read(t *testing.T, l tensor.Layout, v tensor.Reader) tensor.Flat {
	t.Helper()
	f := make(tensor.Flat, l.Len())
	if err := tensor.Copy(l, f, v); err != nil {
		t.Fatal(err)
	}
	return f
}

// drawn writes drawn values, of every size up to about most, to a vector.
func drawn(t *testing.T, l tensor.Layout, v tensor.Writer, seed uint64, most float64) tensor.Flat {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	f := make(tensor.Flat, l.Len())
	for i := range f {
		f[i] = float32(most * r.NormFloat64() * r.Float64() * r.Float64())
	}
	if err := tensor.Copy(l, v, f); err != nil {
		t.Fatal(err)
	}
	return f
}

func another(t *testing.T, e engine.Engine) engine.Vector {
	t.Helper()
	v, err := e.NewVector()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// vectors must begin as zeros, hold what they were given and nothing else, and
// refuse chunks that are not theirs.
func (k kit) vectors(t *testing.T) {
	e := k.engine(t)
	l, params := e.Layout(), snapshot(t, e)
	x, y := another(t, e), another(t, e)
	sameBits(t, "a new vector", read(t, l, x), make(tensor.Flat, l.Len()))
	a, b := drawn(t, l, x, 1, 1), drawn(t, l, y, 2, 1)
	if _, err := e.Gradient(Batch(rand.New(rand.NewPCG(1, 1)), k.model, 2, 4)); err != nil {
		t.Fatal(err)
	}
	grad := read(t, l, e.Grad())
	sameBits(t, "the first vector", read(t, l, x), a)
	sameBits(t, "the second vector", read(t, l, y), b)
	sameBits(t, "the parameters", snapshot(t, e), params)
	drawn(t, l, e.Params(), 3, 1)
	sameBits(t, "the first vector after the parameters", read(t, l, x), a)
	sameBits(t, "the gradient after the parameters", read(t, l, e.Grad()), grad)
	if _, ok := e.Grad().(tensor.Writer); ok {
		t.Error("the gradient can be written")
	}
	for what, v := range map[string]tensor.Reader{"a vector": x, "the parameters": e.Params(), "the gradient": e.Grad()} {
		for _, c := range []struct {
			chunk tensor.Chunk
			slice int
		}{
			{tensor.Chunk{Offset: l.Len(), Len: 1}, 1},
			{tensor.Chunk{Offset: l.Len() - 1, Len: 2}, 2},
			{tensor.Chunk{Offset: -1, Len: 1}, 1},
			{tensor.Chunk{Offset: math.MaxInt, Len: 2}, 2},
			{tensor.Chunk{Len: -1}, 0},
			{tensor.Chunk{Len: 2}, 1},
		} {
			if v.ReadChunk(c.chunk, make([]float32, c.slice)) == nil {
				t.Errorf("%s gave %+v to a slice of %d", what, c.chunk, c.slice)
			}
			if w, ok := v.(tensor.Writer); ok && w.WriteChunk(c.chunk, make([]float32, c.slice)) == nil {
				t.Errorf("%s took %+v from a slice of %d", what, c.chunk, c.slice)
			}
		}
	}
}

// without hides an engine's abilities.
func without(e engine.Engine) engine.Engine { return struct{ engine.Engine }{e} }

// compress must give the bits of its definition, with the ability and without,
// wherever the result goes.
func (k kit) compress(t *testing.T) {
	codec := gradient.Params{Codec: gradient.TopK, K: 300, Bits: 2, EMin: -40, EMax: -4}
	for name, into := range map[string]func(residual, start, other engine.Vector) engine.Vector{
		"a third vector":    func(_, _, other engine.Vector) engine.Vector { return other },
		"over the residual": func(residual, _, _ engine.Vector) engine.Vector { return residual },
		"over the start":    func(_, start, _ engine.Vector) engine.Vector { return start },
	} {
		e := k.engine(t)
		l := e.Layout()
		for _, e := range []engine.Engine{e, without(e), remote{e}} {
			now := drawn(t, l, e.Params(), 4, 1)
			f := engine.Feedback{Decay: 0.95, Residual: another(t, e), Start: another(t, e)}
			f.Into = into(f.Residual, f.Start, another(t, e))
			want, start := drawn(t, l, f.Residual, 5, 1e-2), drawn(t, l, f.Start, 6, 1)
			for i := range want {
				want[i] = float32(f.Decay*want[i]) + (start[i] - now[i])
			}
			got, err := engine.Compress(e, codec, f)
			if err != nil {
				t.Fatal(err)
			}
			sameBits(t, name, read(t, l, f.Into), want)
			u, err := gradient.Encode(l, codec, want)
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Plain()) != string(u.Plain()) {
				t.Fatalf("%s: the update is not that of the values", name)
			}
			if err := e.Params().WriteChunk(tensor.Chunk{Len: 1}, []float32{float32(math.NaN())}); err != nil {
				t.Fatal(err)
			}
			if _, err := engine.Compress(e, codec, f); !errors.Is(err, gradient.ErrNotFinite) {
				t.Fatalf("%s: from NaN: %v", name, err)
			}
		}
	}
}

// dots must give the bits of their definition, with the ability and without.
func (k kit) dots(t *testing.T) {
	e := k.engine(t)
	if _, err := e.Gradient(Batch(rand.New(rand.NewPCG(1, 1)), k.model, 2, 4)); err != nil {
		t.Fatal(err)
	}
	var vs []gradient.Vector
	for seed := range uint64(5) {
		a := make(tensor.Flat, e.Layout().Len())
		if seed > 0 { // the first is of zeros
			drawn(t, e.Layout(), a, seed, 1e-2)
		}
		u, err := gradient.Encode(e.Layout(), gradient.DefaultParams(), a)
		if err != nil {
			t.Fatal(err)
		}
		vs = append(vs, u)
	}
	grad := read(t, e.Layout(), e.Grad())
	for _, e := range []engine.Engine{e, without(e)} {
		for n := range len(vs) + 1 {
			got, err := engine.Dots(e, vs[:n])
			if err != nil || len(got) != n {
				t.Fatalf("%d products of %d: %v", len(got), n, err)
			}
			for i, v := range vs[:n] {
				if want, err := gradient.Dot(v, grad); err != nil || math.Float64bits(got[i]) != math.Float64bits(want) || (want == 0) != (i == 0) {
					t.Fatalf("product %d of %d is %v, want %v (%v)", i, n, got[i], want, err)
				}
			}
		}
	}
}

// changed must give the bits of their definitions, with the ability and without: copies,
// subtractions of updates, whole and in part, and roots.
func (k kit) changed(t *testing.T) {
	e := k.engine(t)
	l := e.Layout()
	a := make(tensor.Flat, l.Len())
	drawn(t, l, a, 7, 1)
	few, err := gradient.Encode(l, gradient.DefaultParams(), a)
	if err != nil {
		t.Fatal(err)
	}
	all, err := gradient.Encode(l, gradient.Params{Codec: gradient.Dense, Bits: 16, EMin: -40, EMax: -4}, a)
	if err != nil {
		t.Fatal(err)
	}
	x, y := another(t, e), another(t, e)
	for what, hide := range map[string]func(engine.Vector) engine.Vector{
		"where it lives": func(v engine.Vector) engine.Vector { return v },
		"chunk by chunk": func(v engine.Vector) engine.Vector { return struct{ engine.Vector }{v} },
	} {
		want := drawn(t, l, e.Params(), 8, 1)
		if err := engine.Copy(l, hide(x), e.Params()); err != nil {
			t.Fatal(err)
		}
		if err := engine.Copy(l, hide(y), want); err != nil {
			t.Fatal(err)
		}
		sameBits(t, what+", from memory", read(t, l, y), want)
		drawn(t, l, e.Params(), 9, 1)
		sameBits(t, what+", a copy", read(t, l, x), want)
		for _, u := range []*gradient.Update{few, all} {
			for _, clip := range []gradient.Clip{gradient.Unclipped, gradient.Unclipped / 3, 0} {
				for c := range l.Chunks() {
					u.SubtractFrom(c, clip, want[c.Offset:c.Offset+c.Len])
				}
				if err := engine.Subtract(l, hide(x), u, clip); err != nil {
					t.Fatal(err)
				}
				sameBits(t, what+", less an update", read(t, l, x), want)
			}
		}
		root, err := engine.Root(l, hide(x))
		if err != nil {
			t.Fatal(err)
		}
		if all, err := tensor.Root(l, want); err != nil || root != all {
			t.Errorf("%s: root %x, want %x (%v)", what, root, all, err)
		}
	}
	if err := errors.Join(e.Close(), engine.Copy(l, x, y)); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("a copy after Close: %v", err)
	}
	if err := engine.Subtract(l, x, few, gradient.Unclipped); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("a subtraction after Close: %v", err)
	}
	if _, err := engine.Root(l, x); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("a root after Close: %v", err)
	}
}
