package kernel

// This file holds the plain loops that define the vector kernels.

import "math"

func dotPlain(x, y []float32) float32 {
	var s float32
	for i, v := range x {
		s += v * y[i]
	}
	return s
}

func axpyPlain(y []float32, a float32, x []float32) {
	for i, v := range x {
		y[i] += a * v
	}
}

func softmaxPlain(x []float32, scale float32) (top, sum float32) {
	top = float32(math.Inf(-1))
	for _, v := range x {
		top = max(top, scale*v)
	}
	for i, v := range x {
		x[i] = exp(float32(scale*v) - top) // fused, the largest would not be 0
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
	return top, sum
}

func exp(x float32) float32 { return float32(math.Exp(float64(x))) }

func softmaxBackPlain(dp, x []float32, scale, logSum, mean float32) {
	for i, v := range x {
		x[i] = exp(scale*v - logSum)
		dp[i] = scale * (x[i] * (dp[i] - mean))
	}
}

func swigluPlain(out, gate, up []float32) {
	for i, g := range gate {
		out[i] = g / (1 + exp(-g)) * up[i]
	}
}

func swigluBackPlain(dgate, dup, dout, gate, up []float32) {
	for i, g := range gate {
		s := 1 / (1 + exp(-g))
		d := dout[i]
		dgate[i], dup[i] = d*up[i]*(s*(1+g*(1-s))), d*(g*s)
	}
}

func normPlain(out, x, w []float32, eps float32) float32 {
	r := rootMean(dotPlain(x, x), len(x), eps)
	for i, v := range x {
		out[i] = r * v * w[i]
	}
	return r
}

func rootMean(squares float32, n int, eps float32) float32 {
	return 1 / float32(math.Sqrt(float64(squares/float32(n)+eps)))
}

func normBackPlain(dx, dw, dout, x, w []float32, r float32) {
	var s float32
	for i, d := range dout {
		s += d * w[i] * x[i]
	}
	s *= r * r * r / float32(len(x))
	for i, d := range dout {
		dx[i] += r*d*w[i] - s*x[i]
		dw[i] += r * d * x[i]
	}
}

func rotatePlain(x, cos, sin []float32) {
	h := len(cos)
	for ; len(x) > 0; x = x[2*h:] {
		a, b := x[:h], x[h:2*h]
		for i, c := range cos {
			s := sin[i]
			a[i], b[i] = a[i]*c-b[i]*s, b[i]*c+a[i]*s
		}
	}
}

func adamwPlain(w, g, m, v []float32, s *AdamStep) {
	for i, x := range g {
		x *= s.Scale
		m[i] = s.Keep1*m[i] + s.Take1*x
		v[i] = s.Keep2*v[i] + s.Take2*(x*x)
		w[i] -= s.Decay*w[i] + s.Rate*m[i]/(float32(math.Sqrt(float64(v[i]*s.Unit2)))+s.Eps)
	}
}

func scalePlain(x []float32, a float32) {
	for i := range x {
		x[i] *= a
	}
}
