package main

// This file generates the vector kernels of arm64: the parts of those in vector.go
// that run over four values at a time. Package kernel puts them together and does the
// last three values in plain Go.

func vectorNEON(asm, stubs *file) {
	f := neon{asm}
	dataNEON(f)
	for _, write := range []func(neon, *file){
		dotNEON, axpyNEON, scaleNEON, topNEON, expSumNEON, softmaxBackNEON, swigluNEON, swigluBackNEON,
		scaledNEON, dotThreeNEON, normBackNEON, rotateNEON, adamwNEON,
	} {
		write(f, stubs)
	}
}

func dotNEON(f neon, stubs *file) {
	ret := f.begin(stubs, function{name: "dot", slices: []string{"x", "y"}, result: true})
	for i := range 4 {
		f.zero(16 + i)
	}
	f.loop(2, 16, func() {
		f.op("VLD1 (R0), %s", list(0, 4))
		f.op("VLD1 (R1), %s", list(4, 4))
		for i := range 4 {
			f.three("FMLA", 16+i, i, 4+i)
		}
	})
	f.each(2, func() {
		f.load(0, 0)
		f.load(1, 1)
		f.three("FMLA", 16, 0, 1)
	})
	f.three("FADD", 16, 16, 17)
	f.three("FADD", 18, 18, 19)
	f.three("FADD", 16, 16, 18)
	f.sum(16)
	f.op("FMOVS F16, %s", ret)
	f.op("RET")
}

// axpy sets y += a·x.
func axpyNEON(f neon, stubs *file) {
	f.begin(stubs, function{name: "axpy", slices: []string{"y", "x"}, scalars: []scalar{{"a", 2}}})
	f.each(2, func() {
		f.load(0, 0)
		f.load(1, 1)
		f.three("FMLA", 0, 1, 2)
		f.store(0, 0)
	})
	f.op("RET")
}

func scaleNEON(f neon, stubs *file) {
	f.begin(stubs, function{name: "scale", slices: []string{"x"}, scalars: []scalar{{"a", 2}}})
	f.each(1, func() {
		f.load(0, 0)
		f.three("FMUL", 0, 0, 2)
		f.store(0, 0)
	})
	f.op("RET")
}

// top returns the largest scale·x. There must be four values at least.
func topNEON(f neon, stubs *file) {
	ret := f.begin(stubs, function{name: "top", slices: []string{"x"}, scalars: []scalar{{"scale", 2}}, result: true})
	f.load(0, 3)
	f.three("FMUL", 3, 3, 2)
	f.each(1, func() {
		f.load(0, 0)
		f.three("FMUL", 0, 0, 2)
		f.three("FMAX", 3, 3, 0)
	})
	f.word(0x6E30F800|3<<5|3, "FMAXV S3, V3.4S")
	f.op("FMOVS F3, %s", ret)
	f.op("RET")
}

// expSum sets x = exp(scale·x − top) and returns the sum.
func expSumNEON(f neon, stubs *file) {
	ret := f.begin(stubs, function{
		name: "expSum", slices: []string{"x"}, scalars: []scalar{{"scale", 2}, {"top", 3}}, result: true,
	})
	f.bounds()
	f.zero(4)
	f.each(1, func() {
		f.load(0, 0)
		f.three("FMUL", 0, 0, 2)
		f.three("FSUB", 0, 0, 3)
		f.exp(0, 5, 6, 7)
		f.store(0, 0)
		f.three("FADD", 4, 4, 0)
	})
	f.sum(4)
	f.op("FMOVS F4, %s", ret)
	f.op("RET")
}

func softmaxBackNEON(f neon, stubs *file) {
	f.begin(stubs, function{
		name: "softmaxBack", slices: []string{"dp", "x"}, scalars: []scalar{{"scale", 2}, {"logSum", 3}, {"mean", 4}},
	})
	f.bounds()
	f.each(2, func() {
		f.load(1, 0)
		f.three("FMUL", 0, 0, 2)
		f.three("FSUB", 0, 0, 3)
		f.exp(0, 5, 6, 7)
		f.store(0, 1)
		f.load(0, 1)
		f.three("FSUB", 1, 1, 4)
		f.three("FMUL", 1, 1, 0)
		f.three("FMUL", 1, 1, 2)
		f.store(1, 0)
	})
	f.op("RET")
}

func swigluNEON(f neon, stubs *file) {
	f.begin(stubs, function{name: "swiglu", slices: []string{"out", "gate", "up"}})
	f.bounds()
	f.zero(4)
	f.each(3, func() {
		f.load(1, 3)
		f.three("FSUB", 0, 4, 3)
		f.exp(0, 5, 6, 7)
		f.three("FADD", 0, 0, regOne)
		f.three("FDIV", 0, 3, 0)
		f.load(2, 1)
		f.three("FMUL", 0, 0, 1)
		f.store(0, 0)
	})
	f.op("RET")
}

func swigluBackNEON(f neon, stubs *file) {
	f.begin(stubs, function{name: "swigluBack", slices: []string{"dgate", "dup", "dout", "gate", "up"}})
	f.bounds()
	f.zero(4)
	f.each(5, func() {
		f.load(3, 3)
		f.three("FSUB", 0, 4, 3)
		f.exp(0, 5, 6, 7)
		f.three("FADD", 0, 0, regOne)
		f.three("FDIV", 0, regOne, 0) // s
		f.three("FSUB", 1, regOne, 0)
		f.move(2, regOne)
		f.three("FMLA", 2, 3, 1) // 1 + g(1−s)
		f.three("FMUL", 2, 2, 0)
		f.three("FMUL", 0, 0, 3) // g·s
		f.load(2, 1)
		f.load(4, 5)
		f.three("FMUL", 0, 0, 1)
		f.store(0, 1)
		f.three("FMUL", 1, 1, 5)
		f.three("FMUL", 2, 2, 1)
		f.store(2, 0)
	})
	f.op("RET")
}

// scaled sets out = r·x·w.
func scaledNEON(f neon, stubs *file) {
	f.begin(stubs, function{name: "scaled", slices: []string{"out", "x", "w"}, scalars: []scalar{{"r", 4}}})
	f.each(3, func() {
		f.load(1, 0)
		f.load(2, 1)
		f.three("FMUL", 0, 0, 4)
		f.three("FMUL", 0, 0, 1)
		f.store(0, 0)
	})
	f.op("RET")
}

// dotThree returns Σ x·y·z.
func dotThreeNEON(f neon, stubs *file) {
	ret := f.begin(stubs, function{name: "dotThree", slices: []string{"x", "y", "z"}, result: true})
	f.zero(16)
	f.each(3, func() {
		for i := range 3 {
			f.load(i, i)
		}
		f.three("FMUL", 0, 0, 1)
		f.three("FMLA", 16, 0, 2)
	})
	f.sum(16)
	f.op("FMOVS F16, %s", ret)
	f.op("RET")
}

// normBack sets dx += r·dout·w − s·x and dw += r·dout·x.
func normBackNEON(f neon, stubs *file) {
	f.begin(stubs, function{
		name: "normBack", slices: []string{"dx", "dw", "dout", "x", "w"}, scalars: []scalar{{"r", 6}, {"s", 7}},
	})
	f.each(5, func() {
		for i := range 5 {
			f.load(i, i)
		}
		f.three("FMUL", 2, 2, 6)
		f.three("FMLA", 1, 2, 3)
		f.three("FMLA", 0, 2, 4)
		f.three("FMLS", 0, 3, 7)
		f.store(0, 0)
		f.store(1, 1)
	})
	f.op("RET")
}

// rotate turns the pairs (a, b) of one head.
func rotateNEON(f neon, stubs *file) {
	f.begin(stubs, function{name: "rotate", slices: []string{"a", "b", "cos", "sin"}})
	f.each(4, func() {
		for i := range 4 {
			f.load(i, i)
		}
		f.three("FMUL", 4, 0, 2)
		f.three("FMLS", 4, 1, 3)
		f.three("FMUL", 5, 1, 2)
		f.three("FMLA", 5, 0, 3)
		f.store(4, 0)
		f.store(5, 1)
	})
	f.op("RET")
}

// adamw keeps the nine factors of AdamStep in registers 16 to 24, in its order.
func adamwNEON(f neon, stubs *file) {
	f.begin(stubs, function{name: "adamw", slices: []string{"w", "g", "m", "v"}, last: "s *AdamStep"})
	const scale, keep1, take1, keep2, take2, rate, unit2, eps, decay = 16, 17, 18, 19, 20, 21, 22, 23, 24
	for i := range 9 {
		f.op("FMOVS %d(R9), F%d", 4*i, scale+i)
		f.op("VDUP V%d.S[0], V%d.S4", scale+i, scale+i)
	}
	f.each(4, func() {
		for i := range 4 {
			f.load(i, i) // w, g, m, v
		}
		f.three("FMUL", 1, 1, scale)
		f.three("FMUL", 2, 2, keep1)
		f.three("FMLA", 2, 1, take1)
		f.store(2, 2)
		f.three("FMUL", 1, 1, 1)
		f.three("FMUL", 3, 3, keep2)
		f.three("FMLA", 3, 1, take2)
		f.store(3, 3)
		f.three("FMUL", 3, 3, unit2)
		f.two("FSQRT", 3, 3)
		f.three("FADD", 3, 3, eps)
		f.three("FMUL", 2, 2, rate)
		f.three("FDIV", 2, 2, 3)
		f.three("FMLA", 2, 0, decay)
		f.three("FSUB", 0, 0, 2)
		f.store(0, 0)
	})
	f.op("RET")
}
