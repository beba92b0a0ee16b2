package enginetest

// This file holds the conformance kit's agreement with the reference.

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/engine"
	"lode/engine/model"
	"lode/tensor"
)

// Open returns a fresh engine for a model of which those tensors are frozen, and those
// left alone by weight decay; none if nil. Its parameters may be anything.
type Open func(m model.Model, frozen, noDecay []bool) (engine.Engine, error)

// Run holds the engines that open returns to everything package engine promises.
func Run(t *testing.T, open Open) { RunOf(t, open, func(model.Model) bool { return true }) }

// RunOf is Run for the models that an engine can train.
func RunOf(t *testing.T, open Open, can func(model.Model) bool) {
	num := 0
	for name, m := range models() {
		if !can(m) {
			continue
		}
		num++
		half := kit{open, m, nil, false}
		for i := range half.layout(t).NumTensors() {
			half.frozen = append(half.frozen, i%2 == 1)
		}
		t.Run(name+", half of it frozen", func(t *testing.T) {
			t.Run("frozen", half.stays)
			t.Run("gradient", half.gradient)
			t.Run("steps", half.steps)
			t.Run("clipping", half.clipping)
			t.Run("state", half.state)
			t.Run("bad state", half.badState)
		})
		half.muon = true
		t.Run(name+", half of it frozen, Muon", func(t *testing.T) {
			t.Run("frozen", half.stays)
			t.Run("steps", half.steps)
			t.Run("state", half.state)
		})
		orthogonal := kit{open, m, nil, true}
		t.Run(name+", Muon", func(t *testing.T) {
			t.Run("steps", orthogonal.steps)
			t.Run("decay", orthogonal.decay)
			t.Run("state", orthogonal.state)
			t.Run("zeros", orthogonal.zeros)
			t.Run("not finite", orthogonal.notFinite)
		})
		k := kit{open, m, nil, false}
		t.Run(name, func(t *testing.T) {
			t.Run("frozen", k.stays)
			t.Run("parameters", k.parameters)
			t.Run("vectors", k.vectors)
			t.Run("compress", k.compress)
			t.Run("dots", k.dots)
			t.Run("changed vectors", k.changed)
			t.Run("grades", k.grades)
			t.Run("predictions", k.predictions)
			t.Run("gradient", k.gradient)
			t.Run("steps", k.steps)
			t.Run("clipping", k.clipping)
			t.Run("decay", k.decay)
			t.Run("state", k.state)
			t.Run("zeros", k.zeros)
			t.Run("bad state", k.badState)
			t.Run("bad input", k.badInput)
			t.Run("not finite", k.notFinite)
			t.Run("closed", k.closed)
		})
	}
	if num == 0 {
		t.Error("the engine can train none of the models")
	}
}

type kit struct {
	open   Open
	model  model.Model
	frozen []bool // of each tensor; nil freezes none
	muon   bool   // steps are Muon's
}

func (k kit) layout(t *testing.T) tensor.Layout {
	t.Helper()
	l, err := model.Layout(k.model)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// engine opens an engine with drawn parameters.
func (k kit) engine(t *testing.T) engine.Engine {
	t.Helper()
	e, err := k.open(k.model, k.frozen, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	if err := model.Init(k.model, [32]byte{1, 2, 3}, e.Params()); err != nil {
		t.Fatal(err)
	}
	return e
}

func (k kit) reference(t *testing.T) *Reference {
	t.Helper()
	r, err := NewReference(k.model)
	if err != nil {
		t.Fatal(err)
	}
	r.Frozen = k.frozen
	if err := model.Init(k.model, [32]byte{1, 2, 3}, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// snapshot reads all parameters.
func snapshot(t *testing.T, e engine.Engine) tensor.Flat {
	t.Helper()
	return read(t, e.Layout(), e.Params())
}

func sameBits(t *testing.T, what string, got, want tensor.Flat) {
	t.Helper()
	for i, v := range got {
		if math.Float32bits(v) != math.Float32bits(want[i]) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, v, want[i])
		}
	}
}

// parameters must come back as written, under the model's names.
func (k kit) parameters(t *testing.T) {
	e := k.engine(t)
	l, want := e.Layout(), k.layout(t)
	if l.Len() != want.Len() || l.NumTensors() != want.NumTensors() {
		t.Fatalf("layout has %d values in %d tensors, want %d in %d", l.Len(), l.NumTensors(), want.Len(), want.NumTensors())
	}
	for i := range l.NumTensors() {
		if l.Spec(i).Name != want.Spec(i).Name {
			t.Fatalf("tensor %d is %s, want %s", i, l.Spec(i).Name, want.Spec(i).Name)
		}
	}
	drawn := make(tensor.Flat, l.Len())
	if err := model.Init(k.model, [32]byte{1, 2, 3}, drawn); err != nil {
		t.Fatal(err)
	}
	sameBits(t, "parameters", snapshot(t, e), drawn)
}

// stays says that what is frozen, and only that, keeps its bits, decay or not, and
// has a gradient of zeros.
func (k kit) stays(t *testing.T) {
	e := k.engine(t)
	l, before := e.Layout(), snapshot(t, e)
	k.train(t, e, 4, 3)
	after, grad := snapshot(t, e), read(t, l, e.Grad())
	for i := range l.NumTensors() {
		lo, hi := l.Offset(i), l.Offset(i)+l.Spec(i).Len()
		frozen := k.frozen != nil && k.frozen[i]
		says := l.Spec(i).Kind == tensor.Frozen
		if says != frozen || slices.Equal(after[lo:hi], before[lo:hi]) != frozen {
			t.Fatalf("%s: frozen %v, but the engine says %v, or it moved or not", l.Spec(i).Name, frozen, says)
		}
		if frozen {
			sameBits(t, "gradient of "+l.Spec(i).Name, grad[lo:hi], make(tensor.Flat, hi-lo))
			sameBits(t, l.Spec(i).Name, after[lo:hi], before[lo:hi])
		}
	}
}

// gradient must agree element by element, for shapes in turn. The tolerance is a
// thousand float32 roundings of the largest element.
func (k kit) gradient(t *testing.T) {
	e, ref := k.engine(t), k.reference(t)
	r := rand.New(rand.NewPCG(4, 5))
	for _, z := range [][2]int{{2, 7}, {1, 1}, {3, 16}, {1, 70}, {5, 33}, {2, 7}} {
		b := Batch(r, k.model, z[0], z[1])
		want := ref.Gradient(b)
		got, err := e.Gradient(b)
		if err != nil {
			t.Fatal(err)
		}
		only, err := e.Loss(b)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got-want) > 1e-5 || math.Abs(only-want) > 1e-5 {
			t.Fatalf("shape %v: loss is %v and %v, want %v", z, got, only, want)
		}
		k.compareGradient(t, e, ref.Grads)
	}
}

func (k kit) compareGradient(t *testing.T, e engine.Engine, want []float64) {
	t.Helper()
	largest := 0.0
	for _, g := range want {
		largest = math.Max(largest, math.Abs(g))
	}
	grad := read(t, e.Layout(), e.Grad())
	for c := range e.Layout().Chunks() {
		for i, g := range grad[c.Offset : c.Offset+c.Len] {
			if w := want[c.Offset+i]; !(math.Abs(float64(g)-w) <= 1e-4*math.Abs(w)+1e-5*largest) {
				t.Fatalf("%s: gradient %d is %v, want %v", e.Layout().Spec(c.Tensor).Name, c.Index*tensor.ChunkLen+i, g, w)
			}
		}
	}
}

// steps must lower the loss as the reference does, with clipping, decay and
// changing settings. Gradients near zero may flip the sign of an AdamW step, so
// the tolerance grows to 1e-4 nats.
func (k kit) steps(t *testing.T) {
	e, ref := k.engine(t), k.reference(t)
	r := rand.New(rand.NewPCG(6, 7))
	first, last := 0.0, 0.0
	for i := range 12 {
		h := engine.Hyper{Rate: 3e-3, WeightDecay: 0.1, ClipNorm: 0.5}
		if i > 5 {
			h = engine.Hyper{Rate: 2e-3, Beta1: 0.8, Beta2: 0.99, Epsilon: 1e-6}
		}
		h.Muon = k.muon
		b := Batch(r, k.model, 2, 12)
		want, err := ref.Step(b, h)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Step(b, h)
		if err != nil {
			t.Fatal(err)
		}
		if !(math.Abs(got-want) <= 1e-4) {
			t.Fatalf("step %d: loss is %v, want %v", i, got, want)
		}
		if last = got; i == 0 {
			first = got
		}
	}
	if last > first-0.1 {
		t.Fatalf("loss went from %v to %v: nothing was learnt", first, last)
	}
}

// zeros have no gradient but in the last bias; a step from them must leave them.
func (k kit) zeros(t *testing.T) {
	e, ref := k.engine(t), k.reference(t)
	clear(ref.Params)
	none := make(tensor.Flat, e.Layout().Len())
	if err := tensor.Copy(e.Layout(), e.Params(), none); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b := Batch(rand.New(rand.NewPCG(1, 0)), k.model, 2, 9)
		if _, err := ref.Step(b, k.settings()); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Step(b, k.settings()); err != nil {
			t.Fatal(err)
		}
	}
	for i, v := range snapshot(t, e) {
		if w := ref.Params[i]; !(math.Abs(float64(v)-w) <= 1e-6) || w == 0 && math.Float32bits(v) != 0 {
			t.Fatalf("after steps from zeros: parameter %d is %v, want %v", i, v, w)
		}
	}
}

// clipping must start at the norm it names and scale what is above it to it. A
// large epsilon makes AdamW steps proportional to the gradient, so that the
// parameters show the factor.
func (k kit) clipping(t *testing.T) {
	b := Batch(rand.New(rand.NewPCG(2, 7)), k.model, 2, 12)
	for _, limit := range []float64{0.3, 0.8, 1.2} {
		e, ref := k.engine(t), k.reference(t)
		ref.Gradient(b)
		h := engine.Hyper{Rate: 1, Epsilon: 10, ClipNorm: float32(limit * math.Sqrt(dot(ref.Grads, ref.Grads)))}
		if _, err := ref.Step(b, h); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Step(b, h); err != nil {
			t.Fatal(err)
		}
		for i, v := range snapshot(t, e) {
			if w := ref.Params[i]; !(math.Abs(float64(v)-w) <= 1e-6+1e-6*math.Abs(w)) {
				t.Fatalf("clipped at %v times the norm: parameter %d is %v, want %v", limit, i, v, w)
			}
		}
	}
}
