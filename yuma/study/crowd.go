package study

// This file holds states of any size, to time epochs with.

import (
	"math/rand/v2"

	"lode/yuma"
)

// Crowd returns a state of n neurons of which the first are validators, all active,
// each with random stake and random weights and bonds on perRow targets, drawn anew
// for each. perRow is at most n; the same arguments give the same state.
func Crowd(n, validators, perRow int, seed uint64) yuma.State {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	s := yuma.State{Block: 1000, LastStep: 640, Emission: 1e9, Neurons: make([]yuma.Neuron, n)}
	for i := range s.Neurons {
		nn := &s.Neurons[i]
		nn.LastUpdate = 900
		if i >= validators {
			continue
		}
		nn.Stake, nn.Permit = 1+rng.Uint64N(1e15), true
		left := perRow
		for j := range n {
			if rng.IntN(n-j) < left { // selection sampling: exactly perRow are drawn
				left--
				nn.Weights = append(nn.Weights, yuma.Entry{UID: uint16(j), Value: uint16(1 + rng.IntN(levels))})
				nn.Bonds = append(nn.Bonds, yuma.Entry{UID: uint16(j), Value: uint16(1 + rng.IntN(levels))})
			}
		}
	}
	return s
}
