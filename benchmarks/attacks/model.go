package main

// This file holds the model: one hidden layer, written plainly. Batches go through
// it as matrices of one row a digit.

import (
	"math"
	"math/rand/v2"

	"lode/engine/kernel"
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

func hiddenOf(v tensor.Flat) kernel.View {
	return kernel.Dense(v[hiddenAt:biasAt], numPixels, numHidden)
}

func outOf(v tensor.Flat) kernel.View {
	return kernel.Dense(v[outAt:outBias], numHidden, numLabels)
}

// batch is digits as the model takes them.
type batch struct {
	pixels kernel.View // [digit][pixel]
	labels []int
}

func newBatch(room int) batch {
	return batch{kernel.Dense(make([]float32, 0, room*numPixels), 0, numPixels), make([]int, 0, room)}
}

func (b *batch) add(d *digit) {
	b.pixels.Data = append(b.pixels.Data, d.pixels[:]...)
	b.pixels.Rows++
	b.labels = append(b.labels, d.label)
}

// forward returns the hidden values and the probabilities of labels.
func forward(theta tensor.Flat, of batch) (hidden, p kernel.View) {
	hidden = repeated(theta[biasAt:outAt], len(of.labels))
	kernel.MulAdd(hidden, of.pixels, hiddenOf(theta))
	for i, v := range hidden.Data {
		hidden.Data[i] = max(v, 0)
	}
	p = repeated(theta[outBias:], len(of.labels))
	kernel.MulAdd(p, hidden, outOf(theta))
	for i := range of.labels {
		kernel.Softmax(p.Data[i*numLabels:][:numLabels], 1)
	}
	return hidden, p
}

// repeated returns a matrix of which every row is v.
func repeated(v []float32, rows int) kernel.View {
	m := kernel.Dense(make([]float32, 0, rows*len(v)), rows, len(v))
	for range rows {
		m.Data = append(m.Data, v...)
	}
	return m
}

// addGradient adds the gradient of the mean loss on a batch.
func addGradient(grad, theta tensor.Flat, of batch) {
	num := len(of.labels)
	hidden, p := forward(theta, of)
	for i, label := range of.labels {
		p.Data[i*numLabels+label]--
	}
	kernel.Scale(p.Data, 1/float32(num))
	back := kernel.Dense(make([]float32, num*numHidden), num, numHidden)
	kernel.Mul(back, p, outOf(theta).T())
	for i, v := range hidden.Data {
		if v == 0 {
			back.Data[i] = 0
		}
	}
	kernel.MulAdd(hiddenOf(grad), of.pixels.T(), back)
	kernel.MulAdd(outOf(grad), hidden.T(), p)
	for i := range num {
		kernel.Axpy(grad[biasAt:outAt], 1, back.Data[i*numHidden:][:numHidden])
		kernel.Axpy(grad[outBias:], 1, p.Data[i*numLabels:][:numLabels])
	}
}

// accuracy returns the share of digits that the model gets right.
func accuracy(theta tensor.Flat, of batch) float64 {
	_, p := forward(theta, of)
	right := 0
	for i, label := range of.labels {
		best, row := 0, p.Data[i*numLabels:][:numLabels]
		for l, v := range row {
			if v > row[best] {
				best = l
			}
		}
		if best == label {
			right++
		}
	}
	return float64(right) / float64(len(of.labels))
}
