package main

// This file generates products in bf16 by AMX, and the packing of their operands.
// The assembler knows neither: their instructions are written as bytes, for the
// registers named beside them.

import "fmt"

// amx are the instructions in use. T0 to T3 are a block of C, T4 and T5 of A, T6 and
// T7 of B.
var amx = map[string]string{
	"LDTILECFG (AX)":              "c4 e2 78 49 00",
	"TILERELEASE":                 "c4 e2 78 49 c0",
	"TILEZERO T0":                 "c4 e2 7b 49 c0",
	"TILEZERO T1":                 "c4 e2 7b 49 c8",
	"TILEZERO T2":                 "c4 e2 7b 49 d0",
	"TILEZERO T3":                 "c4 e2 7b 49 d8",
	"TILELOADD (DX)(R8*1), T0":    "c4 a2 7b 4b 04 02",
	"TILELOADD 64(DX)(R8*1), T1":  "c4 a2 7b 4b 4c 02 40",
	"TILELOADD (R13)(R8*1), T2":   "c4 82 7b 4b 54 05 00",
	"TILELOADD 64(R13)(R8*1), T3": "c4 82 7b 4b 5c 05 40",

	"TILELOADD (SI)(R9*1), T4":     "c4 a2 7b 4b 24 0e",
	"TILELOADD 1024(SI)(R9*1), T5": "c4 a2 7b 4b ac 0e 00 04 00 00",
	"TILELOADD (DI)(R9*1), T6":     "c4 a2 7b 4b 34 0f",
	"TILELOADD 1024(DI)(R9*1), T7": "c4 a2 7b 4b bc 0f 00 04 00 00",

	"TDPBF16PS T6, T4, T0":         "c4 e2 4a 5c c4",
	"TDPBF16PS T7, T4, T1":         "c4 e2 42 5c cc",
	"TDPBF16PS T6, T5, T2":         "c4 e2 4a 5c d5",
	"TDPBF16PS T7, T5, T3":         "c4 e2 42 5c dd",
	"TILESTORED T0, (DX)(R8*1)":    "c4 a2 7a 4b 04 02",
	"TILESTORED T1, 64(DX)(R8*1)":  "c4 a2 7a 4b 4c 02 40",
	"TILESTORED T2, (R13)(R8*1)":   "c4 82 7a 4b 54 05 00",
	"TILESTORED T3, 64(R13)(R8*1)": "c4 82 7a 4b 5c 05 40",

	"VCVTNE2PS2BF16 Z0, Z1, Z2": "62 f2 77 48 72 d0", // 16 values of Z0, then of Z1
}

// bytes writes an instruction of amx.
func (f *file) bytes(instruction string) {
	code, ok := amx[instruction]
	if !ok {
		panic("gen: no bytes of " + instruction)
	}
	var n byte
	text := ""
	for at := 0; at < len(code); at += 3 {
		if _, err := fmt.Sscanf(code[at:at+2], "%x", &n); err != nil {
			panic("gen: " + instruction + ": " + err.Error())
		}
		text += fmt.Sprintf("BYTE $0x%02X; ", n)
	}
	f.op("%s// %s", text, instruction)
}

func mixed(f, stubs *file) {
	// Eight tiles of 16 rows of 64 bytes.
	config := make([]byte, 64)
	config[0] = 1
	for t := range 8 {
		config[16+2*t], config[48+t] = 64, 16
	}
	f.data("tileConfig", config)
	interleaved := make([]byte, 64) // of 16 and 16 words
	for i := range 32 {
		interleaved[2*i] = byte(i/2 + i%2*16)
	}
	f.data("interleaved", interleaved)
	mixedStrips(f, stubs)
	pairsAlong(f, stubs)
	pairsAcross(f, stubs)
	turnPairs(f, stubs)
}

// data writes a constant of bytes.
func (f *file) data(name string, bytes []byte) {
	for i, b := range bytes {
		fmt.Fprintf(f, "DATA %s<>+%d(SB)/1, $0x%02X\n", name, i, b)
	}
	fmt.Fprintf(f, "GLOBL %s<>(SB), RODATA|NOPTR, $%d\n\n", name, len(bytes))
}

func (f *file) begin(stubs *file, name, args string, size int) {
	fmt.Fprintf(stubs, "\n//go:noescape\nfunc %s(%s)\n", name, args)
	fmt.Fprintf(f, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", name, args, name, size)
}

// mixedStrips generates C = A·B or C += A·B for strips of 32 rows that follow each
// other, and one panel of 32 columns. A step is 32 of the inner dimension.
func mixedStrips(f, stubs *file) {
	f.begin(stubs, "stripsAMX", "strips, steps int, a, b *uint32, c *float32, rowC int, add int", 56)
	for _, a := range []string{
		"MOVQ strips+0(FP), CX", "MOVQ a+16(FP), SI", "MOVQ c+32(FP), DX", "MOVQ rowC+40(FP), R8", "SHLQ $2, R8",
		"MOVQ $64, R9", "MOVQ R8, BX", "SHLQ $4, BX", "LEAQ tileConfig<>(SB), AX",
	} {
		f.op("%s", a)
	}
	f.bytes("LDTILECFG (AX)")
	next, fresh, ready, loop := f.label("strip"), f.label("fresh"), f.label("ready"), f.label("loop")
	f.place(next)
	f.op("LEAQ (DX)(BX*1), R13")
	f.op("CMPQ add+48(FP), $0")
	f.op("JEQ %s", fresh)
	for _, in := range []string{"TILELOADD (DX)(R8*1), T0", "TILELOADD 64(DX)(R8*1), T1", "TILELOADD (R13)(R8*1), T2", "TILELOADD 64(R13)(R8*1), T3"} {
		f.bytes(in)
	}
	f.op("JMP %s", ready)
	f.place(fresh)
	for t := range 4 {
		f.bytes(fmt.Sprintf("TILEZERO T%d", t))
	}
	f.place(ready)
	f.op("MOVQ b+24(FP), DI")
	f.op("MOVQ steps+8(FP), R12")
	f.place(loop)
	for _, in := range []string{
		"TILELOADD (SI)(R9*1), T4", "TILELOADD (DI)(R9*1), T6", "TDPBF16PS T6, T4, T0",
		"TILELOADD 1024(DI)(R9*1), T7", "TDPBF16PS T7, T4, T1",
		"TILELOADD 1024(SI)(R9*1), T5", "TDPBF16PS T6, T5, T2", "TDPBF16PS T7, T5, T3",
	} {
		f.bytes(in)
	}
	f.op("ADDQ $2048, SI")
	f.op("ADDQ $2048, DI")
	f.op("DECQ R12")
	f.op("JNZ %s", loop)
	for _, in := range []string{"TILESTORED T0, (DX)(R8*1)", "TILESTORED T1, 64(DX)(R8*1)", "TILESTORED T2, (R13)(R8*1)", "TILESTORED T3, 64(R13)(R8*1)"} {
		f.bytes(in)
	}
	f.op("LEAQ (DX)(BX*2), DX")
	f.op("DECQ CX")
	f.op("JNZ %s", next)
	f.bytes("TILERELEASE")
	f.op("RET")
}

// pairsAlong generates a tile of pairs from 16 rows of 32 values, step apart: a row of
// pairs from a row of values.
func pairsAlong(f, stubs *file) {
	f.begin(stubs, "pairsAlongAVX512", "dst *uint32, src *float32, step int", 24)
	packBegin(f)
	for i := range 16 {
		f.op("VMOVUPS (SI), Z0")
		f.op("VMOVUPS 64(SI), Z1")
		f.bytes("VCVTNE2PS2BF16 Z0, Z1, Z2")
		f.op("VMOVUPS Z2, %d(DI)", 64*i)
		f.op("ADDQ R8, SI")
	}
	avx512.end(f)
}

// pairsAcross generates a tile of pairs from 32 rows of 16 values, step apart: a row of
// pairs from two rows of values.
func pairsAcross(f, stubs *file) {
	f.begin(stubs, "pairsAcrossAVX512", "dst *uint32, src *float32, step int", 24)
	packBegin(f)
	f.op("VMOVUPS interleaved<>(SB), Z3")
	for i := range 16 {
		f.op("VMOVUPS (SI), Z0")
		f.op("VMOVUPS (SI)(R8*1), Z1")
		f.bytes("VCVTNE2PS2BF16 Z0, Z1, Z2")
		f.op("VPERMW Z2, Z3, Z2")
		f.op("VMOVUPS Z2, %d(DI)", 64*i)
		f.op("LEAQ (SI)(R8*2), SI")
	}
	avx512.end(f)
}

func packBegin(f *file) {
	for _, a := range []string{"MOVQ dst+0(FP), DI", "MOVQ src+8(FP), SI", "MOVQ step+16(FP), R8", "SHLQ $2, R8"} {
		f.op("%s", a)
	}
}

// turnPairs generates the transpose of a tile of 16×16 pairs in its place.
func turnPairs(f, stubs *file) {
	f.begin(stubs, "turnPairsAVX512", "tile *uint32", 8)
	f.op("MOVQ tile+0(FP), DI")
	for i := range 16 {
		f.op("VMOVUPS %d(DI), Z%d", 64*i, i)
	}
	for i := range 8 {
		f.op("VPUNPCKLDQ Z%d, Z%d, Z%d", 2*i+1, 2*i, 16+2*i)
		f.op("VPUNPCKHDQ Z%d, Z%d, Z%d", 2*i+1, 2*i, 17+2*i)
	}
	for i := range 4 {
		for half := range 2 {
			a, b := 16+4*i+half, 18+4*i+half
			f.op("VPUNPCKLQDQ Z%d, Z%d, Z%d", b, a, 4*i+2*half)
			f.op("VPUNPCKHQDQ Z%d, Z%d, Z%d", b, a, 4*i+2*half+1)
		}
	}
	for i := range 4 {
		for half := range 2 {
			a := 8*half + i
			f.op("VSHUFI32X4 $0x88, Z%d, Z%d, Z%d", a+4, a, 16+a)
			f.op("VSHUFI32X4 $0xDD, Z%d, Z%d, Z%d", a+4, a, 20+a)
		}
	}
	for i := range 8 {
		f.op("VSHUFI32X4 $0x88, Z%d, Z%d, Z%d", 24+i, 16+i, i)
		f.op("VSHUFI32X4 $0xDD, Z%d, Z%d, Z%d", 24+i, 16+i, 8+i)
	}
	for i := range 16 {
		f.op("VMOVUPS Z%d, %d(DI)", i, 64*i)
	}
	avx512.end(f)
}
