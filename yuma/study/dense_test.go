package study_test

// This file holds the comparison of the integer epoch with its slow twin.

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/yuma"
	"lode/yuma/study"
)

// Integers are cut to 2⁻³² in every step; over sums of a few dozen that stays far
// below this.
const twinTolerance = 1e-6

func TestIntegersFollowTheirTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(51, 52))
	earned := 0
	for k := range 400 {
		n := 2 + rng.IntN(30)
		s := study.Crowd(n, 1+rng.IntN(n), 1+rng.IntN(n), rng.Uint64())
		for i := range s.Neurons {
			nn := &s.Neurons[i]
			nn.Registered = 500 + rng.Uint64N(450)
			nn.Owner = rng.IntN(20) == 0
			nn.Permit = nn.Permit && rng.IntN(8) > 0
			nn.HasCommit, nn.Commit = rng.IntN(2) == 0, 700+rng.Uint64N(300)
			nn.LastUpdate = 800 + rng.Uint64N(200)
			some := func(yuma.Entry) bool { return rng.IntN(4) == 0 }
			nn.Weights, nn.Bonds = slices.DeleteFunc(nn.Weights, some), slices.DeleteFunc(nn.Bonds, some)
		}
		p := yuma.DefaultParams()
		p.Version = yuma.Version(rng.IntN(2))
		p.LiquidAlpha, p.LiquidDecaysAbsent = rng.IntN(2) == 0, true
		p.BondsPenalty = []uint16{0, uint16(rng.Uint32()), 65535}[rng.IntN(3)]
		p.CommitReveal = rng.IntN(2) == 0
		p.ActivityCutoff = 150
		p.StakeThreshold = rng.Uint64N(1e14)
		r, err := yuma.Epoch(p, s)
		if err != nil {
			t.Fatal(err)
		}
		d := study.Dense(p, s)
		for _, v := range []struct {
			name string
			got  []yuma.Q32
			want []float64
		}{
			{"active stake", r.ActiveStake, d.ActiveStake},
			{"consensus", r.Consensus, d.Consensus},
			{"incentive", r.Incentive, d.Incentive},
			{"dividends", r.Dividends, d.Dividends},
		} {
			for i := range v.got {
				got := float64(v.got[i]) / (1 << 32)
				if math.Abs(got-v.want[i]) > twinTolerance {
					t.Fatalf("case %d: %s of %d: %v, twin %v", k, v.name, i, got, v.want[i])
				}
				if got > 0 && v.name == "dividends" {
					earned++
				}
			}
		}
	}
	if earned < 1000 {
		t.Errorf("only %d dividends: the cases test too little", earned)
	}
}

// BenchmarkDense is the yardstick for the integer epoch: the same states as there.
func BenchmarkDense(b *testing.B) {
	for _, size := range [][2]int{{256, 64}, {4096, 128}} {
		b.Run(fmt.Sprintf("%d/%d", size[0], size[1]), func(b *testing.B) {
			s, p := study.Crowd(size[0], size[1], size[0], 1), yuma.DefaultParams()
			for b.Loop() {
				study.Dense(p, s)
			}
		})
	}
}
