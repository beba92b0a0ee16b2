package model

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"lode/engine"
	"lode/tensor"
)

func custom() Custom {
	tokens := engine.Port{Shape: []int{16}, Series: true, Limit: 11}
	return Custom{
		Factory: "nano.models:build", Source: strings.Repeat("0a", 32), Inputs: tokens, Targets: tokens,
		Tensors: []CustomTensor{
			{Name: "words.weight", Shape: []int{11, 400}, Embedding: true, Spread: 0.5},
			{Name: "norm.weight", Shape: []int{400}, Value: 1},
			{Name: "up.weight", Shape: []int{30, 400}, Hidden: true, Value: -2, Spread: 0.25},
		},
	}
}

// A model of one's own comes back from its config, and is known without being
// described.
func TestCustom(t *testing.T) {
	m := custom()
	back, err := ParseConfig(m.Config())
	if err != nil || string(back.Config()) != string(m.Config()) {
		t.Fatal(back, err)
	}
	l, err := Layout(back)
	if err != nil || l.NumTensors() != 3 || l.Spec(0).Kind != tensor.Embedding || l.Spec(2).Kind != tensor.Weight {
		t.Fatal(l, err)
	}
	if h, err := Hidden(back); err != nil || h[0] || h[1] || !h[2] {
		t.Error(h, err)
	}
	x := make(tensor.Flat, l.Len())
	if err := Init(back, [32]byte{1}, x); err != nil {
		t.Fatal(err)
	}
	for i, c := range m.Tensors {
		sum, least, most := 0.0, math.Inf(1), math.Inf(-1)
		vals := x[l.Offset(i):][:l.Spec(i).Len()]
		for _, v := range vals {
			sum, least, most = sum+float64(v), math.Min(least, float64(v)), math.Max(most, float64(v))
		}
		value, spread := float64(c.Value), float64(c.Spread)
		if least < value-spread || most > value+spread || most-least < 1.9*spread || math.Abs(sum/float64(len(vals))-value) > spread/10 {
			t.Errorf("%s begins from %v to %v", c.Name, least, most)
		}
	}
}

func TestCustomRefuses(t *testing.T) {
	for says, spoil := range map[string]func(*Custom){
		"factory is":                func(m *Custom) { m.Factory = "os.system('rm')" },
		"loss is":                   func(m *Custom) { m.Loss = "nano" },
		"a function of the factory": func(m *Custom) { m.Loss = "micro:loss" },
		"source is":                 func(m *Custom) { m.Source = strings.Repeat("0A", 32) },
		"inputs have shape":         func(m *Custom) { m.Inputs.Shape = []int{0} },
		"targets have shape":        func(m *Custom) { m.Targets.Shape = []int{2, 3} },
		"inputs have ids":           func(m *Custom) { m.Inputs.Limit = -1 },
		"targets are a":             func(m *Custom) { m.Targets = engine.Port{Limit: 2} },
		"tensors are none":          func(m *Custom) { m.Tensors = nil },
		"listed twice":              func(m *Custom) { m.Tensors[1].Name = m.Tensors[0].Name },
		"out of range":              func(m *Custom) { m.Tensors[0].Shape = []int{math.MaxInt, 2} },
		"begin at 1 ± -1":           func(m *Custom) { m.Tensors[1].Spread = -1 },
		"begin at NaN":              func(m *Custom) { m.Tensors[1].Value = float32(math.NaN()) },
	} {
		m := custom()
		spoil(&m)
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", says, err)
		}
	}
}

// A config that is written can be read: one that would be too long is refused.
func TestCustomLength(t *testing.T) {
	many := func(n int) Custom {
		m := custom()
		for i := range n {
			m.Tensors = append(m.Tensors, CustomTensor{Name: fmt.Sprintf("transformer.layers.%d.weight", i), Shape: []int{4, 4}, Hidden: true, Spread: 0.02})
		}
		return m
	}
	m := many(1500)
	if back, err := ParseConfig(m.Config()); err != nil || len(back.(Custom).Tensors) != len(m.Tensors) {
		t.Error(err)
	}
	if err := many(8000).Validate(); err == nil || !strings.Contains(err.Error(), "make a config.json of") {
		t.Error(err)
	}
}
