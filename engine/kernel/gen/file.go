package main

// This file holds what both generators write with.

import (
	"fmt"
	"strings"
)

// file is assembly text being written.
type file struct {
	strings.Builder
	labels int
}

// raw writes text as it is.
func (f *file) raw(s string) { f.WriteString(s) }

// op writes one instruction line.
func (f *file) op(format string, args ...any) {
	f.WriteByte('\t')
	fmt.Fprintf(f, format, args...)
	f.WriteByte('\n')
}

// label returns a fresh label and its definition is written by place.
func (f *file) label(stem string) string {
	f.labels++
	return fmt.Sprintf("%s%d", stem, f.labels)
}

func (f *file) place(label string) { f.WriteString(label + ":\n") }

// isa is one instruction set: the width of its registers and how it clears one.
type isa struct {
	suffix string // of function names
	reg    string // register file letter
	lanes  int    // float32 per register
	masks  bool   // has mask registers
}

var (
	avx512 = isa{"AVX512", "Z", 16, true}
	avx2   = isa{"AVX2", "Y", 8, false}
)

func (s isa) r(n int) string { return fmt.Sprintf("%s%d", s.reg, n) }

func (s isa) zero(f *file, n int) {
	if s.masks {
		f.op("VPXORQ Z%d, Z%d, Z%d", n, n, n)
		return
	}
	f.op("VXORPS Y%d, Y%d, Y%d", n, n, n)
}
