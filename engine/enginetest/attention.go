package enginetest

// This file holds the reference's attention.

import (
	"math"

	"lode/engine/model"
)

// Attention implements model.Builder.
func (t *tape) Attention(of model.Value, h model.Heads) model.Value {
	x := t.values[of]
	hd := h.Dim(len(x.v[0]))
	dim, kv := h.Query*hd, h.KV*hd
	turned := newSignal(len(x.v), len(x.v[0]))
	for p := range x.v {
		copy(turned.v[p], x.v[p])
	}
	q, k, v := turned.columns(0, dim), turned.columns(dim, dim+kv), turned.columns(dim+kv, dim+2*kv)
	turn(q.v, h.Theta, hd, 1)
	turn(k.v, h.Theta, hd, 1)
	y := newSignal(len(x.v), dim)
	var back []func()
	for head := range h.Query {
		to, from := head*hd, head/(h.Query/h.KV)*hd
		yh, qh, kh, vh := y.columns(to, to+hd), q.columns(to, to+hd), k.columns(from, from+hd), v.columns(from, from+hd)
		for p := range x.v {
			back = append(back, attend(yh, qh, kh, vh, p))
		}
	}
	return t.add(y, func() {
		for _, f := range back {
			f()
		}
		turn(q.d, h.Theta, hd, -1)
		turn(k.d, h.Theta, hd, -1)
		for p := range x.d {
			add(x.d[p], 1, turned.d[p])
		}
	})
}

// columns is the part of a signal from value lo to hi of each position.
func (s signal) columns(lo, hi int) (part signal) {
	for p := range s.v {
		part.v, part.d = append(part.v, s.v[p][lo:hi]), append(part.d, s.d[p][lo:hi])
	}
	return part
}

// turn applies rotary positions in the rotate-half form to heads of hd values.
func turn(x [][]float64, theta float64, hd int, sign float64) {
	half := hd / 2
	for p := range x {
		for h := 0; h < len(x[p]); h += hd {
			for i := range half {
				sin, cos := math.Sincos(sign * float64(p) / math.Pow(theta, float64(2*i)/float64(hd)))
				a, b := x[p][h+i], x[p][h+i+half]
				x[p][h+i], x[p][h+i+half] = a*cos-b*sin, b*cos+a*sin
			}
		}
	}
}

// attend is causal attention of one head at position p.
func attend(y, q, k, v signal, p int) (back func()) {
	scale := 1 / math.Sqrt(float64(len(q.v[p])))
	w := make([]float64, p+1)
	for j := range w {
		w[j] = scale * dot(q.v[p], k.v[j])
	}
	softmax(w)
	for j := range w {
		add(y.v[p], w[j], v.v[j])
	}
	return func() {
		d, mean := make([]float64, p+1), 0.0
		for j := range w {
			add(v.d[j], w[j], y.d[p])
			d[j] = dot(y.d[p], v.v[j])
			mean += w[j] * d[j]
		}
		for j := range w {
			g := scale * w[j] * (d[j] - mean)
			add(q.d[p], g, k.v[j])
			add(k.d[j], g, q.v[p])
		}
	}
}
