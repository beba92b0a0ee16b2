package study

// This file holds states of any size, to time epochs with.

import (
	"math/rand/v2"

	"lode/yuma"
)

// Crowd returns a state of n neurons of which the first are validators, all active,
// each with random stake and random weights and bonds on the same perRow targets,
// drawn evenly: with targets of their own few would reach a majority, and most of an
// epoch would have nothing to do. perRow is at most n; the same arguments give the
// same state.
func Crowd(n, validators, perRow int, seed uint64) yuma.State {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	s := yuma.State{Block: 1000, LastStep: 640, Emission: 1e9, Neurons: make([]yuma.Neuron, n)}
	var targets []uint16
	for j := range n {
		if rng.IntN(n-j) < perRow-len(targets) { // selection sampling: exactly perRow are drawn
			targets = append(targets, uint16(j))
		}
	}
	row := func() (out []yuma.Entry) {
		for _, j := range targets {
			out = append(out, yuma.Entry{UID: j, Value: uint16(1 + rng.IntN(levels))})
		}
		return out
	}
	for i := range s.Neurons {
		nn := &s.Neurons[i]
		nn.LastUpdate = 900
		if i < validators {
			nn.Stake, nn.Permit = 1+rng.Uint64N(1e15), true
			nn.Weights, nn.Bonds = row(), row()
		}
	}
	return s
}
