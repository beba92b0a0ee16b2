package study

// This file holds the run of a situation under a variant, in floats or by the epoch
// that pays.

import (
	"fmt"
	"math"

	"lode/yuma"
)

// Variant is a rule to play a situation by: a float one of this package, or, if
// Exact is set, the epoch of package yuma. Title says what is particular, such as
// what part of a new bond it takes over in one epoch.
type Variant struct {
	Name, Title string
	Float       Params
	Exact       *yuma.Params
}

// Variants returns the published rules with their published parameters, and the
// integer epochs with those of the chain. The moving average of 0.975 and a penalty
// of 0 are what the charts of Yuma 3 use.
func Variants() []Variant {
	var out []Variant
	for r, title := range []string{"nothing is kept", "takes over 0.1", "takes over 0.1", "absolute bonds", "takes over 0.025"} {
		p := DefaultParams(Rule(r))
		out = append(out, Variant{Name: p.Rule.String(), Title: title, Float: p})
	}
	liquid := DefaultParams(Yuma3)
	liquid.Liquid = true
	out = append(out, Variant{Name: "yuma3-liquid", Title: "takes over 0.1 to 0.3", Float: liquid})

	two := yuma.DefaultParams()
	two.Version = yuma.Yuma2
	three := yuma.DefaultParams()
	three.BondsPenalty, three.BondsMovingAverage = 0, 975_000
	flowing := yuma.DefaultParams()
	flowing.BondsPenalty, flowing.LiquidAlpha = 0, true
	flowing.AlphaLow, flowing.AlphaHigh = 6553, 45875
	return append(out,
		Variant{Name: "exact2", Title: "integers, takes over 0.1", Exact: &two},
		Variant{Name: "exact3", Title: "integers, takes over 0.025", Exact: &three},
		Variant{Name: "exact3-liquid", Title: "integers, takes over 0.1 to 0.7", Exact: &flowing},
	)
}

// Play runs a situation and returns the outcome of each epoch.
func Play(s Situation, v Variant) ([]Outcome, error) {
	if v.Exact != nil {
		return playExact(s, *v.Exact)
	}
	sim, err := New(v.Float)
	if err != nil {
		return nil, err
	}
	var out []Outcome
	for _, step := range s.Steps {
		o, err := sim.Epoch(step.Stake, step.Weights)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// tempo is the number of blocks between the epochs of playExact; any would do.
const tempo = 10

// playExact gives validators the first uids and servers the others. All validators
// hold permits and are active.
func playExact(s Situation, p yuma.Params) ([]Outcome, error) {
	first := len(s.Validators)
	state := yuma.State{Block: 100, Emission: 1e9, Neurons: make([]yuma.Neuron, first+len(s.Servers))}
	var out []Outcome
	for _, step := range s.Steps {
		state.Block += tempo
		for i := range s.Validators {
			n := &state.Neurons[i]
			n.Stake = uint64(math.RoundToEven(step.Stake[i] * 1e9))
			n.Permit, n.LastUpdate = true, state.Block
			n.Weights = stored(step.Weights[i], first)
		}
		r, err := yuma.Epoch(p, state)
		if err != nil {
			return nil, fmt.Errorf("study: %w", err)
		}
		for i := range s.Validators {
			state.Neurons[i].Bonds = r.Bonds[i]
		}
		state.LastStep = state.Block
		out = append(out, outcome(r, first))
	}
	return out, nil
}

// stored scales a row as the chain stores it. Zeros are listed, as validators do.
func stored(row []float64, first int) []yuma.Entry {
	scores, values := make([]int64, len(row)), make([]uint16, len(row))
	for j, x := range row {
		scores[j] = int64(math.RoundToEven(x * 1e9))
	}
	yuma.MaxUpscale(values, scores)
	out := make([]yuma.Entry, len(row))
	for j, v := range values {
		out[j] = yuma.Entry{UID: uint16(first + j), Value: v}
	}
	return out
}

func outcome(r yuma.Result, first int) Outcome {
	o := Outcome{
		Consensus: floats(r.Consensus[first:]), Incentive: floats(r.Incentive[first:]),
		Dividends: floats(r.Dividends[:first]), Bonds: newMatrix(first, len(r.Stake)-first),
	}
	for i, row := range o.Bonds {
		for _, e := range r.Bonds[i] {
			row[int(e.UID)-first] = float64(e.Value) / levels
		}
	}
	return o
}

func floats(v []yuma.Q32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x) / (1 << 32)
	}
	return out
}
