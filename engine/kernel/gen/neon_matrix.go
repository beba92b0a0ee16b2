package main

// This file generates the micro-kernels of the matrix product for arm64, the packing
// of its operands, and the loop that measures a processor's peak.

import "fmt"

func matrixNEON(asm, stubs *file) {
	f := neon{asm}
	for _, rows := range []int{12, 8, 4, 1} {
		f.tile(stubs, rows)
	}
	f.turn(stubs)
	f.peak(stubs)
}

// Registers of a tile: C from 0 on, two for each row, then up to three with a column
// of A and two with a row of B.
const (
	regA = 24
	regB = 27
)

// tile is tile of matrix.go for A packed: C (rows × 2 registers) = A·B or C += A·B. A
// column of A fills registers whose lanes are the factors, so that nothing is
// broadcast.
func (f neon) tile(stubs *file, rows int) {
	name := fmt.Sprintf("tile%dx%dNEON", rows, wide*lanesNEON)
	fmt.Fprintf(stubs, "\n//go:noescape\nfunc %s(%s)\n", name, tileArgs)
	fmt.Fprintf(f, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-80\n", name, tileArgs, name)
	for _, a := range []string{
		"MOVD k+0(FP), R8", "MOVD a+8(FP), R0", "MOVD b+24(FP), R1", "MOVD rowB+32(FP), R3",
		"MOVD c+40(FP), R2", "MOVD rowC+48(FP), R4", "MOVD add+56(FP), R5", "MOVD ahead+72(FP), R6",
		"LSL $2, R3, R3", "LSL $2, R4, R4",
	} {
		f.op("%s", a)
	}
	for i := range rows * wide {
		f.zero(i)
	}
	loop, odd, single, store := f.label("loop"), f.label("odd"), f.label("single"), f.label("store")
	f.op("LSR $2, R8, R9")
	f.op("CBZ R9, %s", odd)
	f.place(loop)
	for range unroll {
		f.step(rows)
	}
	f.op("PRFM (R6), PLDL2KEEP")
	f.op("ADD $64, R6, R6")
	f.op("SUBS $1, R9, R9")
	f.op("BNE %s", loop)
	f.place(odd)
	f.op("ANDS $3, R8, R8")
	f.op("BEQ %s", store)
	f.place(single)
	f.step(rows)
	f.op("SUBS $1, R8, R8")
	f.op("BNE %s", single)
	f.place(store)
	f.storeTile(rows)
}

// step multiplies one column of A with one row of B.
func (f neon) step(rows int) {
	if rows >= lanesNEON {
		f.op("VLD1.P %d(R0), %s", 4*rows, list(regA, rows/lanesNEON))
	} else {
		f.op("FMOVS.P 4(R0), F%d", regA)
	}
	f.op("VLD1 (R1), %s", list(regB, wide))
	f.op("ADD R3, R1, R1")
	for i := range rows {
		for j := range wide {
			f.byElement(i*wide+j, regB+j, regA+i/lanesNEON, i%lanesNEON)
		}
	}
}

func (f neon) storeTile(rows int) {
	set := f.label("set")
	f.op("CBZ R5, %s", set)
	f.op("MOVD R2, R7")
	for i := range rows {
		f.op("VLD1 (R7), %s", list(regB, wide))
		f.op("ADD R4, R7, R7")
		for j := range wide {
			f.three("FADD", i*wide+j, i*wide+j, regB+j)
		}
	}
	f.place(set)
	for i := range rows {
		f.op("VST1 %s, (R2)", list(i*wide, wide))
		f.op("ADD R4, R2, R2")
	}
	f.op("RET")
}

// turn is transpose of pack.go: of eight rows, rowSrc apart, 8·n values each become 8·n
// rows of eight, rowDst apart.
func (f neon) turn(stubs *file) {
	const args = "n int, dst *float32, rowDst int, src *float32, rowSrc int"
	fmt.Fprintf(stubs, "\n//go:noescape\nfunc transpose8NEON(%s)\n", args)
	fmt.Fprintf(f, "\n// func transpose8NEON(%s)\nTEXT ·transpose8NEON(SB), NOSPLIT, $0-40\n", args)
	for _, a := range []string{
		"MOVD n+0(FP), R8", "MOVD dst+8(FP), R0", "MOVD rowDst+16(FP), R3", "MOVD src+24(FP), R1", "MOVD rowSrc+32(FP), R4",
		"LSL $2, R3, R3", "LSL $2, R4, R4", "LSL $1, R8, R8",
	} {
		f.op("%s", a)
	}
	loop := f.label("loop")
	f.place(loop)
	f.op("MOVD R1, R2")
	for i := range 8 {
		f.op("VLD1 (R2), %s", list(i, 1))
		f.op("ADD R4, R2, R2")
	}
	for half := range 2 { // rows 4·half and the three after it
		r := 4 * half
		f.three("ZIP1", 8, r, r+2)
		f.three("ZIP1", 9, r+1, r+3)
		f.three("ZIP2", 10, r, r+2)
		f.three("ZIP2", 11, r+1, r+3)
		for c := range 4 {
			f.three([]string{"ZIP1", "ZIP2"}[c%2], 16+2*c+half, 8+c/2*2, 9+c/2*2)
		}
	}
	for c := range 4 {
		f.op("VST1 %s, (R0)", list(16+2*c, 2))
		f.op("ADD R3, R0, R0")
	}
	f.op("ADD $16, R1, R1")
	f.op("SUBS $1, R8, R8")
	f.op("BNE %s", loop)
	f.op("RET")
}

// fmaNEON registers are enough to hide a latency of four cycles on four units.
const fmaRegistersNEON = 16

func (f neon) peak(stubs *file) {
	fmt.Fprintf(stubs, "\n//go:noescape\nfunc fmaNEON(n int)\n")
	fmt.Fprintf(f, "\n// func fmaNEON(n int)\nTEXT ·fmaNEON(SB), NOSPLIT, $0-8\n")
	f.op("MOVD n+0(FP), R8")
	for i := range fmaRegistersNEON + 2 {
		f.zero(i)
	}
	loop := f.label("loop")
	f.place(loop)
	for i := range fmaRegistersNEON {
		f.three("FMLA", i, fmaRegistersNEON, fmaRegistersNEON+1)
	}
	f.op("SUBS $1, R8, R8")
	f.op("BNE %s", loop)
	f.op("RET")
}
