package main

// This file generates the micro-kernels of the matrix product.

import "fmt"

const tileArgs = "k int, a *float32, rowA int, b *float32, rowB int, c *float32, rowC int, add int, mask uint32, ahead *float32"

func matrix(f, stubs *file) {
	for _, packed := range []bool{false, true} {
		for _, rows := range []int{12, 8, 4, 2, 1} {
			tile{f, avx512, rows, packed}.write(stubs)
		}
		for _, rows := range []int{6, 4, 2, 1} {
			tile{f, avx2, rows, packed}.write(stubs)
		}
	}
	copyRows(f, stubs)
	transpose(f, stubs)
	gatherTall(f, stubs, avx512, 12)
	gatherTall(f, stubs, avx2, 6)
}

// tile is C (rows × 2 registers) = A·B or C += A·B with all of C in registers. Each
// step of k loads one row of B and broadcasts rows values of A. Either the values
// of a row of A follow each other, rows rowA apart, or, packed, those of a column
// do, column after column. Steps in A, B and C come in elements and are turned into
// bytes. The mask has one bit per column and is honoured by AVX-512 only, in C: a
// masked load of B would take a turn of the units that multiply.
//
// Four steps of k share the arithmetic on addresses: it runs on the units that the
// multiply-adds need.
type tile struct {
	*file
	s      isa
	rows   int
	packed bool
}

const (
	wide   = 2 // registers of a row of C
	unroll = 4 // steps of k at a time
)

func (t tile) name() string {
	kind := ""
	if t.packed {
		kind = "Packed"
	}
	return fmt.Sprintf("tile%dx%d%s%s", t.rows, wide*t.s.lanes, kind, t.s.suffix)
}

func (t tile) acc(i, j int) string { return t.s.r(i*wide + j) }

// b returns the register of B's part j; broadcasts use the two after those.
func (t tile) b(j int) string { return t.s.r(t.rows*wide + j) }

func (t tile) write(stubs *file) {
	fmt.Fprintf(stubs, "\n//go:noescape\nfunc %s(%s)\n", t.name(), tileArgs)
	fmt.Fprintf(t.file, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-80\n", t.name(), tileArgs, t.name())
	t.begin()
	loop, odd, single, store := t.label("loop"), t.label("odd"), t.label("single"), t.label("store")
	t.op("MOVQ CX, R13")
	t.op("SHRQ $2, R13")
	t.op("JZ %s", odd)
	t.place(loop)
	for k := range unroll {
		t.step(k)
	}
	t.op("PREFETCHT1 (R14)")
	t.op("ADDQ $64, R14")
	t.forward(unroll)
	t.op("DECQ R13")
	t.op("JNZ %s", loop)
	t.place(odd)
	t.op("ANDQ $3, CX")
	t.op("JZ %s", store)
	t.place(single)
	t.step(0)
	t.forward(1)
	t.op("DECQ CX")
	t.op("JNZ %s", single)
	t.place(store)
	t.store()
}

// bases are the registers that point at every third row of A.
var bases = []string{"SI", "BX", "AX", "R11"}

// begin loads the arguments, clears C's registers and asks for its memory. R12 is
// three rows of B, R14 what is asked for ahead.
func (t tile) begin() {
	for _, a := range []string{
		"MOVQ k+0(FP), CX", "MOVQ a+8(FP), SI", "MOVQ rowA+16(FP), R10", "MOVQ b+24(FP), DI",
		"MOVQ rowB+32(FP), R9", "MOVQ c+40(FP), DX", "MOVQ rowC+48(FP), R8", "MOVQ ahead+72(FP), R14",
		"SHLQ $2, R8", "SHLQ $2, R9", "SHLQ $2, R10", "LEAQ (R9)(R9*2), R12",
	} {
		t.op("%s", a)
	}
	if t.s.masks {
		t.op("MOVL mask+64(FP), R11")
		t.op("KMOVW R11, K1")
		t.op("SHRL $16, R11")
		t.op("KMOVW R11, K2")
	}
	for i := range t.rows * wide {
		t.s.zero(t.file, i)
	}
	if t.rows > 4 {
		t.op("MOVQ DX, R13")
		for range t.rows {
			t.op("PREFETCHT0 (R13)")
			t.op("PREFETCHT0 %d(R13)", 4*wide*t.s.lanes-4)
			t.op("ADDQ R8, R13")
		}
	}
	if t.packed {
		return
	}
	for g := 1; g < (t.rows+2)/3; g++ {
		t.op("LEAQ (%s)(R10*2), %s", bases[g-1], bases[g])
		t.op("ADDQ R10, %s", bases[g])
	}
}

// step multiplies column k of A, counted from where the pointers are, with row k of B.
func (t tile) step(k int) {
	for j := range wide {
		from := fmt.Sprintf("%d(DI)%s", j*4*t.s.lanes, []string{"", "(R9*1)", "(R9*2)", "(R12*1)"}[k])
		t.op("VMOVUPS %s, %s", from, t.b(j))
	}
	for i := range t.rows {
		one, from := t.s.r(t.rows*wide+wide+i%2), fmt.Sprintf("%d(SI)", 4*(k*t.rows+i))
		if !t.packed {
			from = fmt.Sprintf("%d(%s)%s", 4*k, bases[i/3], []string{"", "(R10*1)", "(R10*2)"}[i%3])
		}
		t.op("VBROADCASTSS %s, %s", from, one)
		for j := range wide {
			t.op("VFMADD231PS %s, %s, %s", t.b(j), one, t.acc(i, j))
		}
	}
}

// forward moves the pointers by n steps of k, one or four.
func (t tile) forward(n int) {
	t.op("LEAQ (DI)(R9*%d), DI", n)
	if t.packed {
		t.op("ADDQ $%d, SI", 4*n*t.rows)
		return
	}
	for g := range (t.rows + 2) / 3 {
		t.op("ADDQ $%d, %s", 4*n, bases[g])
	}
}

func (t tile) store() {
	set := t.label("set")
	t.op("CMPQ add+56(FP), $0")
	t.op("JEQ %s", set)
	t.op("MOVQ DX, R13")
	for i := range t.rows {
		for j := range wide {
			if t.s.masks {
				t.op("VADDPS %d(R13), %s, K%d, %s", j*64, t.acc(i, j), j+1, t.acc(i, j))
			} else {
				t.op("VADDPS %d(R13), %s, %s", j*32, t.acc(i, j), t.acc(i, j))
			}
		}
		t.op("ADDQ R8, R13")
	}
	t.place(set)
	for i := range t.rows {
		for j := range wide {
			if t.s.masks {
				t.op("VMOVUPS %s, K%d, %d(DX)", t.acc(i, j), j+1, j*64)
			} else {
				t.op("VMOVUPS %s, %d(DX)", t.acc(i, j), j*32)
			}
		}
		t.op("ADDQ R8, DX")
	}
	t.op("VZEROUPPER")
	t.op("RET")
}
