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
	least := nth(keys, k)
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

// nth returns the k-th largest of keys and reorders them. Quickselect; when its
// pivots are bad it sorts, so that no input takes quadratic time.
func nth(keys []uint64, k int) uint64 {
	for tries := 64; len(keys) > 32 && tries > 0; tries-- {
		a, b, c := keys[0], keys[len(keys)/2], keys[len(keys)-1]
		pivot := max(min(a, b), min(max(a, b), c))
		greater := split(keys, pivot)
		if k <= greater {
			keys = keys[:greater]
			continue
		}
		keys, k = keys[greater:], k-greater
		if pivot == 0 {
			return 0
		}
		equal := split(keys, pivot-1)
		if k <= equal {
			return pivot
		}
		keys, k = keys[equal:], k-equal
	}
	slices.Sort(keys)
	return keys[len(keys)-k]
}

// split moves the keys above pivot to the front and returns their number.
func split(keys []uint64, pivot uint64) int {
	n := 0
	for i, key := range keys {
		keys[i] = keys[n]
		keys[n] = key
		n += int((pivot - key) >> 63) // keys and pivots are below 2^63
	}
	return n
}
