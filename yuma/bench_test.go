package yuma_test

// This file holds the benchmarks: full density, and rows of a fixed length, where
// cost follows the number of weights and not the square of that of neurons.

import (
	"fmt"
	"testing"

	"lode/yuma"
	"lode/yuma/study"
)

func benchmarkEpoch(b *testing.B, p yuma.Params, n, validators, perRow int) {
	s := study.Crowd(n, validators, perRow, 1)
	p.MaxValidators = validators
	var w yuma.Workspace
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Epoch(p, s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(validators*perRow), "ns/weight")
}

func BenchmarkEpoch(b *testing.B) {
	liquid := yuma.DefaultParams()
	liquid.LiquidAlpha = true
	pairs, shares := yuma.DefaultParams(), yuma.DefaultParams()
	shares.Version = yuma.Yuma2
	for _, size := range [][2]int{{256, 64}, {4096, 128}} {
		for _, rule := range []struct {
			name string
			p    yuma.Params
		}{{"yuma3", pairs}, {"liquid", liquid}, {"yuma2", shares}} {
			b.Run(fmt.Sprintf("%s/%d/%d", rule.name, size[0], size[1]), func(b *testing.B) {
				benchmarkEpoch(b, rule.p, size[0], size[1], size[0])
			})
		}
	}
}

func BenchmarkEpochSparse(b *testing.B) {
	for _, n := range []int{1024, 4096, 16384} {
		for _, perRow := range []int{64, 256, 512} {
			b.Run(fmt.Sprintf("%d/256/%d", n, perRow), func(b *testing.B) {
				benchmarkEpoch(b, yuma.DefaultParams(), n, 256, perRow)
			})
		}
	}
}
