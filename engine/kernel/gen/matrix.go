package main

// This file generates the micro-kernels of the matrix product and the packing
// of its right operand.

import "fmt"

const tileArgs = "k int, a *float32, rowA, colA int, b *float32, rowB int, c *float32, rowC int, add int, mask uint32"

func matrix(f, stubs *file) {
	for _, rows := range []int{12, 8, 4, 2, 1} {
		tile(f, stubs, avx512, rows)
	}
	for _, rows := range []int{6, 4, 2, 1} {
		tile(f, stubs, avx2, rows)
	}
	copyRows(f, stubs)
	transpose(f, stubs)
}

// tile generates C (rows × 2 registers) = A·B or C += A·B with all of C in
// registers. Each step of k loads one row of B and broadcasts rows values of A.
// Steps in A, B and C come in elements and are turned into bytes. The mask has
// one bit per column and is honoured by AVX-512 only.
func tile(f, stubs *file, s isa, rows int) {
	const wide = 2
	name := fmt.Sprintf("tile%dx%d%s", rows, wide*s.lanes, s.suffix)
	fmt.Fprintf(stubs, "\n//go:noescape\nfunc %s(%s)\n", name, tileArgs)
	fmt.Fprintf(f, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-76\n", name, tileArgs, name)
	bases := tileBegin(f, s, rows)
	acc := func(i, j int) string { return s.r(i*wide + j) }
	for i := range rows * wide {
		s.zero(f, i)
	}
	if rows > 4 {
		f.op("MOVQ DX, R13")
		for range rows {
			f.op("PREFETCHT0 (R13)")
			f.op("ADDQ R8, R13")
		}
	}
	step := func() {
		b := func(j int) string { return s.r(rows*wide + j) }
		for j := range wide {
			loadB(f, s, j, b(j))
		}
		f.op("ADDQ R9, DI")
		for i := range rows {
			one := s.r(rows*wide + wide + i%2)
			f.op("VBROADCASTSS (%s)%s, %s", bases[i/3], []string{"", "(R10*1)", "(R10*2)"}[i%3], one)
			for j := range wide {
				f.op("VFMADD231PS %s, %s, %s", b(j), one, acc(i, j))
			}
		}
		for g := range (rows + 2) / 3 {
			f.op("ADDQ R12, %s", bases[g])
		}
	}
	loop, odd, store := f.label("loop"), f.label("odd"), f.label("store")
	f.op("MOVQ CX, R13")
	f.op("SHRQ $1, R13")
	f.op("JZ %s", odd)
	f.place(loop)
	step()
	step()
	f.op("DECQ R13")
	f.op("JNZ %s", loop)
	f.place(odd)
	f.op("ANDQ $1, CX")
	f.op("JZ %s", store)
	step()
	f.place(store)
	tileStore(f, s, rows, wide, acc)
}

// tileBegin loads the arguments and returns the registers that point at every
// third row of A.
func tileBegin(f *file, s isa, rows int) []string {
	for _, a := range []string{
		"MOVQ k+0(FP), CX", "MOVQ a+8(FP), SI", "MOVQ rowA+16(FP), R10", "MOVQ colA+24(FP), R12", "MOVQ b+32(FP), DI",
		"MOVQ rowB+40(FP), R9", "MOVQ c+48(FP), DX", "MOVQ rowC+56(FP), R8",
		"SHLQ $2, R8", "SHLQ $2, R9", "SHLQ $2, R10", "SHLQ $2, R12",
	} {
		f.op("%s", a)
	}
	if s.masks {
		f.op("MOVL mask+72(FP), R11")
		f.op("KMOVW R11, K1")
		f.op("SHRL $16, R11")
		f.op("KMOVW R11, K2")
	}
	bases := []string{"SI", "BX", "AX", "R11"}
	for g := 1; g < (rows+2)/3; g++ {
		f.op("LEAQ (%s)(R10*2), %s", bases[g-1], bases[g])
		f.op("ADDQ R10, %s", bases[g])
	}
	return bases
}

func loadB(f *file, s isa, j int, dst string) {
	if s.masks {
		f.op("VMOVUPS.Z %d(DI), K%d, %s", j*64, j+1, dst)
		return
	}
	f.op("VMOVUPS %d(DI), %s", j*32, dst)
}

func tileStore(f *file, s isa, rows, wide int, acc func(i, j int) string) {
	set := f.label("set")
	f.op("CMPQ add+64(FP), $0")
	f.op("JEQ %s", set)
	f.op("MOVQ DX, R13")
	for i := range rows {
		for j := range wide {
			if s.masks {
				f.op("VADDPS %d(R13), %s, K%d, %s", j*64, acc(i, j), j+1, acc(i, j))
			} else {
				f.op("VADDPS %d(R13), %s, %s", j*32, acc(i, j), acc(i, j))
			}
		}
		f.op("ADDQ R8, R13")
	}
	f.place(set)
	for i := range rows {
		for j := range wide {
			if s.masks {
				f.op("VMOVUPS %s, K%d, %d(DX)", acc(i, j), j+1, j*64)
			} else {
				f.op("VMOVUPS %s, %d(DX)", acc(i, j), j*32)
			}
		}
		f.op("ADDQ R8, DX")
	}
	f.op("VZEROUPPER")
	f.op("RET")
}

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
