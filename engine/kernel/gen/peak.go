package main

// This file generates the loop that measures a processor's peak.

import "fmt"

// peak generates n rounds of fused multiply-adds on registers that do not wait
// for each other.
func peak(f, stubs *file) {
	for _, s := range []isa{avx512, avx2} {
		name := "fma" + s.suffix
		fmt.Fprintf(stubs, "\n//go:noescape\nfunc %s(n int)\n", name)
		fmt.Fprintf(f, "\n// func %s(n int)\nTEXT ·%s(SB), NOSPLIT, $0-8\n", name, name)
		f.op("MOVQ n+0(FP), CX")
		for i := range fmaRegisters + 2 {
			s.zero(f, i)
		}
		loop := f.label("loop")
		f.place(loop)
		for i := range fmaRegisters {
			f.op("VFMADD231PS %s, %s, %s", s.r(fmaRegisters), s.r(fmaRegisters+1), s.r(i))
		}
		f.op("DECQ CX")
		f.op("JNZ %s", loop)
		s.end(f)
	}
}

// fmaRegisters are enough to hide a latency of four cycles on two units.
const fmaRegisters = 12
