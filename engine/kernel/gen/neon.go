package main

// This file holds what the kernels of arm64 are written with: NEON instructions by
// their encoding, since Go's assembler knows few of those on floats, functions over
// slices, loops over four values at a time, and exp.
//
// Encodings are those of the Arm Architecture Reference Manual for A-profile (DDI
// 0487), C7.2: all of them work on four lanes of 32 bits.

import (
	"fmt"
	"math"
	"strings"
)

const lanesNEON = 4

// Instructions on registers: the first source stands in bits 5 to 9, the second, where
// there is one, in bits 16 to 20, the destination in bits 0 to 4.
var neonOps = map[string]uint32{
	"FADD": 0x4E20D400, "FSUB": 0x4EA0D400, "FMUL": 0x6E20DC00, "FDIV": 0x6E20FC00,
	"FMLA": 0x4E20CC00, "FMLS": 0x4EA0CC00, "FMAX": 0x4E20F400, "FMIN": 0x4EA0F400,
	"FADDP": 0x6E20D400, "ADD": 0x4EA08400, "SUB": 0x6EA08400,
	"FSQRT": 0x6EA1F800, "FRINTN": 0x4E218800, "FCVTNS": 0x4E21A800,
	"ORR":  0x4EA01C00, // of a register with itself, a move
	"ZIP1": 0x4E803800, "ZIP2": 0x4E807800,
}

// neon is assembly text for arm64 being written.
type neon struct{ *file }

func (f neon) word(code uint32, format string, args ...any) {
	f.op("WORD $0x%08X // %s", code, fmt.Sprintf(format, args...))
}

// three writes dst = a OP b, or for FMLA and FMLS dst ± a·b.
func (f neon) three(name string, dst, a, b int) {
	f.word(neonOps[name]|uint32(b<<16|a<<5|dst), "%s V%d.4S, V%d.4S, V%d.4S", name, dst, a, b)
}

// two writes dst = OP a.
func (f neon) two(name string, dst, a int) {
	f.word(neonOps[name]|uint32(a<<5|dst), "%s V%d.4S, V%d.4S", name, dst, a)
}

// byElement writes dst += a·b[lane].
func (f neon) byElement(dst, a, b, lane int) {
	code := uint32(0x4F801000) | uint32(lane&1<<21|lane>>1<<11|b<<16|a<<5|dst)
	f.word(code, "FMLA V%d.4S, V%d.4S, V%d.S[%d]", dst, a, b, lane)
}

func (f neon) move(dst, src int) { f.three("ORR", dst, src, src) }

func (f neon) zero(reg int) { f.op("VEOR V%d.B16, V%d.B16, V%d.B16", reg, reg, reg) }

// sum leaves the sum of the lanes of reg in its lowest.
func (f neon) sum(reg int) {
	f.three("FADDP", reg, reg, reg)
	f.three("FADDP", reg, reg, reg)
}

// list is registers as loads and stores name them.
func list(first, n int) string {
	text := make([]string, n)
	for i := range text {
		text[i] = fmt.Sprintf("V%d.S4", first+i)
	}
	return "[" + strings.Join(text, ", ") + "]"
}

// function opens a function over slices of one length, a multiple of four, with scalars
// and a float32 as result if any. The slices' pointers go to R0, R1 and so on, the
// length to R8, each scalar into all lanes of its register.
type function struct {
	name    string
	slices  []string
	scalars []scalar
	last    string // declaration of a pointer after them, which goes to R9
	result  bool
}

type scalar struct {
	name string
	reg  int
}

func (d function) signature() string {
	params := []string{strings.Join(d.slices, ", ") + " []float32"}
	if len(d.scalars) > 0 {
		names := make([]string, len(d.scalars))
		for i, s := range d.scalars {
			names[i] = s.name
		}
		params = append(params, strings.Join(names, ", ")+" float32")
	}
	if d.last != "" {
		params = append(params, d.last)
	}
	result := ""
	if d.result {
		result = " float32"
	}
	return d.name + "NEON(" + strings.Join(params, ", ") + ")" + result
}

// begin writes the head of the function and returns where its result goes.
func (f neon) begin(stubs *file, d function) (result string) {
	at := 24*len(d.slices) + 4*len(d.scalars)
	size := at
	if d.last != "" {
		size += 8
	}
	if d.result {
		at = (at + 7) &^ 7
		size = at + 4
	}
	fmt.Fprintf(stubs, "\n//go:noescape\nfunc %s\n", d.signature())
	fmt.Fprintf(f, "\n// func %s\nTEXT ·%sNEON(SB), NOSPLIT, $0-%d\n", d.signature(), d.name, size)
	for i, s := range d.slices {
		f.op("MOVD %s_base+%d(FP), R%d", s, 24*i, i)
	}
	f.op("MOVD %s_len+8(FP), R8", d.slices[0])
	for i, s := range d.scalars {
		f.op("FMOVS %s+%d(FP), F%d", s.name, 24*len(d.slices)+4*i, s.reg)
		f.op("VDUP V%d.S[0], V%d.S4", s.reg, s.reg)
	}
	if name, _, ok := strings.Cut(d.last, " "); ok {
		f.op("MOVD %s+%d(FP), R9", name, 24*len(d.slices)+4*len(d.scalars))
	}
	return fmt.Sprintf("ret+%d(FP)", at)
}

// loop runs body over R8 values, step at a time, and moves as many pointers on. Fewer
// than step values stay in R8.
func (f neon) loop(pointers, step int, body func()) {
	again, done := f.label("loop"), f.label("done")
	f.op("SUBS $%d, R8, R8", step)
	f.op("BLT %s", done)
	f.place(again)
	body()
	for i := range pointers {
		f.op("ADD $%d, R%d, R%d", 4*step, i, i)
	}
	f.op("SUBS $%d, R8, R8", step)
	f.op("BGE %s", again)
	f.place(done)
	f.op("ADD $%d, R8, R8", step)
}

// each is loop over four values at a time.
func (f neon) each(pointers int, body func()) { f.loop(pointers, lanesNEON, body) }

func (f neon) load(pointer, reg int)  { f.op("VLD1 (R%d), %s", pointer, list(reg, 1)) }
func (f neon) store(reg, pointer int) { f.op("VST1 %s, (R%d)", list(reg, 1), pointer) }

// Registers of exp's constants, in the order of neonConstants.
const (
	regLowNEON = 16 + iota
	regHighNEON
	regLog2e
	regLn2High
	regLn2Low
	regExp5
	regExp4
	regExp3
	regExp2
	regExp1
	regExp0
	regOne
	regBias
)

// dataNEON writes exp's constants, each four times.
func dataNEON(f neon) {
	values := map[string]float64{}
	for _, c := range constants {
		values[c.name] = c.value
	}
	at := 0
	put := func(w uint32) {
		for range lanesNEON {
			fmt.Fprintf(f, "DATA expNEON<>+%d(SB)/4, $0x%08X\n", at, w)
			at += 4
		}
	}
	for _, name := range []string{
		"expLow", "expHigh", "expLog2e", "expLn2High", "expLn2Low", "exp5", "exp4", "exp3", "exp2", "exp1", "exp0", "one",
	} {
		put(math.Float32bits(float32(values[name])))
	}
	put(127) // bias of an exponent
	fmt.Fprintf(f, "GLOBL expNEON<>(SB), RODATA|NOPTR, $%d\n", at)
}

// bounds loads exp's constants.
func (f neon) bounds() {
	f.op("MOVD $expNEON<>(SB), R10")
	for reg := regLowNEON; reg < regBias; reg += 4 {
		f.op("VLD1.P 64(R10), %s", list(reg, 4))
	}
	f.op("VLD1 (R10), %s", list(regBias, 1))
}

// exp sets register x to its exponential, using t, p and q. A NaN stays one. It is the
// exp of amd64, see loop.go.
func (f neon) exp(x, t, p, q int) {
	f.three("FMAX", x, x, regLowNEON)
	f.three("FMIN", x, x, regHighNEON)
	f.three("FMUL", t, x, regLog2e)
	f.two("FRINTN", t, t)
	f.three("FMLS", x, t, regLn2High)
	f.three("FMLS", x, t, regLn2Low)
	f.move(p, regExp5)
	for _, c := range []int{regExp4, regExp3, regExp2, regExp1, regExp0, regOne, regOne} {
		f.move(q, c)
		f.three("FMLA", q, p, x)
		p, q = q, p
	}
	// 2ᵗ in two factors, since t may exceed the exponents of a float32.
	f.two("FCVTNS", t, t)
	f.shift(q, t, false, 1)
	f.three("SUB", t, t, q)
	for _, half := range []int{q, t} {
		f.three("ADD", half, half, regBias)
		f.shift(half, half, true, 23)
		f.three("FMUL", p, p, half)
	}
	f.move(x, p)
}

// shift shifts each lane to the left, or to the right with its sign.
func (f neon) shift(dst, src int, left bool, n int) {
	if left {
		f.word(0x4F005400|uint32((32+n)<<16|src<<5|dst), "SHL V%d.4S, V%d.4S, #%d", dst, src, n)
		return
	}
	f.word(0x4F000400|uint32((64-n)<<16|src<<5|dst), "SSHR V%d.4S, V%d.4S, #%d", dst, src, n)
}
