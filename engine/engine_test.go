package engine

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestTokenBatches(t *testing.T) {
	text := Port{Shape: []int{MaxIDs}, Series: true, Limit: 4}
	in, out := []int32{0, 1, 2, 3}, []int32{3, 2, 1, 0}
	good := Tokens(2, 2, in, out)
	if err := good.Validate(text, text); err != nil || good.NumTargets() != 4 {
		t.Fatal(good.NumTargets(), err)
	}
	uneven := good
	uneven.Targets = Array{Shape: []int{1}, IDs: out[:2]}
	for name, c := range map[string]struct {
		b    Batch
		says string
	}{
		"zero":            {Batch{}, "0 rows"},
		"negative rows":   {Tokens(-1, -4, in, out), "-1 rows"},
		"negative steps":  {Tokens(1, -4, in, out), "inputs: rows of shape [-4], want at most [1048576]"},
		"no steps":        {Tokens(1, 0, nil, nil), "inputs: rows of shape [0]"},
		"overflow":        {Tokens(MaxIDs, MaxIDs, nil, nil), "want at most 1048576 ids"},
		"rows overflow":   {Tokens(math.MaxInt, math.MaxInt, nil, nil), "rows, want 1 to"},
		"too many tokens": {Tokens(2, MaxIDs/2+1, nil, nil), "want at most 1048576 ids"},
		"too many steps":  {Tokens(1, MaxIDs+1, nil, nil), "inputs: rows of shape [1048577]"},
		"inputs missing":  {Tokens(2, 2, nil, out), "inputs: 0 ids"},
		"targets short":   {Tokens(2, 2, in, out[:3]), "targets: 3 ids"},
		"input too large": {Tokens(1, 1, []int32{4}, []int32{0}), "inputs: value 0 is id 4, want 0 to 3"},
		"target negative": {Tokens(1, 1, []int32{0}, []int32{-1}), "targets: value 0 is id -1"},
		"shorter targets": {uneven, "targets: 1 steps, the inputs have 2"},
		"reals too":       {Batch{Rows: 1, Inputs: Array{Shape: []int{1}, IDs: in[:1], Reals: []float32{0}}, Targets: Array{Shape: []int{1}, IDs: in[:1]}}, "inputs: 1 ids and 1 reals"},
		"reals instead":   {Batch{Rows: 1, Inputs: Array{Shape: []int{1}, Reals: []float32{0}}, Targets: Array{Shape: []int{1}, IDs: in[:1]}}, "inputs: 0 ids and 1 reals"},
	} {
		if err := c.b.Validate(text, text); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error is %v, want one that says %q", name, err, c.says)
		}
	}
}

// Pictures of 2×3 with one of ten classes each.
func TestRealBatches(t *testing.T) {
	pixels, class := Port{Shape: []int{2, 3}}, Port{Limit: 10}
	batch := func(change func(*Batch)) Batch {
		b := Batch{Rows: 2, Inputs: Array{Shape: []int{2, 3}, Reals: make([]float32, 12)}, Targets: Array{IDs: []int32{9, 0}}}
		change(&b)
		return b
	}
	if b := batch(func(*Batch) {}); b.Validate(pixels, class) != nil || b.NumTargets() != 2 {
		t.Fatal(b.NumTargets(), b.Validate(pixels, class))
	}
	column := Port{Shape: []int{1}}
	if b := (Batch{Rows: 1, Inputs: Array{Shape: []int{1}, Reals: []float32{1}}, Targets: Array{Reals: []float32{2}}}); b.Validate(column, Port{}) != nil || b.NumTargets() != 1 {
		t.Fatal("a table was refused")
	}
	for name, c := range map[string]struct {
		change func(*Batch)
		says   string
	}{
		"flat":            {func(b *Batch) { b.Inputs.Shape = []int{6} }, "inputs: rows of shape [6], want [2 3]"},
		"shorter":         {func(b *Batch) { b.Inputs = Array{Shape: []int{1, 3}, Reals: make([]float32, 6)} }, "inputs: rows of shape [1 3]"},
		"zero wide":       {func(b *Batch) { b.Inputs.Shape = []int{2, 0} }, "inputs: rows of shape [2 0]"},
		"one pixel less":  {func(b *Batch) { b.Inputs.Reals = b.Inputs.Reals[1:] }, "inputs: 0 ids and 11 reals for 2 rows"},
		"ids instead":     {func(b *Batch) { b.Inputs = Array{Shape: []int{2, 3}, IDs: make([]int32, 12)} }, "inputs: 12 ids and 0 reals"},
		"not a number":    {func(b *Batch) { b.Inputs.Reals[11] = float32(math.NaN()) }, "inputs: value 11 is NaN"},
		"infinite":        {func(b *Batch) { b.Inputs.Reals[0] = float32(math.Inf(-1)) }, "inputs: value 0 is -Inf"},
		"eleventh class":  {func(b *Batch) { b.Targets.IDs[1] = 10 }, "targets: value 1 is id 10, want 0 to 9"},
		"class in a list": {func(b *Batch) { b.Targets.Shape = []int{1} }, "targets: rows of shape [1], want []"},
		"class missing":   {func(b *Batch) { b.Targets.IDs = b.Targets.IDs[:1] }, "targets: 1 ids and 0 reals for 2 rows"},
	} {
		if err := batch(c.change).Validate(pixels, class); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error is %v, want one that says %q", name, err, c.says)
		}
	}
	wide := Port{Shape: []int{MaxReals/2 + 1}}
	if err := (Batch{Rows: 2, Inputs: Array{Shape: wide.Shape}}).Validate(wide, class); err == nil || !strings.Contains(err.Error(), "at most 67108864 reals") {
		t.Errorf("too many reals: %v", err)
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

// TestParts: a batch cut into parts is the batch.
func TestParts(t *testing.T) {
	b := Batch{Rows: 3, Inputs: Array{Shape: []int{2}, Reals: []float32{1, 2, 3, 4, 5, 6}}, Targets: Array{IDs: []int32{7, 8, 9}}}
	p := b.Part(1, 3)
	if p.Rows != 2 || !slices.Equal(p.Inputs.Reals, []float32{3, 4, 5, 6}) || !slices.Equal(p.Targets.IDs, []int32{8, 9}) || p.NumTargets() != 2 {
		t.Fatalf("rows 1 and 2 are %+v", p)
	}
	if err := p.Validate(Port{Shape: []int{2}}, Port{Limit: 10}); err != nil {
		t.Fatal(err)
	}
}
