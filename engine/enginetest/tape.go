package enginetest

// This file holds the reference's pass over one row of a batch. Every stage
// forward pushes its way back, and the ways back run in reverse.

import (
	"math"

	"lode/engine"
	"lode/engine/model"
)

// tape is one pass over one row; it implements model.Builder.
type tape struct {
	*Reference
	inputs, targets engine.Array
	share           float64   // of one target in the mean loss
	values          []signal  // by model.Value
	loss            float64   // the sum over the row's targets
	said            []float64 // what the head makes of the last position
	back            []func()
}

var _ model.Builder = (*tape)(nil)

// signal is a value, [positions][width], with its gradient.
type signal struct{ v, d [][]float64 }

func newSignal(positions, width int) signal {
	s := signal{make([][]float64, positions), make([][]float64, positions)}
	for t := range positions {
		s.v[t], s.d[t] = make([]float64, width), make([]float64, width)
	}
	return s
}

// run returns the sum of the losses and, if asked, adds to the gradients.
func (t *tape) run(back bool) float64 {
	t.values = make([]signal, 1)
	t.arch.Build(t)
	for i := len(t.back) - 1; back && i >= 0; i-- {
		t.back[i]()
	}
	return t.loss
}

// add ends a stage that makes y and whose way back is f.
func (t *tape) add(y signal, f func()) model.Value {
	t.values, t.back = append(t.values, y), append(t.back, f)
	return model.Value(len(t.values) - 1)
}

// Inputs implements model.Builder.
func (t *tape) Inputs() model.Value {
	y := newSignal(1, len(t.inputs.Reals))
	for i, v := range t.inputs.Reals {
		y.v[0][i] = float64(v)
	}
	return t.add(y, func() {})
}

// Flatten implements model.Builder: all arrays are flat already.
func (t *tape) Flatten(of model.Value) model.Value { return t.add(t.values[of], func() {}) }

// Embed implements model.Builder.
func (t *tape) Embed(name string, _, dim int) model.Value {
	w, dw := t.at(name + ".weight")
	ids := t.inputs.IDs
	y := newSignal(len(ids), dim)
	for p, id := range ids {
		copy(y.v[p], w[int(id)*dim:])
	}
	return t.add(y, func() {
		for p, id := range ids {
			add(dw[int(id)*dim:], 1, y.d[p])
		}
	})
}

// RMSNorm implements model.Builder.
func (t *tape) RMSNorm(name string, of model.Value, eps float64) model.Value {
	x := t.values[of]
	w, dw := t.at(name + ".weight")
	y, n := newSignal(len(x.v), len(w)), float64(len(w))
	root := make([]float64, len(x.v))
	for p, v := range x.v {
		root[p] = 1 / math.Sqrt(dot(v, v)/n+eps)
		for i := range v {
			y.v[p][i] = v[i] * root[p] * w[i]
		}
	}
	return t.add(y, func() {
		for p, v := range x.v {
			r, c := root[p], 0.0
			for i := range v {
				c += y.d[p][i] * w[i] * v[i]
				dw[i] += y.d[p][i] * v[i] * r
			}
			for i := range v {
				x.d[p][i] += r*w[i]*y.d[p][i] - r*r*r/n*c*v[i]
			}
		}
	})
}

// Linear implements model.Builder.
func (t *tape) Linear(of model.Value, l model.Linear) model.Value {
	x, wide := t.values[of], 0
	for _, p := range l.Parts {
		wide += p.Out
	}
	y := newSignal(len(x.v), wide)
	var back []func()
	at := 0
	for _, p := range l.Parts {
		back = append(back, t.multiply(x, y, at, p.Name), t.bias(l.Bias, p.Name, y, at, 1))
		at += p.Out
	}
	if l.Add != model.None {
		skip := t.values[l.Add]
		for p := range y.v {
			add(y.v[p], 1, skip.v[p])
		}
		back = append(back, func() {
			for p := range y.v {
				add(skip.d[p], 1, y.d[p])
			}
		})
	}
	return t.add(y, func() {
		for _, f := range back {
			f()
		}
	})
}

// multiply adds a module's result to y, from value at of each position on, and
// returns the way back.
func (t *tape) multiply(x, y signal, at int, name string) func() {
	w, dw := t.at(name + ".weight")
	in := len(x.v[0])
	out := len(w) / in
	for p := range x.v {
		for o := range out {
			y.v[p][at+o] += dot(w[o*in:(o+1)*in], x.v[p])
		}
	}
	return func() {
		for p := range x.v {
			for o, d := range y.d[p][at : at+out] {
				add(x.d[p], d, w[o*in:(o+1)*in])
				add(dw[o*in:(o+1)*in], d, x.v[p])
			}
		}
	}
}

// bias adds a module's bias, if it has one, to y from value at of each position on:
// each of its values to as many of y as each says. It returns the way back.
func (t *tape) bias(has bool, name string, y signal, at, each int) func() {
	if !has {
		return func() {}
	}
	b, db := t.at(name + ".bias")
	for p := range y.v {
		for i := range len(b) * each {
			y.v[p][at+i] += b[i/each]
		}
	}
	return func() {
		for p := range y.v {
			for i := range len(b) * each {
				db[i/each] += y.d[p][at+i]
			}
		}
	}
}

// SwiGLU implements model.Builder.
func (t *tape) SwiGLU(of model.Value) model.Value {
	x := t.values[of]
	wide := len(x.v[0]) / 2
	y := newSignal(len(x.v), wide)
	for p := range x.v {
		gate, up := x.v[p][:wide], x.v[p][wide:]
		for i, a := range gate {
			y.v[p][i] = a / (1 + math.Exp(-a)) * up[i]
		}
	}
	return t.add(y, func() {
		for p := range x.v {
			gate, up := x.v[p][:wide], x.v[p][wide:]
			for i, a := range gate {
				sig := 1 / (1 + math.Exp(-a))
				x.d[p][wide+i] += y.d[p][i] * a * sig
				x.d[p][i] += y.d[p][i] * up[i] * sig * (1 + a*(1-sig))
			}
		}
	})
}

// CrossEntropy implements model.Builder.
func (t *tape) CrossEntropy(of model.Value, h model.Head) {
	_, takes := t.arch.Takes()
	y := t.head(of, h, takes.Width())
	for p, id := range t.targets.IDs {
		prob := append([]float64(nil), y.v[p]...)
		t.loss -= prob[id]
		t.loss += softmax(prob)
		add(y.d[p], t.share, prob)
		y.d[p][id] -= t.share
	}
}

// SquaredError implements model.Builder.
func (t *tape) SquaredError(of model.Value, h model.Head) {
	_, takes := t.arch.Takes()
	y := t.head(of, h, takes.Width())
	for i, want := range t.targets.Reals {
		d := y.v[0][i] - float64(want)
		t.loss += d * d
		y.d[0][i] = 2 * d * t.share
	}
}

// head returns what the head makes, to be given its gradient.
func (t *tape) head(of model.Value, h model.Head, out int) signal {
	x := t.values[of]
	y := newSignal(len(x.v), out)
	t.back = append(t.back, t.multiply(x, y, 0, h.Name), t.bias(h.Bias, h.Name, y, 0, 1))
	t.said = y.v[len(y.v)-1]
	return y
}

// softmax works in place and returns the logarithm of the sum of exponentials.
func softmax(x []float64) float64 {
	top, sum := math.Inf(-1), 0.0
	for _, v := range x {
		top = math.Max(top, v)
	}
	for i, v := range x {
		x[i] = math.Exp(v - top)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
	return top + math.Log(sum)
}
