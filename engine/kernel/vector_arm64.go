package kernel

// This file holds the vector kernels of arm64: assembly for four values at a time, the
// plain loops for up to three that are left.

import "math"

func whole(x []float32) int { return len(x) &^ 3 }

func dotTailed(x, y []float32) float32 {
	n := whole(x)
	return dotNEON(x[:n], y) + dotPlain(x[n:], y[n:])
}

func axpyTailed(y []float32, a float32, x []float32) {
	n := whole(y)
	axpyNEON(y[:n], x, a)
	axpyPlain(y[n:], a, x[n:])
}

func scaleTailed(x []float32, a float32) {
	n := whole(x)
	scaleNEON(x[:n], a)
	scalePlain(x[n:], a)
}

func softmaxTailed(x []float32, scale float32) (top, sum float32) {
	n := whole(x)
	top = float32(math.Inf(-1))
	if n > 0 {
		top = topNEON(x[:n], scale)
	}
	for _, v := range x[n:] {
		top = max(top, float32(scale*v))
	}
	sum = expSumNEON(x[:n], scale, top)
	for i, v := range x[n:] {
		x[n+i] = exp(float32(scale*v) - top)
		sum += x[n+i]
	}
	scaleTailed(x, 1/sum)
	return top, sum
}

func softmaxBackTailed(dp, x []float32, scale, logSum, mean float32) {
	n := whole(x)
	softmaxBackNEON(dp[:n], x, scale, logSum, mean)
	softmaxBackPlain(dp[n:], x[n:], scale, logSum, mean)
}

func swigluTailed(out, gate, up []float32) {
	n := whole(out)
	swigluNEON(out[:n], gate, up)
	swigluPlain(out[n:], gate[n:], up[n:])
}

func swigluBackTailed(dgate, dup, dout, gate, up []float32) {
	n := whole(dout)
	swigluBackNEON(dgate[:n], dup, dout, gate, up)
	swigluBackPlain(dgate[n:], dup[n:], dout[n:], gate[n:], up[n:])
}

func normTailed(out, x, w []float32, eps float32) float32 {
	n, r := whole(x), rootMean(dotTailed(x, x), len(x), eps)
	scaledNEON(out[:n], x, w, r)
	for i, v := range x[n:] {
		out[n+i] = r * v * w[n+i]
	}
	return r
}

func normBackTailed(dx, dw, dout, x, w []float32, r float32) {
	n := whole(x)
	s := dotThreeNEON(dout[:n], w, x)
	for i, d := range dout[n:] {
		s += d * w[n+i] * x[n+i]
	}
	s *= r * r * r / float32(len(x))
	normBackNEON(dx[:n], dw, dout, x, w, r, s)
	for i, d := range dout[n:] {
		dx[n+i] += r*d*w[n+i] - s*x[n+i]
		dw[n+i] += r * d * x[n+i]
	}
}

func rotateTailed(x, cos, sin []float32) {
	h, n := len(cos), whole(cos)
	for ; len(x) > 0; x = x[2*h:] {
		a, b := x[:h], x[h:2*h]
		rotateNEON(a[:n], b, cos, sin)
		for i, c := range cos[n:] {
			s := sin[n+i]
			a[n+i], b[n+i] = a[n+i]*c-b[n+i]*s, b[n+i]*c+a[n+i]*s
		}
	}
}

func adamwTailed(w, g, m, v []float32, s *AdamStep) {
	n := whole(w)
	adamwNEON(w[:n], g, m, v, s)
	adamwPlain(w[n:], g[n:], m[n:], v[n:], s)
}
