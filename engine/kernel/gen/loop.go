package main

// This file holds what the vector kernels are written with: functions over
// slices, loops with a masked tail, sums across a register, and exp.

import (
	"fmt"
	"math"
	"strings"
)

// Registers with a fixed role: CX counts what is left; R11 and R13 are scratch of
// loops. Vector registers 12 and 13 hold exp's bounds where it is used; 15 is
// the tail's mask on AVX2, K1 on AVX-512.
const (
	regLow, regHigh, regMask = 12, 13, 15
)

// begin opens a function over slices and scalars. Pointers of the named slices
// go to the registers given; the length of the first goes to CX.
func (s isa) begin(f, stubs *file, name, params, result string, size int) {
	sig := fmt.Sprintf("%s%s(%s)%s", name, s.suffix, params, result)
	fmt.Fprintf(stubs, "\n//go:noescape\nfunc %s\n", sig)
	fmt.Fprintf(f, "\n// func %s\nTEXT ·%s%s(SB), NOSPLIT, $0-%d\n", sig, name, s.suffix, size)
}

// end closes a function.
func (s isa) end(f *file) {
	f.op("VZEROUPPER")
	f.op("RET")
}

// lane is how a loop's body reads and writes: whole registers, or in the tail
// only those lanes that lie within the slice.
type lane struct {
	*file
	isa
	tail bool
}

// load reads the register's worth at ptr; lanes beyond the slice are zero.
func (l lane) load(ptr string, dst int) {
	switch {
	case !l.tail:
		l.op("VMOVUPS (%s), %s", ptr, l.r(dst))
	case l.masks:
		l.op("VMOVUPS.Z (%s), K1, %s", ptr, l.r(dst))
	default:
		l.op("VMASKMOVPS (%s), Y%d, %s", ptr, regMask, l.r(dst))
	}
}

// loadOr is load with lanes beyond the slice taken from register or.
func (l lane) loadOr(ptr string, or, dst int) {
	switch {
	case !l.tail:
		l.load(ptr, dst)
	case l.masks:
		l.op("VMOVAPS %s, %s", l.r(or), l.r(dst))
		l.op("VMOVUPS (%s), K1, %s", ptr, l.r(dst))
	default:
		l.load(ptr, dst)
		l.op("VBLENDVPS Y%d, %s, %s, %s", regMask, l.r(dst), l.r(or), l.r(dst))
	}
}

func (l lane) store(src int, ptr string) {
	switch {
	case !l.tail:
		l.op("VMOVUPS %s, (%s)", l.r(src), ptr)
	case l.masks:
		l.op("VMOVUPS %s, K1, (%s)", l.r(src), ptr)
	default:
		l.op("VMASKMOVPS %s, Y%d, (%s)", l.r(src), regMask, ptr)
	}
}

// only clears the lanes beyond the slice.
func (l lane) only(reg int) {
	switch {
	case !l.tail:
	case l.masks:
		l.op("VMOVAPS.Z %s, K1, %s", l.r(reg), l.r(reg))
	default:
		l.op("VANDPS Y%d, %s, %s", regMask, l.r(reg), l.r(reg))
	}
}

// three writes an instruction with registers only, destination last.
func (l lane) three(name string, regs ...int) {
	text := make([]string, len(regs))
	for i, n := range regs {
		text[i] = l.r(n)
	}
	l.op("%s %s", name, strings.Join(text, ", "))
}

// constant writes an instruction whose first operand is a constant.
func (l lane) constant(name, value string, regs ...int) {
	text := []string{value + "<>(SB)"}
	for _, n := range regs {
		text = append(text, l.r(n))
	}
	l.op("%s %s", name, strings.Join(text, ", "))
}

// loop runs body over CX values, advancing the pointers.
func (s isa) loop(f *file, pointers string, body func(lane)) {
	again, tail, done := f.label("loop"), f.label("tail"), f.label("done")
	f.op("SUBQ $%d, CX", s.lanes)
	f.op("JLT %s", tail)
	f.place(again)
	body(lane{f, s, false})
	for _, p := range strings.Fields(pointers) {
		f.op("ADDQ $%d, %s", 4*s.lanes, p)
	}
	f.op("SUBQ $%d, CX", s.lanes)
	f.op("JGE %s", again)
	f.place(tail)
	f.op("ADDQ $%d, CX", s.lanes)
	f.op("JEQ %s", done)
	if s.masks {
		f.op("MOVL $-1, R11")
		f.op("BZHIL CX, R11, R11")
		f.op("KMOVW R11, K1")
	} else {
		f.op("LEAQ laneMask<>(SB), R11")
		f.op("MOVL $8, R13")
		f.op("SUBQ CX, R13")
		f.op("VMOVUPS (R11)(R13*4), Y%d", regMask)
	}
	body(lane{f, s, true})
	f.place(done)
}

// across reduces the lanes of register n into its lowest by op, VADDPS or
// VMAXPS, using register t.
func (s isa) across(f *file, op string, n, t int) {
	if s.masks {
		f.op("VEXTRACTF64X4 $1, Z%d, Y%d", n, t)
		f.op("%s Y%d, Y%d, Y%d", op, t, n, n)
	}
	f.op("VEXTRACTF128 $1, Y%d, X%d", n, t)
	f.op("%s X%d, X%d, X%d", op, t, n, n)
	for _, shuffle := range []int{0x4E, 0xB1} {
		f.op("VPERMILPS $0x%02X, X%d, X%d", shuffle, n, t)
		f.op("%s X%d, X%d, X%d", op, t, n, n)
	}
}

// Constants of exp: Cephes expf (Moshier), which is good to one unit in the last
// place over the range kept by the bounds. Below low exp is zero, above high it
// is infinite.
var constants = []struct {
	name  string
	value float64
}{
	{"expLow", -104.5},
	{"expHigh", 89},
	{"expLog2e", math.Log2E},
	{"expLn2High", 0.693359375},
	{"expLn2Low", -2.12194440e-4},
	{"exp5", 1.9875691500e-4},
	{"exp4", 1.3981999507e-3},
	{"exp3", 8.3334519073e-3},
	{"exp2", 4.1665795894e-2},
	{"exp1", 1.6666665459e-1},
	{"exp0", 5.0000001201e-1},
	{"one", 1},
	{"minusInf", math.Inf(-1)},
}

func data(f *file) {
	words := func(name string, words ...uint32) {
		for i, w := range words {
			fmt.Fprintf(f, "DATA %s<>+%d(SB)/4, $0x%08X\n", name, 4*i, w)
		}
		fmt.Fprintf(f, "GLOBL %s<>(SB), RODATA|NOPTR, $%d\n\n", name, 4*len(words))
	}
	for _, c := range constants {
		var w [16]uint32
		for i := range w {
			w[i] = math.Float32bits(float32(c.value))
		}
		words(c.name, w[:]...)
	}
	var bias [8]uint32
	for i := range bias {
		bias[i] = 127
	}
	words("exponentBias", bias[:]...)
	mask := make([]uint32, 16)
	for i := range 8 {
		mask[i] = ^uint32(0)
	}
	words("laneMask", mask...)
}

// bounds loads what exp needs in registers.
func (s isa) bounds(f *file) {
	f.op("VMOVUPS expLow<>(SB), %s", s.r(regLow))
	f.op("VMOVUPS expHigh<>(SB), %s", s.r(regHigh))
}

// exp sets register x to its exponential, using t and p. A NaN stays: MIN and MAX
// return their second source then, here x.
func (l lane) exp(x, t, p int) {
	l.three("VMAXPS", x, regLow, x)
	l.three("VMINPS", x, regHigh, x)
	l.constant("VMULPS", "expLog2e", x, t)
	if l.masks {
		l.op("VRNDSCALEPS $0, %s, %s", l.r(t), l.r(t))
	} else {
		l.op("VROUNDPS $0, %s, %s", l.r(t), l.r(t))
	}
	l.constant("VFNMADD231PS", "expLn2High", t, x)
	l.constant("VFNMADD231PS", "expLn2Low", t, x)
	l.constant("VMOVUPS", "exp5", p)
	for _, c := range []string{"exp4", "exp3", "exp2", "exp1", "exp0", "one", "one"} {
		l.constant("VFMADD213PS", c, x, p)
	}
	if l.masks {
		l.three("VSCALEFPS", t, p, x)
		return
	}
	// 2ᵗ in two factors, since t may exceed the exponents of a float32.
	l.three("VCVTPS2DQ", t, t)
	l.op("VPSRAD $1, Y%d, Y%d", t, x)
	l.three("VPSUBD", x, t, t)
	for _, half := range []int{x, t} {
		l.constant("VPADDD", "exponentBias", half, half)
		l.op("VPSLLD $23, Y%d, Y%d", half, half)
		l.three("VMULPS", half, p, p)
	}
	l.three("VMOVAPS", p, x)
}
