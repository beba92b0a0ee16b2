package model

import (
	"math"
	"testing"

	"lode/engine"
)

func traceOf(t *testing.T, m Model) *Trace {
	t.Helper()
	trace, err := TraceOf(m)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// TestFit: the less memory there is, the thriftier the way; what is said to fit does, and
// what does not is the least.
func TestFit(t *testing.T) {
	m := Default()
	m.Layers = 12
	trace := traceOf(t, m)
	d := Demand{Engines: 2, Beside: 1000, Loads: []Load{{Rows: 64, Steps: m.Context, Gradient: true}}}
	whole, all, ok := trace.Fit(d, Work{}, math.MaxInt64)
	if !ok || whole.Recompute || whole.MicroRows != 0 || all != 2*trace.Account(whole).Total()+1000 {
		t.Fatalf("enough for all: %+v of %d bytes", whole, all)
	}
	ways, last := map[[2]int]bool{}, 1<<30
	for limit := all; ; limit -= all / 200 {
		w, n, ok := trace.Fit(d, Work{}, limit)
		if ok != (n <= limit) || n != d.bytes(trace.Account(w)) {
			t.Fatalf("%d bytes of %d for %+v: %v", n, limit, w, ok)
		}
		rows := w.MicroRows
		if rows == 0 {
			rows = 64
		}
		if rows > last || rows < 64 && !w.Recompute {
			t.Fatalf("%+v for %d bytes, %d rows for more", w, limit, last)
		}
		last = rows
		again := 0
		if w.Recompute {
			again = 1
		}
		ways[[2]int{rows, again}] = true
		if !ok {
			if less, _, ok := trace.Fit(d, Work{}, n); !ok || less.MicroRows != w.MicroRows {
				t.Fatalf("the least is %+v of %d bytes, which are said not to do", w, n)
			}
			break
		}
	}
	if len(ways) < 5 {
		t.Errorf("only %v", ways)
	}
	if w, _, ok := trace.Fit(d, Work{MicroRows: 7}, 1000); ok || w.MicroRows != 7 || !w.Recompute {
		t.Errorf("7 rows were asked for, and became %+v", w)
	}
}

// TestFitWithoutResiduals: where nothing can be computed again, parts alone save memory.
func TestFitWithoutResiduals(t *testing.T) {
	trace := traceOf(t, LeNet(28, 28, 10))
	d := Demand{Loads: []Load{{Rows: 512, Steps: 1, Gradient: true}}}
	_, all, _ := trace.Fit(d, Work{}, math.MaxInt64)
	if w, _, ok := trace.Fit(d, Work{}, all/2); !ok || w.Recompute || w.MicroRows == 0 {
		t.Errorf("half the memory: %+v, %v", w, ok)
	}
}

// TestAccountOfHugeModels: the largest that can be described do not overflow.
func TestAccountOfHugeModels(t *testing.T) {
	wide := make([]int, MaxLayers)
	for i := range wide {
		wide[i] = MaxDim
	}
	huge := Llama{Dim: MaxDim, Layers: 8, Heads: 1, KVHeads: 1, FFN: 4 * MaxDim, Vocab: MaxVocab, Context: MaxContext, RopeTheta: 1e4, NormEps: 1e-5}
	for _, m := range []Model{
		huge,
		MLP{Input: []int{MaxExample}, Hidden: wide, Activation: ReLU, Classes: 10},
		CNN{Input: []int{1, 1 << 12, 1 << 12}, Filters: []int{4, 4}, Kernel: 1, Pool: 1, Activation: ReLU, Classes: 10},
	} {
		load := Load{Rows: engine.MaxIDs, Steps: 1, Gradient: true}
		if inputs, _ := m.Takes(); inputs.Series {
			load.Rows, load.Steps = 1, MaxContext
		}
		d := Demand{Engines: 1024, Loads: []Load{load}}
		trace := traceOf(t, m)
		a := trace.Account(Work{Loads: d.Loads, Threads: 1024})
		if _, n, ok := trace.Fit(d, Work{Threads: 1024}, 1<<40); ok || n < 1<<40 || a.State <= 0 || a.Values < 0 || a.Work < 0 {
			t.Errorf("%s: %d bytes, %v, %+v", m.Family(), n, ok, a)
		}
	}
}
