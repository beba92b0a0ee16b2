package cuda

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/enginetest"
	"lode/engine/model"
	"lode/tensor"
)

// TestHalf trains in bf16 as the reference does in float64, up to the noise of values of
// eight bits: gradients are off by a few of their roundings, and so are losses.
func TestHalf(t *testing.T) {
	for name, c := range map[string]struct {
		model model.Model
		opt   Options
	}{
		"tied":    {model.Llama{Dim: 32, Layers: 2, Heads: 4, KVHeads: 2, FFN: 40, Vocab: 32, Context: 80, RopeTheta: 10000, NormEps: 1e-5, Tied: true}, Options{}},
		"odd":     {model.Llama{Dim: 36, Layers: 1, Heads: 6, KVHeads: 2, FFN: 37, Vocab: 29, Context: 80, RopeTheta: 500, NormEps: 1e-5}, Options{MicroRows: 2, again: true, headRows: 7}},
		"classes": {model.MLP{Input: []int{13}, Hidden: []int{37, 24}, Activation: model.ReLU, Classes: 5}, Options{}},
		"reals":   {model.MLP{Input: []int{11}, Hidden: []int{29}, Activation: model.GELU, Outputs: 2}, Options{MicroRows: 5, headRows: 2}},
		"pictures": {model.CNN{
			Input: []int{2, 11, 10}, Filters: []int{5, 7}, Kernel: 3, Padding: 1, Pool: 2, Hidden: []int{17}, Activation: model.ReLU, Classes: 4,
		}, Options{}},
		"soft pictures": {model.CNN{
			Input: []int{1, 9, 12}, Filters: []int{6}, Kernel: 4, Pool: 3, Mean: true, Activation: model.GELU, Classes: 6,
		}, Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			c.opt.Half = true
			trainsAlike(t, c.model, c.opt)
		})
	}
}

func trainsAlike(t *testing.T, m model.Model, opt Options) {
	r := rand.New(rand.NewPCG(5, 5))
	e, ref := sameGradient(t, m, opt, enginetest.Batch(r, m, 3, 37), 3e-2)
	for i := range 10 {
		b, h := enginetest.Batch(r, m, 2, 20), engine.Hyper{Rate: 3e-3, WeightDecay: 0.1, ClipNorm: 0.5}
		want, err := ref.Step(b, h)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Step(b, h)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got-want) > 3e-2*math.Max(1, want) {
			t.Errorf("step %d: loss %v, want %v", i, got, want)
		}
	}
}

// sameGradient returns an engine and the reference, which find the same gradient for b, up to a part of its
// norm.
func sameGradient(t *testing.T, m model.Model, opt Options, b engine.Batch, tolerance float64) (engine.Engine, *enginetest.Reference) {
	t.Helper()
	e, err := open(t, opt, "order=4")(m, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	ref, err := enginetest.NewReference(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []tensor.Writer{e.Params(), ref} {
		if err := model.Init(m, [32]byte{1}, to); err != nil {
			t.Fatal(err)
		}
	}
	want := ref.Gradient(b)
	loss, err := e.Gradient(b)
	if err != nil {
		t.Fatal(err)
	}
	got := make(tensor.Flat, e.Layout().Len())
	if err := tensor.Copy(e.Layout(), got, e.Grad()); err != nil {
		t.Fatal(err)
	}
	wide := make([]float64, len(got))
	for i, v := range got {
		wide[i] = float64(v)
	}
	if far := distance(wide, ref.Grads); !(far < tolerance) || math.Abs(loss-want) > tolerance/3*math.Max(1, want) {
		t.Errorf("loss %v, want %v; the gradient is off by %.2g of its norm", loss, want, far)
	}
	return e, ref
}

// TestWideHeads: the kernels of such take both kinds of values.
func TestWideHeads(t *testing.T) {
	m := model.Llama{Dim: 132, Layers: 1, Heads: 1, KVHeads: 1, FFN: 8, Vocab: 8, Context: 40, RopeTheta: 100, NormEps: 1e-5}
	for half, tolerance := range map[bool]float64{false: 1e-5, true: 3e-2} {
		t.Run(fmt.Sprintf("bf16 %v", half), func(t *testing.T) {
			sameGradient(t, m, Options{Half: half}, enginetest.Batch(rand.New(rand.NewPCG(5, 5)), m, 2, 19), tolerance)
		})
	}
}

// TestHalfIsRepeated: the same bits, however threads and blocks are ordered.
func TestHalfIsRepeated(t *testing.T) {
	m := model.Llama{Dim: 32, Layers: 1, Heads: 4, KVHeads: 2, FFN: 40, Vocab: 5, Context: 80, RopeTheta: 10000, NormEps: 1e-5, Tied: true}
	var first tensor.Flat
	for _, order := range []string{"order=1", "order=2"} {
		card := cudatest.Use(t, cudatest.Kernels(), order)
		e, err := on(t, card, m, Options{Half: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := model.Init(m, [32]byte{1}, e.Params()); err != nil {
			t.Fatal(err)
		}
		b := enginetest.Batch(rand.New(rand.NewPCG(5, 5)), m, 3, 70)
		if _, err := e.Gradient(b); err != nil {
			t.Fatal(err)
		}
		got := make(tensor.Flat, e.layout.Len())
		if err := tensor.Copy(e.layout, got, e.Grad()); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		for i, v := range got {
			if math.Float32bits(v) != math.Float32bits(first[i]) {
				t.Fatalf("%s: gradient %d is %v, was %v", order, i, v, first[i])
			}
		}
	}
}

// TestHalvesFollow: what products take is the parameters, rounded, whoever changed them: steps of
// both kinds, or a hand. One that is not taken changes neither.
func TestHalvesFollow(t *testing.T) {
	m := model.Llama{Dim: 36, Layers: 1, Heads: 6, KVHeads: 2, FFN: 37, Vocab: 29, Context: 80, RopeTheta: 500, NormEps: 1e-5}
	e, err := on(t, cudatest.Use(t, cudatest.Kernels(), "order=2"), m, Options{Half: true, Muon: true, Frozen: append([]bool{true}, make([]bool, 11)...)})
	if err != nil {
		t.Fatal(err)
	}
	follow := func(after string) {
		t.Helper()
		n := e.Layout().Len()
		params, halves := e.get(t, e.program.params, n), e.get(t, e.program.halves, n)
		for i, v := range params {
			if want := float64(floatOf(halfOf(float32(v)))); halves[i] != want {
				t.Fatalf("%s: parameter %d is %v and in bf16 %v, want %v", after, i, v, halves[i], want)
			}
		}
	}
	if err := model.Init(m, [32]byte{1}, e.Params()); err != nil {
		t.Fatal(err)
	}
	b := enginetest.Batch(rand.New(rand.NewPCG(5, 5)), m, 2, 20)
	for i := range 6 {
		if _, err := e.Step(b, engine.Hyper{Rate: 1e-2, WeightDecay: 0.1, Muon: i%2 == 1}); err != nil {
			t.Fatal(err)
		}
		follow("a step")
	}
	last := tensor.Chunk{Offset: e.Layout().Len() - 2, Len: 2}
	if err := e.Params().WriteChunk(last, []float32{0.3, float32(math.NaN())}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Step(b, engine.Hyper{Rate: 1e-2}); !errors.Is(err, engine.ErrNotFinite) {
		t.Fatal(err)
	}
	if err := e.Params().WriteChunk(last, []float32{0.3, 0.7}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Loss(b); err != nil {
		t.Fatal(err)
	}
	follow("a hand")
}
