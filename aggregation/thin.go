package aggregation

// This file holds thin steps: of each chunk the largest values move the model now,
// the others wait in the state and are added to the next step (error feedback at
// the server, as in DoubleSqueeze, Tang et al. 2019, arXiv:1905.05957). What a
// worker has to fetch then does not grow with the number of workers.

import (
	"slices"

	"lode/gradient"
	"lode/tensor"
)

// statePlanes returns what the state's planes hold: the optimizer's, then what waits.
func statePlanes(opt Optimizer, cfg Config) []Range {
	planes := opt.Planes()
	if cfg.StepKeep > 0 {
		planes = append(slices.Clip(planes), Range{-stateBound, stateBound})
	}
	return planes
}

// keptOf returns how many of the n values of a chunk a step may move: ⌈k·n/4096⌉,
// all of a vector, none of what is frozen.
func keptOf(s tensor.Spec, n int, cfg Config) int {
	switch {
	case s.Kind == tensor.Frozen:
		return 0
	case cfg.StepKeep == 0 || gradient.IsVector(s):
		return n
	}
	return (cfg.StepKeep*n + tensor.ChunkLen - 1) / tensor.ChunkLen
}

// mostMoved bounds how many parameters a step moves.
func mostMoved(l tensor.Layout, cfg Config) int {
	n := 0
	for t := range l.NumTensors() {
		s := l.Spec(t)
		full, rest := s.Len()/tensor.ChunkLen, s.Len()%tensor.ChunkLen
		n += full*keptOf(s, tensor.ChunkLen, cfg) + keptOf(s, rest, cfg)
	}
	return n
}

// thin adds what waits to vals, the values of a step, leaves the k largest
// magnitudes in vals, the lower index first among equals, and the whole sum in
// waiting. Sums are kept within the state's bound.
func thin(vals, waiting []int64, k int, sc *scratch) {
	for i, v := range vals {
		sum := min(max(v, -stateBound), stateBound) + waiting[i]
		waiting[i] = min(max(sum, -stateBound), stateBound)
		vals[i] = waiting[i]
	}
	if k >= len(vals) {
		return
	}
	if k == 0 {
		clear(vals)
		return
	}
	keys := sc.keys[:len(vals)]
	for i, v := range vals {
		keys[i] = magnitude(v)
	}
	least := tensor.NthLargest(keys, k)
	ties := k
	for _, v := range vals {
		if magnitude(v) > least {
			ties--
		}
	}
	for i, v := range vals {
		switch m := magnitude(v); {
		case m > least:
		case m == least && ties > 0:
			ties--
		default:
			vals[i] = 0
		}
	}
}
