package yuma

// This file holds the benchmark: every validator weighs every neuron.

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// fullState has v validators that weigh all of n neurons and hold bonds on them.
func fullState(n, v int) State {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(v)))
	s := State{Block: 1000, LastStep: 640, Emission: 1e9, Neurons: make([]Neuron, n)}
	for i := range s.Neurons {
		nn := &s.Neurons[i]
		nn.LastUpdate = 900
		if i >= v {
			continue
		}
		nn.Stake = 1 + rng.Uint64N(1e15)
		nn.Permit = true
		for j := range n {
			nn.Weights = append(nn.Weights, Entry{uint16(j), uint16(1 + rng.IntN(full))})
			nn.Bonds = append(nn.Bonds, Entry{uint16(j), uint16(1 + rng.IntN(full))})
		}
	}
	return s
}

func BenchmarkEpoch(b *testing.B) {
	liquid := DefaultParams()
	liquid.LiquidAlpha = true
	pairs, shares := DefaultParams(), DefaultParams()
	shares.Version = Yuma2
	for _, size := range [][2]int{{256, 64}, {4096, 128}} {
		s := fullState(size[0], size[1])
		for _, rule := range []struct {
			name string
			p    Params
		}{{"yuma3", pairs}, {"liquid", liquid}, {"yuma2", shares}} {
			b.Run(fmt.Sprintf("%s/%d/%d", rule.name, size[0], size[1]), func(b *testing.B) {
				rule.p.MaxValidators = size[1]
				var w Workspace
				b.ReportAllocs()
				for b.Loop() {
					if _, err := w.Epoch(rule.p, s); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
