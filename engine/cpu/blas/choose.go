package blas

// This file holds the choice of a library.

import (
	"fmt"
	"math"
	"strings"
	"time"

	"lode/engine/kernel"
)

// Which products Choose measures: rows of activations, and weights, forward and
// backward.
const (
	rows, in, out = 512, 384, 768
	runs          = 5
)

// Measured is how fast someone multiplies, in floating-point operations a second of
// one thread.
type Measured struct {
	Name  string // empty for package kernel
	Flops float64
}

// Choose returns the fastest library of those installed, nil if package kernel is
// faster or nothing is installed, and what it measured. It takes about a tenth of a
// second for each.
func Choose() (*Library, []Measured) {
	var best *Library
	all := []Measured{{Flops: speed(nil)}}
	top := all[0].Flops
	for _, l := range installed() {
		m := Measured{l.name, speed(l)}
		if all = append(all, m); m.Flops > top {
			best, top = l, m.Flops
		}
	}
	return best, all
}

// ByName returns what a setting asks for: "off" nothing, "auto" what Choose finds, else
// the library of that name. The empty one is off with our assembly of amd64, where
// there is little to win and a measurement may find otherwise the next time, else auto.
func ByName(setting string) (*Library, error) {
	if setting == "" {
		if setting = "auto"; strings.HasPrefix(kernel.Name(), "avx") {
			setting = "off"
		}
	}
	switch setting {
	case "off":
		return nil, nil
	case "auto":
		l, _ := Choose()
		return l, nil
	}
	l, err := Open(setting)
	if err != nil {
		return nil, fmt.Errorf("%w; it is off, auto or the file of a library such as libopenblas.so.0", err)
	}
	return l, nil
}

// speed returns how fast l multiplies, package kernel if it is nil: the geometric mean
// over three products, each at its best.
func speed(l *Library) float64 {
	mul := kernel.Mul
	if l != nil {
		mul = func(c, a, b kernel.View) { l.Mul(c, a, b, false) }
	}
	x, w, y := matrix(rows, in), matrix(out, in), matrix(rows, out)
	total := 0.0
	for _, f := range []func(){
		func() { mul(y, x, w.T()) },
		func() { mul(x, y, w) },
		func() { mul(w, y.T(), x) },
	} {
		best := time.Duration(math.MaxInt64)
		for range runs {
			began := time.Now()
			f()
			best = min(best, time.Since(began))
		}
		total += math.Log(2 * rows * in * out / best.Seconds())
	}
	return math.Exp(total / 3)
}

func matrix(n, m int) kernel.View {
	data := make([]float32, n*m)
	for i := range data {
		data[i] = 1 / float32(i%7+1)
	}
	return kernel.Dense(data, n, m)
}
