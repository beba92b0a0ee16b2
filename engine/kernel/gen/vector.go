package main

// This file generates the vector kernels. What each computes is in plain.go of
// package kernel.

func vector(f, stubs *file) {
	data(f)
	for _, s := range []isa{avx512, avx2} {
		for _, write := range []func(isa, *file, *file){
			dot, axpy, scale, softmax, softmaxBack, swiglu, swigluBack, norm, normBack, rotate, adamw,
		} {
			write(s, f, stubs)
		}
	}
}

func dot(s isa, f, stubs *file) {
	s.begin(f, stubs, "dot", "x, y []float32", " float32", 52)
	f.op("MOVQ x_base+0(FP), SI")
	f.op("MOVQ x_len+8(FP), CX")
	f.op("MOVQ y_base+24(FP), DI")
	s.zero(f, 4)
	s.sumProducts(f, "SI", "DI", 4)
	f.op("VMOVSS X4, ret+48(FP)")
	s.end(f)
}

// sumProducts leaves Σ x·y in the lowest lane of acc, which starts at zero.
func (s isa) sumProducts(f *file, x, y string, acc int) {
	s.loop(f, x+" "+y, func(l lane) {
		l.load(x, 0)
		l.load(y, 1)
		l.three("VFMADD231PS", 1, 0, acc)
	})
	s.across(f, "VADDPS", acc, 0)
}

func axpy(s isa, f, stubs *file) {
	s.begin(f, stubs, "axpy", "y []float32, a float32, x []float32", "", 56)
	f.op("MOVQ y_base+0(FP), DI")
	f.op("MOVQ y_len+8(FP), CX")
	f.op("VBROADCASTSS a+24(FP), %s", s.r(2))
	f.op("MOVQ x_base+32(FP), SI")
	s.loop(f, "SI DI", func(l lane) {
		l.load("SI", 0)
		l.load("DI", 1)
		l.three("VFMADD231PS", 0, 2, 1)
		l.store(1, "DI")
	})
	s.end(f)
}

func scale(s isa, f, stubs *file) {
	s.begin(f, stubs, "scale", "x []float32, a float32", "", 28)
	f.op("MOVQ x_base+0(FP), SI")
	f.op("MOVQ x_len+8(FP), CX")
	f.op("VBROADCASTSS a+24(FP), %s", s.r(2))
	s.loop(f, "SI", func(l lane) {
		l.load("SI", 0)
		l.three("VMULPS", 0, 2, 0)
		l.store(0, "SI")
	})
	s.end(f)
}

func softmax(s isa, f, stubs *file) {
	s.begin(f, stubs, "softmax", "x []float32, scale float32", " (top, sum float32)", 40)
	restart := func() {
		f.op("MOVQ x_base+0(FP), SI")
		f.op("MOVQ x_len+8(FP), CX")
	}
	restart()
	f.op("VBROADCASTSS scale+24(FP), %s", s.r(2))
	f.op("VMOVUPS minusInf<>(SB), %s", s.r(3))
	f.op("VMOVUPS minusInf<>(SB), %s", s.r(5))
	s.loop(f, "SI", func(l lane) {
		l.loadOr("SI", 5, 0)
		l.three("VMULPS", 2, 0, 0)
		l.three("VMAXPS", 0, 3, 3)
	})
	s.across(f, "VMAXPS", 3, 0)
	f.op("VMOVSS X3, top+32(FP)")
	f.op("VBROADCASTSS X3, %s", s.r(3))
	s.zero(f, 4)
	s.bounds(f)
	restart()
	s.loop(f, "SI", func(l lane) {
		l.load("SI", 0)
		l.three("VMULPS", 2, 0, 0)
		l.three("VSUBPS", 3, 0, 0)
		l.exp(0, 6, 7)
		l.store(0, "SI")
		l.only(0)
		l.three("VADDPS", 0, 4, 4)
	})
	s.across(f, "VADDPS", 4, 0)
	f.op("VMOVSS X4, sum+36(FP)")
	f.op("VMOVSS one<>(SB), X0")
	f.op("VDIVSS X4, X0, X4")
	f.op("VBROADCASTSS X4, %s", s.r(4))
	restart()
	s.loop(f, "SI", func(l lane) {
		l.load("SI", 0)
		l.three("VMULPS", 4, 0, 0)
		l.store(0, "SI")
	})
	s.end(f)
}

func softmaxBack(s isa, f, stubs *file) {
	s.begin(f, stubs, "softmaxBack", "dp, x []float32, scale, logSum, mean float32", "", 60)
	f.op("MOVQ dp_base+0(FP), SI")
	f.op("MOVQ dp_len+8(FP), CX")
	f.op("MOVQ x_base+24(FP), DI")
	f.op("VBROADCASTSS scale+48(FP), %s", s.r(2))
	f.op("VBROADCASTSS logSum+52(FP), %s", s.r(3))
	f.op("VBROADCASTSS mean+56(FP), %s", s.r(4))
	s.bounds(f)
	s.loop(f, "SI DI", func(l lane) {
		l.load("DI", 0)
		l.three("VMULPS", 2, 0, 0)
		l.three("VSUBPS", 3, 0, 0)
		l.exp(0, 6, 7)
		l.store(0, "DI")
		l.load("SI", 1)
		l.three("VSUBPS", 4, 1, 1)
		l.three("VMULPS", 0, 1, 1)
		l.three("VMULPS", 2, 1, 1)
		l.store(1, "SI")
	})
	s.end(f)
}

func swiglu(s isa, f, stubs *file) {
	s.begin(f, stubs, "swiglu", "out, gate, up []float32", "", 72)
	f.op("MOVQ out_base+0(FP), DI")
	f.op("MOVQ out_len+8(FP), CX")
	f.op("MOVQ gate_base+24(FP), SI")
	f.op("MOVQ up_base+48(FP), DX")
	s.bounds(f)
	s.zero(f, 4)
	s.loop(f, "DI SI DX", func(l lane) {
		l.load("SI", 3)
		l.three("VSUBPS", 3, 4, 0)
		l.exp(0, 1, 2)
		l.constant("VADDPS", "one", 0, 0)
		l.three("VDIVPS", 0, 3, 0)
		l.load("DX", 1)
		l.three("VMULPS", 1, 0, 0)
		l.store(0, "DI")
	})
	s.end(f)
}

func swigluBack(s isa, f, stubs *file) {
	s.begin(f, stubs, "swigluBack", "dgate, dup, dout, gate, up []float32", "", 120)
	f.op("MOVQ dgate_base+0(FP), DI")
	f.op("MOVQ dgate_len+8(FP), CX")
	f.op("MOVQ dup_base+24(FP), R8")
	f.op("MOVQ dout_base+48(FP), BX")
	f.op("MOVQ gate_base+72(FP), SI")
	f.op("MOVQ up_base+96(FP), DX")
	s.bounds(f)
	s.zero(f, 4)
	f.op("VMOVUPS one<>(SB), %s", s.r(5))
	s.loop(f, "DI R8 BX SI DX", func(l lane) {
		l.load("SI", 3)
		l.three("VSUBPS", 3, 4, 0)
		l.exp(0, 1, 2)
		l.three("VADDPS", 5, 0, 0)
		l.three("VDIVPS", 0, 5, 0) // s
		l.three("VSUBPS", 0, 5, 1)
		l.three("VFMADD213PS", 5, 3, 1) // 1 + g(1−s)
		l.three("VMULPS", 0, 1, 1)
		l.three("VMULPS", 3, 0, 0) // g·s
		l.load("BX", 2)
		l.load("DX", 6)
		l.three("VMULPS", 2, 0, 0)
		l.store(0, "R8")
		l.three("VMULPS", 6, 2, 2)
		l.three("VMULPS", 2, 1, 1)
		l.store(1, "DI")
	})
	s.end(f)
}

func norm(s isa, f, stubs *file) {
	s.begin(f, stubs, "norm", "out, x, w []float32, eps float32", " float32", 84)
	f.op("MOVQ x_base+24(FP), SI")
	f.op("MOVQ x_len+32(FP), CX")
	f.op("VCVTSI2SSQ CX, X5, X5")
	s.zero(f, 4)
	s.loop(f, "SI", func(l lane) {
		l.load("SI", 0)
		l.three("VFMADD231PS", 0, 0, 4)
	})
	s.across(f, "VADDPS", 4, 0)
	f.op("VDIVSS X5, X4, X4")
	f.op("VADDSS eps+72(FP), X4, X4")
	f.op("VSQRTSS X4, X4, X4")
	f.op("VMOVSS one<>(SB), X0")
	f.op("VDIVSS X4, X0, X4")
	f.op("VMOVSS X4, ret+80(FP)")
	f.op("VBROADCASTSS X4, %s", s.r(4))
	f.op("MOVQ out_base+0(FP), DI")
	f.op("MOVQ x_base+24(FP), SI")
	f.op("MOVQ x_len+32(FP), CX")
	f.op("MOVQ w_base+48(FP), DX")
	s.loop(f, "DI SI DX", func(l lane) {
		l.load("SI", 0)
		l.load("DX", 1)
		l.three("VMULPS", 4, 0, 0)
		l.three("VMULPS", 1, 0, 0)
		l.store(0, "DI")
	})
	s.end(f)
}

func normBack(s isa, f, stubs *file) {
	s.begin(f, stubs, "normBack", "dx, dw, dout, x, w []float32, r float32", "", 124)
	restart := func() {
		f.op("MOVQ dout_base+48(FP), BX")
		f.op("MOVQ dout_len+56(FP), CX")
		f.op("MOVQ x_base+72(FP), SI")
		f.op("MOVQ w_base+96(FP), DX")
	}
	restart()
	f.op("VCVTSI2SSQ CX, X5, X5")
	s.zero(f, 4)
	s.loop(f, "BX SI DX", func(l lane) {
		l.load("BX", 0)
		l.load("SI", 1)
		l.load("DX", 2)
		l.three("VMULPS", 2, 0, 0)
		l.three("VFMADD231PS", 1, 0, 4)
	})
	s.across(f, "VADDPS", 4, 0)
	f.op("VMOVSS r+120(FP), X6")
	for range 3 {
		f.op("VMULSS X6, X4, X4")
	}
	f.op("VDIVSS X5, X4, X4")
	f.op("VBROADCASTSS X4, %s", s.r(4))
	f.op("VBROADCASTSS X6, %s", s.r(6))
	restart()
	f.op("MOVQ dx_base+0(FP), DI")
	f.op("MOVQ dw_base+24(FP), R8")
	s.loop(f, "BX SI DX DI R8", func(l lane) {
		l.load("BX", 0)
		l.load("SI", 1)
		l.load("DX", 2)
		l.load("DI", 3)
		l.load("R8", 5)
		l.three("VMULPS", 6, 0, 0) // r·dout
		l.three("VFMADD231PS", 0, 1, 5)
		l.three("VFMADD231PS", 0, 2, 3)
		l.three("VFNMADD231PS", 1, 4, 3)
		l.store(3, "DI")
		l.store(5, "R8")
	})
	s.end(f)
}

// rotate walks head by head: AX is the head, R8 its bytes, R9 and R10 the
// cosines and sines, R12 half a head's values.
func rotate(s isa, f, stubs *file) {
	s.begin(f, stubs, "rotate", "x, cos, sin []float32", "", 72)
	next, done := f.label("head"), f.label("end")
	f.op("MOVQ x_base+0(FP), AX")
	f.op("MOVQ x_len+8(FP), DX")
	f.op("SHLQ $2, DX")
	f.op("ADDQ AX, DX") // end of x
	f.op("MOVQ cos_base+24(FP), R9")
	f.op("MOVQ cos_len+32(FP), R12")
	f.op("MOVQ sin_base+48(FP), R10")
	f.place(next)
	f.op("CMPQ AX, DX")
	f.op("JGE %s", done)
	f.op("MOVQ R12, CX")
	f.op("MOVQ AX, SI")
	f.op("LEAQ (AX)(R12*4), DI")
	f.op("LEAQ (AX)(R12*8), AX")
	f.op("MOVQ R9, BX")
	f.op("MOVQ R10, R8")
	s.loop(f, "SI DI BX R8", func(l lane) {
		l.load("SI", 0)
		l.load("DI", 1)
		l.load("BX", 2)
		l.load("R8", 3)
		l.three("VMULPS", 0, 2, 4)
		l.three("VFNMADD231PS", 1, 3, 4)
		l.three("VMULPS", 1, 2, 5)
		l.three("VFMADD231PS", 0, 3, 5)
		l.store(4, "SI")
		l.store(5, "DI")
	})
	f.op("JMP %s", next)
	f.place(done)
	s.end(f)
}

// adamw keeps the nine factors of AdamStep in registers 6 to 14, in its order.
func adamw(s isa, f, stubs *file) {
	s.begin(f, stubs, "adamw", "w, g, m, v []float32, s *AdamStep", "", 104)
	f.op("MOVQ w_base+0(FP), DI")
	f.op("MOVQ w_len+8(FP), CX")
	f.op("MOVQ g_base+24(FP), SI")
	f.op("MOVQ m_base+48(FP), DX")
	f.op("MOVQ v_base+72(FP), BX")
	f.op("MOVQ s+96(FP), AX")
	const scale, keep1, take1, keep2, take2, rate, unit2, eps, decay = 6, 7, 8, 9, 10, 11, 12, 13, 14
	for i := range 9 {
		f.op("VBROADCASTSS %d(AX), %s", 4*i, s.r(scale+i))
	}
	s.loop(f, "DI SI DX BX", func(l lane) {
		l.load("SI", 0)
		l.three("VMULPS", scale, 0, 0)
		l.load("DX", 1)
		l.three("VMULPS", keep1, 1, 1)
		l.three("VFMADD231PS", 0, take1, 1)
		l.store(1, "DX")
		l.three("VMULPS", 0, 0, 0)
		l.load("BX", 2)
		l.three("VMULPS", keep2, 2, 2)
		l.three("VFMADD231PS", 0, take2, 2)
		l.store(2, "BX")
		l.three("VMULPS", unit2, 2, 2)
		l.three("VSQRTPS", 2, 2)
		l.three("VADDPS", eps, 2, 2)
		l.three("VMULPS", rate, 1, 1)
		l.three("VDIVPS", 2, 1, 1)
		l.load("DI", 3)
		l.three("VFMADD231PS", 3, decay, 1)
		l.three("VSUBPS", 1, 3, 3)
		l.store(3, "DI")
	})
	s.end(f)
}
