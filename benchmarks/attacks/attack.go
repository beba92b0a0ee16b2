package main

// This file holds the attacks: what liars send, knowing what the honest send. Names
// and forms are those of ByzFL (github.com/LPD-EPFL/byzfl) where it has them.

import (
	"math"
	"math/rand/v2"

	"lode/tensor"
)

// attack is a way to lie. make returns what a liar sends in place of own, which it
// trained honestly.
type attack struct {
	name string
	// flips says that liars train on labels l as 9 − l and send that.
	flips bool
	make  func(honest []tensor.Flat, own tensor.Flat, r *rand.Rand) tensor.Flat
}

var attacks = []attack{
	{name: "none", make: func(_ []tensor.Flat, own tensor.Flat, _ *rand.Rand) tensor.Flat { return own }},
	{name: "sign flip", make: func(h []tensor.Flat, _ tensor.Flat, _ *rand.Rand) tensor.Flat { return times(meanOf(h), -1) }},
	{name: "inner product", make: innerProduct(2)},
	{name: "a little is enough", make: littleIsEnough},
	{name: "label flip", flips: true, make: func(_ []tensor.Flat, own tensor.Flat, _ *rand.Rand) tensor.Flat { return own }},
	{name: "noise", make: noise},
	{name: "unit noise", make: unitNoise},
	{name: "×10", make: inflate(10)},
	{name: "×100", make: inflate(100)},
	{name: "×1000", make: inflate(1000)},
	{name: "lone place", make: lonePlace},
}

// innerProduct sends −τ times the mean (Xie et al. 2019, arXiv:1903.03936).
func innerProduct(tau float32) func([]tensor.Flat, tensor.Flat, *rand.Rand) tensor.Flat {
	return func(h []tensor.Flat, _ tensor.Flat, _ *rand.Rand) tensor.Flat { return times(meanOf(h), -tau) }
}

// littleIsEnough sends mean + 1.5·σ at each place (Baruch et al. 2019,
// arXiv:1902.06156). Their formula gives less for ten workers: at most 0 for one or
// two liars, 0.18 for three, 0.43 for four.
func littleIsEnough(h []tensor.Flat, _ tensor.Flat, _ *rand.Rand) tensor.Flat {
	const tau = 1.5
	out := meanOf(h)
	for i, m := range out {
		square := 0.0
		for _, v := range h {
			square += float64(v[i]-m) * float64(v[i]-m)
		}
		out[i] = m + float32(tau*math.Sqrt(square/float64(max(len(h)-1, 1))))
	}
	return out
}

// noise sends normal values with three times the norm of own: little enough not to
// be refused for its norm.
func noise(_ []tensor.Flat, own tensor.Flat, r *rand.Rand) tensor.Flat {
	return normal(len(own), 3*norm(own)/math.Sqrt(float64(len(own))), r)
}

// unitNoise sends normal values of variance 1.
func unitNoise(_ []tensor.Flat, own tensor.Flat, r *rand.Rand) tensor.Flat {
	return normal(len(own), 1, r)
}

func normal(num int, sigma float64, r *rand.Rand) tensor.Flat {
	out := make(tensor.Flat, num)
	for i := range out {
		out[i] = float32(r.NormFloat64() * sigma)
	}
	return out
}

// inflate sends the opposite of own, many times as large.
func inflate(factor float32) func([]tensor.Flat, tensor.Flat, *rand.Rand) tensor.Flat {
	return func(_ []tensor.Flat, own tensor.Flat, _ *rand.Rand) tensor.Flat { return times(own, -factor) }
}

// lonePlace puts ten times its norm on the weight into an output that the honest
// change least: nobody else sends it.
func lonePlace(h []tensor.Flat, own tensor.Flat, _ *rand.Rand) tensor.Flat {
	m, at := meanOf(h), outAt
	for i := outAt; i < outBias; i++ {
		if math.Abs(float64(m[i])) < math.Abs(float64(m[at])) {
			at = i
		}
	}
	out := make(tensor.Flat, len(own))
	out[at] = float32(10 * norm(own))
	return out
}

func meanOf(vs []tensor.Flat) tensor.Flat {
	out := make(tensor.Flat, len(vs[0]))
	for i := range out {
		sum := 0.0
		for _, v := range vs {
			sum += float64(v[i])
		}
		out[i] = float32(sum / float64(len(vs)))
	}
	return out
}

func times(v tensor.Flat, factor float32) tensor.Flat {
	out := make(tensor.Flat, len(v))
	for i, x := range v {
		out[i] = factor * x
	}
	return out
}

func norm(v tensor.Flat) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}
