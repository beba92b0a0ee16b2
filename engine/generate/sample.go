package generate

// This file holds how the next token is drawn from logits.

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"

	"lode/engine/kernel"
)

// Sampling says how tokens are drawn.
type Sampling struct {
	Temperature float64 // logits are divided by it; zero takes the likeliest token
	TopK        int     // only the TopK likeliest tokens may be drawn; zero is all
	Seed        uint64  // equal seeds draw equal tokens from equal logits
}

type sampler struct {
	Sampling
	random *rand.Rand
	order  []int32 // all ids, sorted as pick needs them
}

func newSampler(opt Sampling) (*sampler, error) {
	if !(opt.Temperature >= 0) || math.IsInf(opt.Temperature, 0) || opt.TopK < 0 {
		return nil, fmt.Errorf("generate: temperature %v and top %d, want neither below zero", opt.Temperature, opt.TopK)
	}
	return &sampler{Sampling: opt, random: rand.New(rand.NewPCG(opt.Seed, 0))}, nil
}

// pick draws a token and overwrites the logits.
func (s *sampler) pick(logits []float32) (int32, error) {
	best := 0
	for i, v := range logits {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return 0, errors.New("generate: logits are not finite")
		}
		if v > logits[best] {
			best = i
		}
	}
	scale := float32(1 / s.Temperature)
	if s.Temperature == 0 || s.TopK == 1 || math.IsInf(float64(scale), 0) {
		return int32(best), nil
	}
	if s.TopK > 0 && s.TopK < len(logits) {
		s.cut(logits)
	}
	top := logits[best] // taken off first, so that a large scale cannot overflow
	for i := range logits {
		logits[i] -= top
	}
	kernel.Softmax(logits, max(scale, math.SmallestNonzeroFloat32))
	u := s.random.Float64()
	for i, p := range logits {
		if u -= float64(p); u < 0 {
			return int32(i), nil
		}
	}
	return int32(best), nil // the sum fell short of u by rounding
}

// cut makes all but the TopK largest logits minus infinity; among equals the
// lower id stays.
func (s *sampler) cut(logits []float32) {
	s.order = s.order[:0]
	for i := range logits {
		s.order = append(s.order, int32(i))
	}
	sort.SliceStable(s.order, func(a, b int) bool { return logits[s.order[a]] > logits[s.order[b]] })
	for _, i := range s.order[s.TopK:] {
		logits[i] = float32(math.Inf(-1))
	}
}
