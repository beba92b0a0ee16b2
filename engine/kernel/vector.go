package kernel

// This file holds the loops over vectors, as callers see them. What each one
// computes is defined by its plain form in plain.go.

import "fmt"

func same(name string, lengths ...int) {
	for _, n := range lengths[1:] {
		if n != lengths[0] {
			panic(fmt.Sprintf("kernel: %s of slices of lengths %v", name, lengths))
		}
	}
}

// Dot returns Σ x·y. Equal lengths.
func Dot(x, y []float32) float32 {
	if len(x) != len(y) {
		same("dot", len(x), len(y))
	}
	return active.dot(x, y)
}

// Axpy sets y += a·x. Equal lengths.
func Axpy(y []float32, a float32, x []float32) {
	if len(x) != len(y) {
		same("axpy", len(y), len(x))
	}
	active.axpy(y, a, x)
}

// Softmax sets x = exp(scale·x − top)/sum and returns top, the largest scale·x,
// and sum, the sum before dividing: log Σ exp(scale·x) is top + log sum. Scale
// must be positive. A NaN, +Inf or nothing but −Inf in x makes all of it NaN.
func Softmax(x []float32, scale float32) (top, sum float32) {
	if len(x) == 0 {
		return 0, 0
	}
	return active.softmax(x, scale)
}

// SoftmaxBack computes a softmax again, of whose results nothing was kept but
// logSum = log Σ exp(scale·x), and turns the gradient dp of its results p into that of
// x, both in place: x = p = exp(scale·x − logSum), dp = scale·p·(dp − mean). Mean is
// Σ p·dp over the whole softmax, of which dp and x may be a part. Equal lengths.
func SoftmaxBack(dp, x []float32, scale, logSum, mean float32) {
	if len(dp) != len(x) {
		same("softmax back", len(dp), len(x))
	}
	active.softmaxBack(dp, x, scale, logSum, mean)
}

// SwiGLU sets out = gate·sigmoid(gate)·up. Equal lengths.
func SwiGLU(out, gate, up []float32) {
	if len(out) != len(gate) || len(out) != len(up) {
		same("swiglu", len(out), len(gate), len(up))
	}
	active.swiglu(out, gate, up)
}

// SwiGLUBack sets the gradients of gate and up from that of out. Equal lengths.
func SwiGLUBack(dgate, dup, dout, gate, up []float32) {
	if n := len(dout); len(dgate) != n || len(dup) != n || len(gate) != n || len(up) != n {
		same("swiglu back", len(dgate), len(dup), len(dout), len(gate), len(up))
	}
	active.swigluBack(dgate, dup, dout, gate, up)
}

// Norm sets out = r·x·w with r = 1/√(mean of x² + eps), and returns r. Equal
// lengths.
func Norm(out, x, w []float32, eps float32) (r float32) {
	if len(out) != len(x) || len(out) != len(w) {
		same("norm", len(out), len(x), len(w))
	}
	return active.norm(out, x, w, eps)
}

// NormBack adds to dx and dw the gradients of x and w, from that of out and the
// r that Norm returned. Equal lengths.
func NormBack(dx, dw, dout, x, w []float32, r float32) {
	if n := len(dout); len(dx) != n || len(dw) != n || len(x) != n || len(w) != n {
		same("norm back", len(dx), len(dw), len(dout), len(x), len(w))
	}
	active.normBack(dx, dw, dout, x, w, r)
}

// Rotate turns the pairs (x[i], x[i+h]) of each head of 2h values by the angles
// whose cosines and sines are given; both have length h, and len(x) is a
// multiple of 2h. With negative sines it undoes itself.
func Rotate(x, cos, sin []float32) {
	if h := len(cos); len(sin) != h || (h == 0 && len(x) > 0) || (h > 0 && len(x)%(2*h) != 0) {
		panic(fmt.Sprintf("kernel: rotate %d values by %d cosines and %d sines", len(x), h, len(sin)))
	}
	active.rotate(x, cos, sin)
}

// AdamStep holds the factors of one AdamW step, the same for all values of a
// tensor.
type AdamStep struct {
	Scale float32 // of the gradient, from clipping
	Keep1 float32 // beta1
	Take1 float32 // 1 − beta1
	Keep2 float32 // beta2
	Take2 float32 // 1 − beta2
	Rate  float32 // learning rate / (1 − beta1ᵗ)
	Unit2 float32 // 1 / (1 − beta2ᵗ)
	Eps   float32
	Decay float32 // learning rate · weight decay
}

// AdamW moves the weights w by one step along gradient g and updates the moments
// m and v. Equal lengths.
func AdamW(w, g, m, v []float32, s *AdamStep) {
	if n := len(w); len(g) != n || len(m) != n || len(v) != n {
		same("adamw", len(w), len(g), len(m), len(v))
	}
	active.adamw(w, g, m, v, s)
}

// Scale sets x *= a.
func Scale(x []float32, a float32) { active.scale(x, a) }
