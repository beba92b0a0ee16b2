package cpu

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"lode/engine"
	"lode/engine/enginetest"
	"lode/engine/model"
)

func testBatch(r *rand.Rand, rows, steps, vocab int) engine.Batch {
	inputs, targets := make([]int32, rows*steps), make([]int32, rows*steps)
	x := r.IntN(vocab)
	for i := range inputs {
		inputs[i] = int32(x)
		x = (x*5 + 7 + r.IntN(3)) % vocab
		targets[i] = int32(x)
	}
	return engine.Tokens(rows, steps, inputs, targets)
}

func newEngine(tb testing.TB, m model.Model, opt Options) *Engine {
	e, err := New(m, opt)
	if err != nil {
		tb.Fatal(err)
	}
	if err := model.Init(m, [32]byte{1}, e.Params()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = e.Close() })
	return e
}

func TestLossFalls(t *testing.T) {
	m := model.Default()
	e := newEngine(t, m, Options{})
	r := rand.New(rand.NewPCG(1, 2))
	var first, last float64
	for i := range 60 {
		loss, err := e.Step(testBatch(r, 8, 64, m.Vocab), engine.Hyper{Rate: 3e-3, WeightDecay: 0.1, ClipNorm: 1})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = loss
		}
		last = loss
	}
	t.Log(first, last)
	if !(first > 5 && first < 6.5 && last < 2) {
		t.Fatalf("loss went from %v to %v", first, last)
	}
}

func benchStep(b *testing.B, m model.Model, h engine.Hyper, rows, steps int, frozen ...bool) {
	e := newEngine(b, m, Options{Frozen: frozen})
	r := rand.New(rand.NewPCG(1, 2))
	batch := enginetest.Batch(r, m, rows, steps)
	if _, err := e.Step(batch, h); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := e.Step(batch, h); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*rows*steps)/b.Elapsed().Seconds(), "positions/s")
}

var (
	adamW = engine.Hyper{Rate: 1e-3}
	muons = engine.Hyper{Rate: 1e-3, Muon: true}
)

func BenchmarkStepDefault(b *testing.B)     { benchStep(b, model.Default(), adamW, 8, 64) }
func BenchmarkStepDefaultMuon(b *testing.B) { benchStep(b, model.Default(), muons, 8, 64) }
func BenchmarkStepMedium(b *testing.B)      { benchStep(b, medium(), adamW, 8, 128) }
func BenchmarkStepMediumMuon(b *testing.B)  { benchStep(b, medium(), muons, 8, 128) }

// Of examples a batch has as many rows as positions.
func BenchmarkStepLeNet(b *testing.B) { benchStep(b, model.LeNet(28, 28, 10), adamW, 1, 64) }

func BenchmarkStepMLP(b *testing.B) {
	benchStep(b, model.MLP{Input: []int{784}, Hidden: []int{256}, Activation: model.ReLU, Classes: 10}, adamW, 1, 256)
}

func medium() model.Llama {
	m := model.Default()
	m.Dim, m.Layers, m.FFN = 128, 4, 512
	return m
}

// BenchmarkStepFrozen trains the last of four layers alone.
func BenchmarkStepFrozen(b *testing.B) {
	m := medium()
	l, err := model.Layout(m)
	if err != nil {
		b.Fatal(err)
	}
	frozen := make([]bool, l.NumTensors())
	for t := range frozen {
		frozen[t] = !strings.HasPrefix(l.Spec(t).Name, "model.layers.3.")
	}
	benchStep(b, m, adamW, 8, 128, frozen...)
}

// TestThreadsChangeNothing: any number of threads gives the same bits.
func TestThreadsChangeNothing(t *testing.T) {
	small, wide := smallModel(), model.Default()
	wide.Layers = 1
	threadsChangeNothing(t, small, engine.Hyper{Rate: 1e-2, ClipNorm: 0.1})
	threadsChangeNothing(t, wide, engine.Hyper{Rate: 1e-2, ClipNorm: 0.1, Muon: true})
	threadsChangeNothing(t, model.LeNet(17, 16, 10), engine.Hyper{Rate: 1e-2, ClipNorm: 0.1, Muon: true})
	threadsChangeNothing(t, model.MLP{Input: []int{40}, Hidden: []int{300}, Activation: model.GELU, Outputs: 50}, engine.Hyper{Rate: 1e-2})
}

func threadsChangeNothing(t *testing.T, m model.Model, h engine.Hyper) {
	t.Helper()
	var want []float64
	for _, threads := range []int{1, 2, 5} {
		e := newEngine(t, m, Options{Threads: threads})
		r := rand.New(rand.NewPCG(2, 2))
		for i := range 4 {
			loss, err := e.Step(enginetest.Batch(r, m, 5, 30), h)
			if err != nil {
				t.Fatal(err)
			}
			if threads == 1 {
				want = append(want, loss)
			} else if loss != want[i] {
				t.Fatalf("step %d with %d threads: loss is %v, want %v", i, threads, loss, want[i])
			}
		}
	}
}

// TestLongSequences: strips of queries, whole and not, must give the gradient of the
// reference.
func TestLongSequences(t *testing.T) {
	if testing.Short() {
		t.Skip("the reference takes a second")
	}
	m := smallModel()
	m.Context = 300
	compareReference(t, m, 1, 297)
	compareReference(t, m, 1, 2*queryRows)
}

// TestLargeVocabulary: logits computed in several blocks must give the gradient
// of the reference.
func TestLargeVocabulary(t *testing.T) {
	for _, tied := range []bool{true, false} {
		m := smallModel()
		m.Layers, m.Dim, m.Heads, m.KVHeads, m.Tied = 1, 8, 2, 1, tied
		m.Vocab, m.Context = headValues/headRows+1, headRows
		compareReference(t, m, 2, headRows/2+3)
	}
}

func compareReference(t *testing.T, m model.Model, rows, steps int, frozen ...bool) {
	t.Helper()
	e, ref := newEngine(t, m, Options{Threads: 2, Frozen: frozen}), newReference(t, m)
	ref.Frozen = frozen
	takes, _ := m.Takes()
	b := testBatch(rand.New(rand.NewPCG(2, 2)), rows, steps, takes.Limit)
	want := ref.Gradient(b)
	got, err := e.Gradient(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := got - want; d > 1e-5 || d < -1e-5 {
		t.Fatalf("loss is %v, want %v", got, want)
	}
	if only, err := e.Loss(b); err != nil || only != got {
		t.Fatalf("loss is %v without the gradient, %v with it (%v)", only, got, err)
	}
	for i, g := range e.grads {
		if d := float64(g) - ref.Grads[i]; d > 1e-5 || d < -1e-5 {
			t.Fatalf("gradient %d is %v, want %v", i, g, ref.Grads[i])
		}
	}
}

// TestFrozen: whatever is frozen, the rest has the gradient of the reference, and
// there are moments of nothing else.
func TestFrozen(t *testing.T) {
	for _, tied := range []bool{true, false} {
		m := model.Llama{Dim: 12, Layers: 2, Heads: 2, KVHeads: 1, FFN: 7, Vocab: 11, Context: 8, RopeTheta: 1e4, NormEps: 1e-5, Tied: tied}
		l, err := model.Layout(m)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(3, 3))
		for i := range 2 * l.NumTensors() {
			frozen, left := make([]bool, l.NumTensors()), 0
			for k := range frozen {
				if frozen[k] = k != i && (i < l.NumTensors() || r.IntN(2) == 0); !frozen[k] { // each alone, then some
					left += l.Spec(k).Len()
				}
			}
			if left == 0 {
				continue
			}
			compareReference(t, m, 2, 6, frozen...)
			if e := newEngine(t, m, Options{Frozen: frozen}); len(e.adam.First) != left || len(e.adam.Second) != left {
				t.Fatalf("moments of %d and %d values, %d are trained", len(e.adam.First), len(e.adam.Second), left)
			}
		}
	}
}

func newReference(t *testing.T, m model.Model) *enginetest.Reference {
	r, err := enginetest.NewReference(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := model.Init(m, [32]byte{1}, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestManyShapes: shapes beyond those kept are rebuilt and agree with before.
func TestManyShapes(t *testing.T) {
	m := smallModel()
	e := newEngine(t, m, Options{})
	first := map[int]float64{}
	for range 2 {
		for steps := 1; steps <= maxGraphs+2; steps++ {
			loss, err := e.Loss(testBatch(rand.New(rand.NewPCG(1, 1)), 2, steps, m.Vocab))
			if err != nil {
				t.Fatal(err)
			}
			if was, ok := first[steps]; ok && was != loss {
				t.Fatalf("%d steps: loss was %v and is %v", steps, was, loss)
			}
			first[steps] = loss
			if len(e.graphs) > maxGraphs {
				t.Fatalf("%d graphs are kept", len(e.graphs))
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(model.Default(), Options{Threads: -1}); err == nil {
		t.Fatal("negative threads accepted")
	}
	if _, err := New(model.Default(), Options{Threads: MaxThreads + 1}); err == nil {
		t.Fatal("too many threads accepted")
	}
	l, err := model.Layout(model.Default())
	if err != nil {
		t.Fatal(err)
	}
	all := make([]bool, l.NumTensors())
	for i := range all {
		all[i] = true
	}
	for what, frozen := range map[string][]bool{"empty": {}, "one short": make([]bool, len(all)-1), "one more": make([]bool, len(all)+1), "all": all} {
		if _, err := New(model.Default(), Options{Frozen: frozen}); err == nil {
			t.Fatalf("frozen tensors, %s: accepted", what)
		}
	}
	if _, err := New(model.Llama{}, Options{}); err == nil {
		t.Fatal("empty model accepted")
	}
}

// FuzzReadState: any bytes are refused or become a state that is written as the
// same bytes.
func FuzzReadState(f *testing.F) {
	m := model.Llama{Dim: 2, Layers: 1, Heads: 1, KVHeads: 1, FFN: 1, Vocab: 2, Context: 2, RopeTheta: 1, NormEps: 1e-5, Tied: true}
	e := newEngine(f, m, Options{})
	for range 2 {
		var b bytes.Buffer
		if err := e.WriteState(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()/2])
		if _, err := e.Step(testBatch(rand.New(rand.NewPCG(1, 1)), 1, 2, 2), engine.Hyper{Rate: 1}); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bytes.NewReader(data)
		if e.ReadState(in) != nil {
			return
		}
		var out bytes.Buffer
		if err := e.WriteState(&out); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), data[:len(data)-in.Len()]) {
			t.Fatal("a state was written differently from how it was read")
		}
	})
}

func BenchmarkGradientWide(b *testing.B) {
	m := model.Default()
	e := newEngine(b, m, Options{})
	batch := testBatch(rand.New(rand.NewPCG(1, 2)), 32, 64, m.Vocab)
	for range b.N {
		if _, err := e.Gradient(batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*32*64)/b.Elapsed().Seconds(), "tokens/s")
}

func BenchmarkLossWide(b *testing.B) {
	m := model.Default()
	e := newEngine(b, m, Options{})
	batch := testBatch(rand.New(rand.NewPCG(1, 2)), 32, 64, m.Vocab)
	for range b.N {
		if _, err := e.Loss(batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*32*64)/b.Elapsed().Seconds(), "tokens/s")
}

func BenchmarkBuild(b *testing.B) {
	e := newEngine(b, model.Default(), Options{})
	for range b.N {
		g, err := e.build(shape{8, 64, true, false})
		if err != nil {
			b.Fatal(err)
		}
		_ = g.vm.Close()
	}
}
