package enginetest

// This file holds the reference's pass over one sequence, forward and backward.
// Every step forward pushes its way back, and the ways back run in reverse.

import (
	"fmt"
	"math"
)

// sequence is one pass over one row of a batch.
type sequence struct {
	*Reference
	share float64 // of one target in the mean loss
	back  []func()
}

// signal is one activation per position, [steps][width], with its gradient.
type signal struct{ v, d [][]float64 }

func newSignal(steps, width int) signal {
	s := signal{make([][]float64, steps), make([][]float64, steps)}
	for t := range steps {
		s.v[t], s.d[t] = make([]float64, width), make([]float64, width)
	}
	return s
}

// run returns the sum of the losses and, if asked, adds to the gradients.
func (s *sequence) run(inputs, targets []int32, back bool) float64 {
	x := s.embed(inputs)
	for l := range s.arch.Layers {
		p := fmt.Sprintf("model.layers.%d.", l)
		h := s.norm(x, p+"input_layernorm.weight")
		q := s.rotate(s.linear(h, p+"self_attn.q_proj.weight"))
		k := s.rotate(s.linear(h, p+"self_attn.k_proj.weight"))
		v := s.linear(h, p+"self_attn.v_proj.weight")
		x = s.sum(x, s.linear(s.attend(q, k, v), p+"self_attn.o_proj.weight"))
		h = s.norm(x, p+"post_attention_layernorm.weight")
		gated := s.gate(s.linear(h, p+"mlp.gate_proj.weight"), s.linear(h, p+"mlp.up_proj.weight"))
		x = s.sum(x, s.linear(gated, p+"mlp.down_proj.weight"))
	}
	head := "lm_head.weight"
	if s.arch.Tied {
		head = "model.embed_tokens.weight"
	}
	loss := s.loss(s.linear(s.norm(x, "model.norm.weight"), head), targets)
	for i := len(s.back) - 1; back && i >= 0; i-- {
		s.back[i]()
	}
	return loss
}

func (s *sequence) push(f func()) { s.back = append(s.back, f) }

func (s *sequence) embed(ids []int32) signal {
	w, dw := s.at("model.embed_tokens.weight")
	y, dim := newSignal(len(ids), s.arch.Dim), s.arch.Dim
	for t, id := range ids {
		copy(y.v[t], w[int(id)*dim:])
	}
	s.push(func() {
		for t, id := range ids {
			add(dw[int(id)*dim:], 1, y.d[t])
		}
	})
	return y
}

func (s *sequence) linear(x signal, name string) signal {
	w, dw := s.at(name)
	in := len(x.v[0])
	out := len(w) / in
	y := newSignal(len(x.v), out)
	for t := range x.v {
		for o := range out {
			y.v[t][o] = dot(w[o*in:(o+1)*in], x.v[t])
		}
	}
	s.push(func() {
		for t := range x.v {
			for o, d := range y.d[t] {
				add(x.d[t], d, w[o*in:(o+1)*in])
				add(dw[o*in:(o+1)*in], d, x.v[t])
			}
		}
	})
	return y
}

func (s *sequence) sum(a, b signal) signal {
	y := newSignal(len(a.v), len(a.v[0]))
	for t := range y.v {
		add(y.v[t], 1, a.v[t])
		add(y.v[t], 1, b.v[t])
	}
	s.push(func() {
		for t := range y.v {
			add(a.d[t], 1, y.d[t])
			add(b.d[t], 1, y.d[t])
		}
	})
	return y
}

func (s *sequence) norm(x signal, name string) signal {
	w, dw := s.at(name)
	y, n := newSignal(len(x.v), len(w)), float64(len(w))
	root := make([]float64, len(x.v))
	for t, v := range x.v {
		root[t] = 1 / math.Sqrt(dot(v, v)/n+s.arch.NormEps)
		for i := range v {
			y.v[t][i] = v[i] * root[t] * w[i]
		}
	}
	s.push(func() {
		for t, v := range x.v {
			r, c := root[t], 0.0
			for i := range v {
				c += y.d[t][i] * w[i] * v[i]
				dw[i] += y.d[t][i] * v[i] * r
			}
			for i := range v {
				x.d[t][i] += r*w[i]*y.d[t][i] - r*r*r/n*c*v[i]
			}
		}
	})
	return y
}

// rotate applies rotary positions in the rotate-half form.
func (s *sequence) rotate(x signal) signal {
	hd := s.arch.HeadDim()
	half := hd / 2
	y := newSignal(len(x.v), len(x.v[0]))
	turn := func(to, from []float64, t int, sign float64) {
		for h := 0; h < len(to); h += hd {
			for i := range half {
				sin, cos := math.Sincos(sign * float64(t) / math.Pow(s.arch.RopeTheta, float64(2*i)/float64(hd)))
				a, b := from[h+i], from[h+i+half]
				to[h+i] += a*cos - b*sin
				to[h+i+half] += b*cos + a*sin
			}
		}
	}
	for t := range x.v {
		turn(y.v[t], x.v[t], t, 1)
	}
	s.push(func() {
		for t := range x.v {
			turn(x.d[t], y.d[t], t, -1)
		}
	})
	return y
}

// attend is causal attention; query head h looks at key head h/(heads/kv heads).
func (s *sequence) attend(q, k, v signal) signal {
	y := newSignal(len(q.v), s.arch.Dim)
	for h := range s.arch.Heads {
		for t := range q.v {
			s.attendOne(y, q, k, v, h, t)
		}
	}
	return y
}

// attendOne is one head at one position.
func (s *sequence) attendOne(y, q, k, v signal, h, t int) {
	hd := s.arch.HeadDim()
	a, b := h*hd, h/(s.arch.Heads/s.arch.KVHeads)*hd
	scale := 1 / math.Sqrt(float64(hd))
	p := make([]float64, t+1)
	for j := range p {
		p[j] = scale * dot(q.v[t][a:a+hd], k.v[j][b:b+hd])
	}
	softmax(p)
	for j := range p {
		add(y.v[t][a:a+hd], p[j], v.v[j][b:b+hd])
	}
	s.push(func() {
		d, mean := make([]float64, t+1), 0.0
		for j := range p {
			add(v.d[j][b:b+hd], p[j], y.d[t][a:a+hd])
			d[j] = dot(y.d[t][a:a+hd], v.v[j][b:b+hd])
			mean += p[j] * d[j]
		}
		for j := range p {
			g := scale * p[j] * (d[j] - mean)
			add(q.d[t][a:a+hd], g, k.v[j][b:b+hd])
			add(k.d[j][b:b+hd], g, q.v[t][a:a+hd])
		}
	})
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

func (s *sequence) gate(g, u signal) signal {
	y := newSignal(len(g.v), len(g.v[0]))
	for t := range g.v {
		for i, a := range g.v[t] {
			y.v[t][i] = a / (1 + math.Exp(-a)) * u.v[t][i]
		}
	}
	s.push(func() {
		for t := range g.v {
			for i, a := range g.v[t] {
				sig := 1 / (1 + math.Exp(-a))
				u.d[t][i] += y.d[t][i] * a * sig
				g.d[t][i] += y.d[t][i] * u.v[t][i] * sig * (1 + a*(1-sig))
			}
		}
	})
	return y
}

// loss is the sum of the cross-entropies.
func (s *sequence) loss(logits signal, targets []int32) float64 {
	sum := 0.0
	for t, id := range targets {
		p := append([]float64(nil), logits.v[t]...)
		sum -= p[id]
		sum += softmax(p)
		s.push(func() {
			add(logits.d[t], s.share, p)
			logits.d[t][id] -= s.share
		})
	}
	return sum
}
