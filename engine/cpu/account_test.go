package cpu

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"lode/engine"
	"lode/engine/enginetest"
	"lode/engine/model"
)

// held returns the bytes that live objects have.
func held() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools had is gone
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestAccount: what an engine holds after a step and a loss of each load is what the
// account says, within 15 % and what products pack.
func TestAccount(t *testing.T) {
	const slack = 4 << 20
	llama := func(dim, layers, kv, vocab int) model.Llama {
		return model.Llama{Dim: dim, Layers: layers, Heads: 4, KVHeads: kv, FFN: 3 * dim, Vocab: vocab, Context: 256, RopeTheta: 1e4, NormEps: 1e-5, Tied: true}
	}
	mlp := model.MLP{Input: []int{1, 28, 28}, Hidden: []int{512, 256}, Activation: model.ReLU, Classes: 10}
	cnn := model.CNN{Input: []int{3, 32, 32}, Filters: []int{32, 64}, Kernel: 5, Padding: 2, Pool: 2, Hidden: []int{256}, Activation: model.GELU, Classes: 10}
	for name, c := range map[string]struct {
		m    model.Model
		w    model.Work
		muon bool
	}{
		"llama":             {m: llama(64, 4, 4, 256), w: model.Work{Loads: []model.Load{{Rows: 16, Steps: 64, Gradient: true}}}},
		"llama, long":       {m: llama(64, 2, 1, 256), w: model.Work{Threads: 2, Loads: []model.Load{{Rows: 16, Steps: 256, Gradient: true}}}},
		"llama, words":      {m: llama(128, 2, 2, 20000), w: model.Work{Threads: 2, Loads: []model.Load{{Rows: 4, Steps: 64, Gradient: true}}}},
		"llama, several":    {m: llama(64, 4, 4, 256), w: model.Work{Threads: 3, Loads: []model.Load{{Rows: 16, Steps: 64, Gradient: true}, {Rows: 9, Steps: 100, Gradient: true}, {Rows: 64, Steps: 128}}}},
		"llama, again":      {m: llama(64, 12, 4, 256), w: model.Work{Recompute: true, Loads: []model.Load{{Rows: 32, Steps: 64, Gradient: true}}}},
		"llama, parts":      {m: llama(128, 4, 4, 256), w: model.Work{MicroRows: 3, Loads: []model.Load{{Rows: 32, Steps: 64, Gradient: true}}}},
		"llama, both":       {m: llama(128, 12, 4, 256), w: model.Work{MicroRows: 4, Recompute: true, Threads: 2, Loads: []model.Load{{Rows: 32, Steps: 64, Gradient: true}}}},
		"llama, Muon":       {m: llama(256, 4, 4, 256), w: model.Work{Threads: 2, Muon: true, Loads: []model.Load{{Rows: 4, Steps: 64, Gradient: true}}}},
		"llama, loss alone": {m: llama(64, 12, 4, 256), w: model.Work{Loads: []model.Load{{Rows: 64, Steps: 128}}}},
		"mlp":               {m: mlp, w: model.Work{Threads: 2, Loads: []model.Load{{Rows: 4096, Steps: 1, Gradient: true}}}},
		"mlp, parts":        {m: mlp, w: model.Work{MicroRows: 1000, Loads: []model.Load{{Rows: 4096, Steps: 1, Gradient: true}}}},
		"cnn":               {m: cnn, w: model.Work{Loads: []model.Load{{Rows: 64, Steps: 1, Gradient: true}}}},
		"cnn, threads":      {m: cnn, w: model.Work{Threads: 8, Loads: []model.Load{{Rows: 16, Steps: 1, Gradient: true}, {Rows: 200, Steps: 1}}}},
	} {
		t.Run(name, func(t *testing.T) {
			trace, err := model.TraceOf(c.m)
			if err != nil {
				t.Fatal(err)
			}
			a := trace.Account(c.w)
			before := held()
			e := newEngine(t, c.m, Options{Threads: c.w.Threads, MicroRows: c.w.MicroRows, Recompute: c.w.Recompute})
			r := rand.New(rand.NewPCG(1, 2))
			for _, l := range c.w.Loads {
				b := enginetest.Batch(r, c.m, l.Rows, l.Steps)
				var err error
				if l.Gradient {
					_, err = e.Step(b, engine.Hyper{Rate: 1e-3, Muon: c.w.Muon})
				} else {
					_, err = e.Loss(b)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			got := held() - before
			runtime.KeepAlive(e)
			if want := a.Total(); float64(got) > 1.15*float64(want)+slack || float64(want) > 1.15*float64(got)+slack {
				t.Errorf("%d bytes are held, the account is of %d: %+v", got, want, a)
			}
		})
	}
}

// TestFitChangesNothing: whatever way of working is chosen for want of memory, the
// gradient is that of the whole batch: to the bit where values are computed again, up to
// rounding where the batch is taken in parts, and then to the bit as those parts without.
func TestFitChangesNothing(t *testing.T) {
	m := smallModel()
	m.Layers = 6
	trace, err := model.TraceOf(m)
	if err != nil {
		t.Fatal(err)
	}
	b := enginetest.Batch(rand.New(rand.NewPCG(2, 3)), m, 24, 32)
	d := model.Demand{Loads: []model.Load{{Rows: 24, Steps: 32, Gradient: true}}}
	whole, wholeGrads := gradientOf(t, m, Options{}, b)
	type way struct {
		rows  int
		again bool
	}
	ways := map[way]bool{}
	_, all, ok := trace.Fit(d, model.Work{}, math.MaxInt64)
	for limit := all; ok; limit -= all / 50 {
		var w model.Work
		w, _, ok = trace.Fit(d, model.Work{}, limit)
		this := way{w.MicroRows, w.Recompute}
		if ways[this] {
			continue
		}
		ways[this] = true
		loss, grads := gradientOf(t, m, Options{MicroRows: w.MicroRows, Recompute: w.Recompute}, b)
		parts, partsGrads := gradientOf(t, m, Options{MicroRows: w.MicroRows}, b)
		if loss != parts || math.Abs(loss-whole) > 1e-6 || w.MicroRows == 0 && loss != whole {
			t.Fatalf("%+v: loss is %v, of such parts %v, of the whole %v", this, loss, parts, whole)
		}
		for i, g := range grads {
			if math.Float32bits(g) != math.Float32bits(partsGrads[i]) || math.Abs(float64(g-wholeGrads[i])) > 1e-6 {
				t.Fatalf("%+v: gradient %d is %v, of such parts %v, of the whole %v", this, i, g, partsGrads[i], wholeGrads[i])
			}
		}
	}
	if len(ways) < 4 {
		t.Errorf("only %v", ways)
	}
}
