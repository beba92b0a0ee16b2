package engine

import (
	"math"
	"strings"
	"testing"
)

func TestBatchValidate(t *testing.T) {
	good := Batch{Rows: 2, Steps: 2, Inputs: []int32{0, 1, 2, 3}, Targets: []int32{3, 2, 1, 0}}
	if err := good.Validate(4); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b    Batch
		says string
	}{
		"zero":            {Batch{}, "0 rows"},
		"negative rows":   {Batch{Rows: -1, Steps: -4, Inputs: good.Inputs, Targets: good.Targets}, "-1 rows"},
		"overflow":        {Batch{Rows: math.MaxInt, Steps: math.MaxInt}, "rows"},
		"too many tokens": {Batch{Rows: 2, Steps: MaxTokens/2 + 1}, "want 1 to"},
		"inputs missing":  {Batch{Rows: 2, Steps: 2, Targets: good.Targets}, "0 inputs"},
		"targets short":   {Batch{Rows: 2, Steps: 2, Inputs: good.Inputs, Targets: good.Targets[:3]}, "3 targets"},
		"input too large": {Batch{Rows: 1, Steps: 1, Inputs: []int32{4}, Targets: []int32{0}}, "input 0 is token 4"},
		"target negative": {Batch{Rows: 1, Steps: 1, Inputs: []int32{0}, Targets: []int32{-1}}, "target 0 is token -1"},
	} {
		if err := c.b.Validate(4); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error is %v, want one that says %q", name, err, c.says)
		}
	}
}

func TestHyperResolve(t *testing.T) {
	h, err := Hyper{Rate: 1}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if want := (Hyper{Rate: 1, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8}); h != want {
		t.Fatalf("defaults are %+v, want %+v", h, want)
	}
	set := Hyper{Rate: 1, Beta1: 0.5, Beta2: 0.6, Epsilon: 0.7, WeightDecay: 0.8, ClipNorm: 0.9}
	if h, err := set.Resolve(); err != nil || h != set {
		t.Fatalf("set values became %+v, %v", h, err)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for i, bad := range []Hyper{
		{Rate: -1},
		{Rate: nan},
		{Rate: inf},
		{Beta1: 1},
		{Beta1: -0.1},
		{Beta2: 1.5},
		{Beta2: nan},
		{Epsilon: -1},
		{Epsilon: inf},
		{WeightDecay: -1},
		{WeightDecay: nan},
		{ClipNorm: -1},
		{ClipNorm: inf},
	} {
		if _, err := bad.Resolve(); err == nil {
			t.Errorf("case %d: %+v was accepted", i, bad)
		}
	}
}
