package enginetest

// This file holds the conformance kit's saved states and refusals.

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine"
	"lode/tensor"
)

func (k kit) settings() engine.Hyper {
	return engine.Hyper{Rate: 1e-3, WeightDecay: 0.01, ClipNorm: 1, Muon: k.muon}
}

// train takes steps on batches drawn from seed and returns the last loss.
func (k kit) train(t *testing.T, e engine.Engine, seed uint64, steps int) (loss float64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	for range steps {
		var err error
		if loss, err = e.Step(Batch(r, k.model, 2, 9), k.settings()); err != nil {
			t.Fatal(err)
		}
	}
	return loss
}

// save returns the engine's optimizer state.
func save(t *testing.T, e engine.Engine) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := e.WriteState(&b); err != nil {
		t.Fatal(err)
	}
	if s, ok := e.(interface{ StateLen() int64 }); ok && s.StateLen() != int64(b.Len()) {
		t.Errorf("a state of %d bytes is said to have %d", b.Len(), s.StateLen())
	}
	return b.Bytes()
}

// state must continue bit for bit in another engine, and be read to its end and
// no further.
func (k kit) state(t *testing.T) {
	a, b := k.engine(t), k.engine(t)
	k.train(t, a, 1, 3)
	k.train(t, b, 2, 1) // b's own past must leave no trace
	bytesOfA := save(t, a)
	if err := tensor.Copy(a.Layout(), b.Params(), a.Params()); err != nil {
		t.Fatal(err)
	}
	in := bytes.NewReader(append(append([]byte(nil), bytesOfA...), "rest"...))
	if err := b.ReadState(in); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(in); string(rest) != "rest" {
		t.Fatalf("%q is left behind the state, want %q", rest, "rest")
	}
	if !bytes.Equal(save(t, b), bytesOfA) {
		t.Fatal("a state that was read is written differently")
	}
	if x, y := k.train(t, a, 3, 3), k.train(t, b, 3, 3); x != y {
		t.Fatalf("loss %v after restoring, %v without", y, x)
	}
	sameBits(t, "continued", snapshot(t, b), snapshot(t, a))
}

// badState must be refused and leave the state as it was.
func (k kit) badState(t *testing.T) {
	e := k.engine(t)
	k.train(t, e, 1, 2)
	good := save(t, e)
	r := rand.New(rand.NewPCG(8, 9))
	try := func(what string, bad []byte) {
		t.Helper()
		if err := e.ReadState(bytes.NewReader(bad)); err == nil {
			t.Fatalf("%s: accepted", what)
		}
		if !bytes.Equal(save(t, e), good) {
			t.Fatalf("%s: refused, but the state changed", what)
		}
	}
	try("nothing", nil)
	for range 10 {
		try("cut short", good[:r.IntN(len(good))])
		flipped := append([]byte(nil), good...)
		flipped[r.IntN(len(flipped))] ^= 1 << r.IntN(8)
		try("one bit flipped", flipped)
	}
	try("junk", bytes.Repeat([]byte{0xFF}, len(good)))
	other := k
	other.model = wider(k.model)
	try("another model", save(t, other.engine(t)))
	other = k
	other.frozen = make([]bool, e.Layout().NumTensors())
	for i := range other.frozen {
		other.frozen[i] = i%3 == 1
	}
	try("other tensors", save(t, other.engine(t)))
}

// badInput must be refused and change nothing.
func (k kit) badInput(t *testing.T) {
	e := k.engine(t)
	k.train(t, e, 1, 1)
	state, params := save(t, e), snapshot(t, e)
	inputs, targets := e.Takes()
	good := Batch(rand.New(rand.NewPCG(1, 1)), k.model, 2, 4)
	spoilers := map[string]func(*engine.Batch, *engine.Hyper){
		"nothing":       func(b *engine.Batch, _ *engine.Hyper) { *b = engine.Batch{} },
		"no rows":       func(b *engine.Batch, _ *engine.Hyper) { b.Rows = 0 },
		"negative rows": func(b *engine.Batch, _ *engine.Hyper) { b.Rows = -b.Rows },
		"huge":          func(b *engine.Batch, _ *engine.Hyper) { b.Rows = math.MaxInt },
		"flat":          func(b *engine.Batch, _ *engine.Hyper) { b.Inputs.Shape = nil },
		"deep":          func(b *engine.Batch, _ *engine.Hyper) { b.Targets.Shape = append([]int{1}, b.Targets.Shape...) },
		"negative rate": func(_ *engine.Batch, h *engine.Hyper) { h.Rate = -1 },
		"rate NaN":      func(_ *engine.Batch, h *engine.Hyper) { h.Rate = float32(math.NaN()) },
		"beta 1":        func(_ *engine.Batch, h *engine.Hyper) { h.Beta2 = 1 },
		"infinite clip": func(_ *engine.Batch, h *engine.Hyper) { h.ClipNorm = float32(math.Inf(1)) },
	}
	for what, port := range map[string]engine.Port{"inputs": inputs, "targets": targets} {
		of := func(b *engine.Batch) *engine.Array { return &b.Targets }
		if what == "inputs" {
			of = func(b *engine.Batch) *engine.Array { return &b.Inputs }
		}
		for name, spoil := range badArrays(port) {
			spoilers[what+" "+name] = func(b *engine.Batch, _ *engine.Hyper) { spoil(of(b)) }
		}
	}
	if inputs.Series {
		spoilers["beyond context"] = func(b *engine.Batch, _ *engine.Hyper) { *b = long(inputs.Shape[0] + 1) }
		spoilers["uneven"] = func(b *engine.Batch, _ *engine.Hyper) { b.Targets = long(1).Targets; b.Targets.IDs = []int32{0, 0} }
	}
	for name, spoil := range spoilers {
		b, h := good, k.settings()
		spoil(&b, &h)
		if _, err := e.Step(b, h); err == nil {
			t.Fatalf("%s: accepted", name)
		}
		if h == k.settings() {
			if _, err := e.Loss(b); err == nil {
				t.Fatalf("%s: accepted by Loss", name)
			}
			if _, err := e.Gradient(b); err == nil {
				t.Fatalf("%s: accepted by Gradient", name)
			}
		}
	}
	if !bytes.Equal(save(t, e), state) {
		t.Fatal("bad input changed the optimizer's state")
	}
	sameBits(t, "after bad input", snapshot(t, e), params)
}

// badArrays are what a port refuses, made of what it takes.
func badArrays(p engine.Port) map[string]func(*engine.Array) {
	if p.Limit > 0 {
		return map[string]func(*engine.Array){
			"short":     func(a *engine.Array) { a.IDs = a.IDs[1:] },
			"long":      func(a *engine.Array) { a.IDs = last(a.IDs, 0, 0) },
			"reals":     func(a *engine.Array) { a.IDs, a.Reals = nil, make([]float32, len(a.IDs)) },
			"too large": func(a *engine.Array) { a.IDs = last(a.IDs, int32(p.Limit)) },
			"below 0":   func(a *engine.Array) { a.IDs = last(a.IDs, -1) },
		}
	}
	return map[string]func(*engine.Array){
		"short":    func(a *engine.Array) { a.Reals = a.Reals[1:] },
		"long":     func(a *engine.Array) { a.Reals = last(a.Reals, 0, 0) },
		"ids":      func(a *engine.Array) { a.Reals, a.IDs = nil, make([]int32, len(a.Reals)) },
		"NaN":      func(a *engine.Array) { a.Reals = last(a.Reals, float32(math.NaN())) },
		"infinite": func(a *engine.Array) { a.Reals = last(a.Reals, float32(math.Inf(-1))) },
	}
}

// last returns a copy of x with its last value replaced by those.
func last[T any](x []T, by ...T) []T { return append(append([]T(nil), x[:len(x)-1]...), by...) }

func long(steps int) engine.Batch {
	return engine.Tokens(1, steps, make([]int32, steps), make([]int32, steps))
}

// notFinite parameters must give an error and move nothing.
func (k kit) notFinite(t *testing.T) {
	e := k.engine(t)
	l := e.Layout()
	for c := range l.ChunksOf(1) {
		x := make([]float32, c.Len)
		x[0] = float32(math.NaN())
		if err := e.Params().WriteChunk(c, x); err != nil {
			t.Fatal(err)
		}
	}
	state, params := save(t, e), snapshot(t, e)
	b := Batch(rand.New(rand.NewPCG(1, 1)), k.model, 1, 4)
	if _, err := e.Step(b, k.settings()); !errors.Is(err, engine.ErrNotFinite) {
		t.Fatalf("a step from NaN: %v", err)
	}
	if _, err := e.Loss(b); !errors.Is(err, engine.ErrNotFinite) {
		t.Fatalf("a loss from NaN: %v", err)
	}
	if !bytes.Equal(save(t, e), state) {
		t.Fatal("a refused step changed the optimizer's state")
	}
	sameBits(t, "after a refused step", snapshot(t, e), params)
}

// closed engines must say so.
func (k kit) closed(t *testing.T) {
	e := k.engine(t)
	b := Batch(rand.New(rand.NewPCG(1, 1)), k.model, 1, 4)
	old, params := another(t, e), e.Params()
	for range 2 {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c := tensor.Chunk{Len: 1}
	_, step := e.Step(b, k.settings())
	_, loss := e.Loss(b)
	_, grad := e.Gradient(b)
	_, vector := e.NewVector()
	one := make([]float32, 1)
	for i, err := range []error{
		step, loss, grad, vector, e.Params().ReadChunk(c, one), e.Params().WriteChunk(c, one), params.ReadChunk(c, one),
		old.ReadChunk(c, one), old.WriteChunk(c, one), e.Grad().ReadChunk(c, one),
		e.WriteState(io.Discard), e.ReadState(bytes.NewReader(nil)),
	} {
		if !errors.Is(err, engine.ErrClosed) {
			t.Fatalf("call %d on a closed engine: %v", i, err)
		}
	}
}
