package kernel

// This file holds the choice of an instruction set, made once at start.

// set is one implementation of every kernel.
type set struct {
	name        string
	tiles       *tiles
	mixed       *mixer // nil if there is none
	dot         func(x, y []float32) float32
	axpy        func(y []float32, a float32, x []float32)
	scale       func(x []float32, a float32)
	softmax     func(x []float32, scale float32) (top, sum float32)
	softmaxBack func(dp, x []float32, scale, logSum, mean float32)
	swiglu      func(out, gate, up []float32)
	swigluBack  func(dgate, dup, dout, gate, up []float32)
	norm        func(out, x, w []float32, eps float32) float32
	normBack    func(dx, dw, dout, x, w []float32, r float32)
	rotate      func(x, cos, sin []float32)
	adamw       func(w, g, m, v []float32, s *AdamStep)
	fma         func(n int)
	fmaWork     int // floating-point operations of one round of fma
}

var plain = set{
	name: "go", tiles: &tilesPlain, dot: dotPlain, axpy: axpyPlain, scale: scalePlain, softmax: softmaxPlain, softmaxBack: softmaxBackPlain,
	swiglu: swigluPlain, swigluBack: swigluBackPlain, norm: normPlain, normBack: normBackPlain,
	rotate: rotatePlain, adamw: adamwPlain, fma: fmaPlain, fmaWork: 2 * 8,
}

// active is the best set this processor runs; never changed after start.
var active = available()[0]

// Name says which instruction set is in use: "avx512", "avx2", "neon" or "go".
func Name() string { return active.name }
