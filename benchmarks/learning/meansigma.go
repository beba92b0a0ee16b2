package main

// This file holds the quantiser of SparseLoCo (arXiv:2508.15706, as in its code):
// of the values kept of a tensor, v, the mean µ and the deviation σ are taken;
// (v − µ)/(6σ/4) + 2 rounded and held within 0 … 3 is the code, and it decodes to
// the mean of all v that have it. Its one step of 1.5σ around the mean is what is
// compared with the levels that topk fits. Positions are selected and packed as
// topk's, chunks are topk's, and vectors go dense in 8 bits, so that nothing but
// the values differs.

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"lode/gradient"
	"lode/gradient/column"
	"lode/tensor"
)

// quantiser sends in 2 bits. What arrives is said in params, dense in 32 bits.
type quantiser struct {
	layout tensor.Layout
	params gradient.Params
	k      int // of 4,096
}

const (
	numCodes    = 4
	tensorBytes = 4 * (2 + numCodes) // µ, 6σ/4 and what each code decodes to, as float32
)

// send returns what arrives of a, and in how many bytes.
func (q quantiser) send(a tensor.Flat) (*gradient.Update, int, error) {
	sent := make(tensor.Flat, len(a))
	var gaps, codes, vectors []byte
	size := 0
	for t := range q.layout.NumTensors() {
		if shape := q.layout.Spec(t).Shape; len(shape) == 1 && shape[0] <= gradient.DenseLen {
			from := q.layout.Offset(t)
			copy(sent[from:from+shape[0]], a[from:from+shape[0]])
			vectors = append(vectors, make([]byte, 1+shape[0])...)
			continue
		}
		gaps, codes = q.tensor(t, a, sent, gaps, codes)
		size += tensorBytes
	}
	u, err := gradient.Encode(q.layout, q.params, sent)
	if err != nil {
		return nil, 0, err
	}
	size += len(column.Pack(nil, gaps, codes)) + len(vectors)
	return u, size, nil
}

// tensor fills sent with what decodes of tensor t and appends to the columns.
func (q quantiser) tensor(t int, a, sent tensor.Flat, gaps, codes []byte) (newGaps, newCodes []byte) {
	var kept []int // places, in order
	for c := range q.layout.ChunksOf(t) {
		positions := largest(a[c.Offset:c.Offset+c.Len], (q.k*c.Len+tensor.ChunkLen-1)/tensor.ChunkLen)
		var plain []byte
		for _, p := range positions {
			plain = binary.LittleEndian.AppendUint16(plain, p)
			kept = append(kept, c.Offset+int(p))
		}
		gaps = column.AppendGaps(gaps, plain)
	}
	vals := make([]float64, len(kept))
	for i, at := range kept {
		vals[i] = float64(a[at])
	}
	code, lookup := meanSigmaCodes(vals)
	packed := make([]byte, (2*len(code)+7)/8)
	for i, v := range code {
		sent[kept[i]] = float32(lookup[v])
		packed[i/4] |= v << (2 * (i % 4))
	}
	return gaps, append(codes, packed...)
}

// meanSigmaCodes returns each value's code and what codes decode to.
func meanSigmaCodes(vals []float64) (codes []byte, lookup [numCodes]float64) {
	mean, deviation := 0.0, 0.0
	for _, v := range vals {
		mean += v / float64(len(vals))
	}
	for _, v := range vals {
		deviation += (v - mean) * (v - mean) / float64(len(vals))
	}
	scale := 6 * math.Sqrt(deviation) / numCodes
	codes = make([]byte, len(vals))
	var num [numCodes]float64
	for i, v := range vals {
		code := 0.0
		if scale > 0 {
			code = math.RoundToEven((v-mean)/scale + numCodes/2)
		}
		codes[i] = byte(min(max(code, 0), numCodes-1))
		lookup[codes[i]] += v
		num[codes[i]]++
	}
	for i := range lookup {
		lookup[i] /= max(num[i], 1)
	}
	return codes, lookup
}

// largest returns the positions of the k largest magnitudes, ascending; the
// lower one first among equals.
func largest(vals []float32, k int) []uint16 {
	order := make([]uint16, len(vals))
	for i := range order {
		order[i] = uint16(i)
	}
	magnitude := func(i uint16) float32 { return float32(math.Abs(float64(vals[i]))) }
	slices.SortFunc(order, func(i, j uint16) int {
		return cmp.Or(cmp.Compare(magnitude(j), magnitude(i)), cmp.Compare(i, j))
	})
	order = order[:k]
	slices.Sort(order)
	return order
}
