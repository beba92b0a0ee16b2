package main

// This file holds the digits: reading them, and dealing them to workers.

import (
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
)

const (
	fileSide  = 28
	side      = fileSide / 2 // of what the model sees
	numPixels = side * side
	numLabels = 10
	maxDigits = 100_000
)

// Mean and deviation of the pixels of MNIST's training images, by which ByzFL and
// most others normalise.
const (
	meanPixel = 0.1307
	deviation = 0.3081
)

// digit is one picture, each pixel the mean of a square of four, normalised.
type digit struct {
	pixels [numPixels]float32
	label  int
}

type digits []*digit

func readDigits(images, labels string) (digits, error) {
	pixels, err := readIDX(images, 3)
	if err != nil {
		return nil, err
	}
	names, err := readIDX(labels, 1)
	if err != nil {
		return nil, err
	}
	if len(pixels) != fileSide*fileSide*len(names) {
		return nil, fmt.Errorf("%s: %d pixels for %d labels of %s", images, len(pixels), len(names), labels)
	}
	all := make(digits, len(names))
	for i, name := range names {
		if name >= numLabels {
			return nil, fmt.Errorf("%s: label %d of digit %d", labels, name, i)
		}
		all[i] = &digit{label: int(name)}
		all[i].pool(pixels[fileSide*fileSide*i : fileSide*fileSide*(i+1)])
	}
	return all, nil
}

// pool sets the digit's pixels from those of a file.
func (d *digit) pool(of []byte) {
	for at := range numPixels {
		corner := at/side*2*fileSide + at%side*2
		sum := int(of[corner]) + int(of[corner+1]) + int(of[corner+fileSide]) + int(of[corner+fileSide+1])
		d.pixels[at] = (float32(sum)/(4*255) - meanPixel) / deviation
	}
}

// readIDX reads a gzipped IDX file of bytes with so many dimensions.
func readIDX(path string, dims int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	head := make([]byte, 4+4*dims)
	if _, err := io.ReadFull(z, head); err != nil {
		return nil, fmt.Errorf("%s: header: %w", path, err)
	}
	if head[2] != 8 || int(head[3]) != dims {
		return nil, fmt.Errorf("%s: not bytes of %d dimensions", path, dims)
	}
	size := uint64(1)
	for i := range dims {
		n := binary.BigEndian.Uint32(head[4+4*i:])
		if i == 0 && n > maxDigits || i > 0 && n != fileSide {
			return nil, fmt.Errorf("%s: dimension %d is %d", path, i, n)
		}
		size *= uint64(n)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(z, b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if n, _ := io.CopyN(io.Discard, z, 1); n > 0 {
		return nil, fmt.Errorf("%s: more than its header says", path)
	}
	return b, nil
}

// deal gives every worker its digits: of each label shares drawn from a symmetric
// Dirichlet distribution (Hsu et al. 2019, arXiv:1909.06335).
func deal(all digits, workers int, alpha float64, r *rand.Rand) []digits {
	byLabel := make([]digits, numLabels)
	for _, d := range all {
		byLabel[d.label] = append(byLabel[d.label], d)
	}
	out := make([]digits, workers)
	for _, of := range byLabel {
		shares, sum := make([]float64, workers), 0.0
		for w := range shares {
			shares[w] = gamma(alpha, r)
			sum += shares[w]
		}
		from, until := 0, 0.0
		for w := range shares {
			until += shares[w] / sum * float64(len(of))
			to := min(int(math.Round(until)), len(of))
			out[w] = append(out[w], of[from:to]...)
			from = to
		}
	}
	for w := range out {
		if len(out[w]) == 0 { // nobody is left without any
			out[w] = append(out[w], all[w])
		}
	}
	return out
}

// gamma draws from a gamma distribution of shape alpha and scale 1 (Marsaglia and
// Tsang 2000).
func gamma(alpha float64, r *rand.Rand) float64 {
	if alpha < 1 {
		return gamma(alpha+1, r) * math.Pow(r.Float64(), 1/alpha)
	}
	d := alpha - 1.0/3
	for {
		x := r.NormFloat64()
		v := math.Pow(1+x/math.Sqrt(9*d), 3)
		if v > 0 && math.Log(1-r.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}
