package main

// This file holds the model: one hidden layer, written plainly.

import (
	"math"
	"math/rand/v2"

	"lode/tensor"
)

const numHidden = 32

// Where the tensors lie in the parameters.
const (
	hiddenAt = 0 // [pixel][hidden]
	biasAt   = hiddenAt + numPixels*numHidden
	outAt    = biasAt + numHidden // [hidden][label]
	outBias  = outAt + numHidden*numLabels
	numAll   = outBias + numLabels
)

func layout() tensor.Layout {
	l, err := tensor.NewLayout(
		tensor.Spec{Name: "hidden", Shape: []int{numPixels, numHidden}},
		tensor.Spec{Name: "hidden.bias", Shape: []int{numHidden}},
		tensor.Spec{Name: "out", Shape: []int{numHidden, numLabels}},
		tensor.Spec{Name: "out.bias", Shape: []int{numLabels}},
	)
	if err != nil {
		panic(err)
	}
	return l
}

func newModel(r *rand.Rand) tensor.Flat {
	theta := make(tensor.Flat, numAll)
	for i := hiddenAt; i < biasAt; i++ {
		theta[i] = float32(r.NormFloat64() / math.Sqrt(numPixels))
	}
	for i := outAt; i < outBias; i++ {
		theta[i] = float32(r.NormFloat64() / math.Sqrt(numHidden))
	}
	return theta
}

// forward returns the hidden values and the probabilities of labels.
func forward(theta tensor.Flat, d digit) (hidden [numHidden]float32, p [numLabels]float32) {
	copy(hidden[:], theta[biasAt:outAt])
	for i, at := range d.at {
		row := theta[hiddenAt+int(at)*numHidden:][:numHidden]
		for h, w := range row {
			hidden[h] += d.value[i] * w
		}
	}
	copy(p[:], theta[outBias:])
	for h, v := range hidden {
		hidden[h] = max(v, 0)
		if v <= 0 {
			continue
		}
		for l, w := range theta[outAt+h*numLabels:][:numLabels] {
			p[l] += v * w
		}
	}
	top, sum := p[0], float32(0)
	for _, v := range p {
		top = max(top, v)
	}
	for l, v := range p {
		p[l] = float32(math.Exp(float64(v - top)))
		sum += p[l]
	}
	for l := range p {
		p[l] /= sum
	}
	return hidden, p
}

// addGradient adds the gradient of the loss on d, times scale.
func addGradient(grad, theta tensor.Flat, d digit, label int, scale float32) {
	hidden, p := forward(theta, d)
	p[label]--
	var back [numHidden]float32
	for l, e := range p {
		grad[outBias+l] += scale * e
	}
	for h, v := range hidden {
		if v == 0 {
			continue
		}
		for l, e := range p {
			back[h] += e * theta[outAt+h*numLabels+l]
			grad[outAt+h*numLabels+l] += scale * e * v
		}
		back[h] *= scale
		grad[biasAt+h] += back[h]
	}
	for i, at := range d.at {
		row := grad[hiddenAt+int(at)*numHidden:][:numHidden]
		for h, e := range back {
			row[h] += e * d.value[i]
		}
	}
}

// accuracy returns the share of digits that the model gets right.
func accuracy(theta tensor.Flat, of digits) float64 {
	right := 0
	for _, d := range of {
		_, p := forward(theta, d)
		best := 0
		for l, v := range p {
			if v > p[best] {
				best = l
			}
		}
		if best == d.label {
			right++
		}
	}
	return float64(right) / float64(len(of))
}
