package main

// This file generates the packing of the product's operands.

import "fmt"

// copyRows generates the packing of rows that already lie in the right order:
// n rows of 32 values, from rows step apart to rows that follow each other.
// Columns outside the mask become zero.
func copyRows(f, stubs *file) {
	const args = "n int, dst, src *float32, step int, mask uint32"
	fmt.Fprintf(stubs, "\n//go:noescape\nfunc copyRows32AVX512(%s)\n", args)
	fmt.Fprintf(f, "\n// func copyRows32AVX512(%s)\nTEXT ·copyRows32AVX512(SB), NOSPLIT, $0-36\n", args)
	for _, a := range []string{
		"MOVQ n+0(FP), CX", "MOVQ dst+8(FP), DI", "MOVQ src+16(FP), SI", "MOVQ step+24(FP), R8", "SHLQ $2, R8",
		"MOVL mask+32(FP), R11", "KMOVW R11, K1", "SHRL $16, R11", "KMOVW R11, K2",
	} {
		f.op("%s", a)
	}
	loop := f.label("loop")
	f.place(loop)
	f.op("VMOVUPS.Z (SI), K1, Z0")
	f.op("VMOVUPS.Z 64(SI), K2, Z1")
	f.op("VMOVUPS Z0, (DI)")
	f.op("VMOVUPS Z1, 64(DI)")
	f.op("ADDQ R8, SI")
	f.op("ADDQ $128, DI")
	f.op("DECQ CX")
	f.op("JNZ %s", loop)
	f.op("VZEROUPPER")
	f.op("RET")
}

// transpose generates the packing of eight columns that lie as rows: of eight
// rows, rowSrc apart, 8·n values each become 8·n rows of eight, rowDst apart.
func transpose(f, stubs *file) {
	const args = "n int, dst *float32, rowDst int, src *float32, rowSrc int"
	fmt.Fprintf(stubs, "\n//go:noescape\nfunc transpose8AVX2(%s)\n", args)
	fmt.Fprintf(f, "\n// func transpose8AVX2(%s)\nTEXT ·transpose8AVX2(SB), NOSPLIT, $0-40\n", args)
	for _, a := range []string{
		"MOVQ n+0(FP), CX", "MOVQ dst+8(FP), DI", "MOVQ rowDst+16(FP), R8", "MOVQ src+24(FP), SI", "MOVQ rowSrc+32(FP), R9",
		"SHLQ $2, R8", "SHLQ $2, R9", "LEAQ (SI)(R9*4), BX", "LEAQ (R9)(R9*2), R10",
	} {
		f.op("%s", a)
	}
	loop := f.label("loop")
	f.place(loop)
	row := []string{"", "(R9*1)", "(R9*2)", "(R10*1)"}
	for half := range 2 {
		for i := range 4 { // Y0…Y3: row i below, row i+4 above
			f.op("VMOVUPS %d(SI)%s, X%d", 16*half, row[i], i)
			f.op("VINSERTF128 $1, %d(BX)%s, Y%d, Y%d", 16*half, row[i], i, i)
		}
		f.op("VUNPCKLPS Y1, Y0, Y4")
		f.op("VUNPCKHPS Y1, Y0, Y5")
		f.op("VUNPCKLPS Y3, Y2, Y6")
		f.op("VUNPCKHPS Y3, Y2, Y7")
		for c, in := range []int{4, 4, 5, 5} {
			f.op("VSHUFPS $0x%02X, Y%d, Y%d, Y8", []int{0x44, 0xEE}[c%2], in+2, in)
			f.op("VMOVUPS Y8, (DI)")
			f.op("ADDQ R8, DI")
		}
	}
	f.op("ADDQ $32, SI")
	f.op("ADDQ $32, BX")
	f.op("DECQ CX")
	f.op("JNZ %s", loop)
	f.op("VZEROUPPER")
	f.op("RET")
}

// gatherTall generates the packing of one column of A that lies as a row: n groups of
// rows values that follow each other go to places step elements apart.
func gatherTall(f, stubs *file, s isa, rows int) {
	const args = "n int, dst *float32, step int, src *float32"
	name := fmt.Sprintf("gather%d%s", rows, s.suffix)
	fmt.Fprintf(stubs, "\n//go:noescape\nfunc %s(%s)\n", name, args)
	fmt.Fprintf(f, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-32\n", name, args, name)
	for _, a := range []string{"MOVQ n+0(FP), CX", "MOVQ dst+8(FP), DI", "MOVQ step+16(FP), R8", "MOVQ src+24(FP), SI", "SHLQ $2, R8"} {
		f.op("%s", a)
	}
	loop := f.label("loop")
	f.place(loop)
	for at := 0; at < rows; {
		load, reg, n := "VMOVUPS", "X0", 4
		if rows-at < 4 {
			load, reg, n = "VMOVSD", "X1", 2
		} else if rows-at >= 8 {
			reg, n = "Y2", 8
		}
		f.op("%s %d(SI), %s", load, 4*at, reg)
		f.op("%s %s, %d(DI)", load, reg, 4*at)
		at += n
	}
	f.op("ADDQ $%d, SI", 4*rows)
	f.op("ADDQ R8, DI")
	f.op("DECQ CX")
	f.op("JNZ %s", loop)
	s.end(f)
}
