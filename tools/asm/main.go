// Command asm writes the assembly of package gradient/kernel, one -part at a time.
// It is run by `go generate ./gradient/kernel`; what it writes is checked in.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	magnitudeMask = 0x7fffffff
	groupLen      = 64 // values of a call's unit of work
	notLess       = 5  // comparison of VPCMPUD
)

func main() {
	part := flag.String("part", "encode", "encode or merge: whose loops are written")
	flag.Parse()
	ConstraintExpr("amd64")
	switch *part {
	case "merge":
		merge()
	default:
		encode()
	}
	Generate()
}

func encode() {
	markAVX2()
	markAVX512()
	joinAVX2()
	joinAVX512()
}

// pointer is a register and the bytes by which a group moves it on.
type pointer struct {
	at   reg.GPVirtual
	step uint32
}

// loop is [each] and the end of the function.
func loop(groups reg.GPVirtual, body func(), pointers ...pointer) {
	each(groups, body, pointers...)
	VZEROUPPER()
	RET()
}

// each writes body once for each of the groups, moving the pointers on.
func each(groups reg.GPVirtual, body func(), pointers ...pointer) {
	Label("loop")
	TESTQ(groups, groups)
	JZ(LabelRef("done"))
	body()
	for _, p := range pointers {
		ADDQ(U32(p.step), p.at)
	}
	DECQ(groups)
	JMP(LabelRef("loop"))
	Label("done")
}

func param(name string) reg.GPVirtual { return Load(Param(name), GP64()).(reg.GPVirtual) }

const markSignature = "func(mask *uint64, vals *float32, groups int, t uint32)"

func markAVX512() {
	TEXT("markAVX512", NOSPLIT, markSignature)
	Pragma("noescape")
	mask, vals, groups := param("mask"), param("vals"), param("groups")
	bits, least, low := GP32(), ZMM(), ZMM()
	Load(Param("t"), bits)
	VPBROADCASTD(bits, least)
	MOVL(U32(magnitudeMask), bits)
	VPBROADCASTD(bits, low)
	loop(groups, func() {
		word := GP64()
		for i := range 4 {
			v, k, part := ZMM(), K(), GP64()
			VPANDD(Mem{Base: vals, Disp: 64 * i}, low, v)
			VPCMPUD(Imm(notLess), least, v, k)
			if i == 0 {
				KMOVW(k, word.As32())
				continue
			}
			KMOVW(k, part.As32())
			SHLQ(Imm(uint64(16*i)), part)
			ORQ(part, word)
		}
		MOVQ(word, Mem{Base: mask})
	}, pointer{mask, 8}, pointer{vals, 4 * groupLen})
}

// AVX2 compares signed integers: no magnitude is negative, and t − 1 is −1 at
// least.
func markAVX2() {
	TEXT("markAVX2", NOSPLIT, markSignature)
	Pragma("noescape")
	mask, vals, groups := param("mask"), param("vals"), param("groups")
	bits, x, below, low := GP32(), XMM(), YMM(), YMM()
	Load(Param("t"), bits)
	DECL(bits)
	VMOVD(bits, x)
	VPBROADCASTD(x, below)
	MOVL(U32(magnitudeMask), bits)
	VMOVD(bits, x)
	VPBROADCASTD(x, low)
	loop(groups, func() {
		word := GP64()
		for i := range 8 {
			v, part := YMM(), GP64()
			VPAND(Mem{Base: vals, Disp: 32 * i}, low, v)
			VPCMPGTD(below, v, v)
			if i == 0 {
				VMOVMSKPS(v, word.As32())
				continue
			}
			VMOVMSKPS(v, part.As32())
			SHLQ(Imm(uint64(8*i)), part)
			ORQ(part, word)
		}
		MOVQ(word, Mem{Base: mask})
	}, pointer{mask, 8}, pointer{vals, 4 * groupLen})
}

const joinSignature = "func(a, e, start, now *float32, beta float32, groups int)"

func joinAVX512() {
	TEXT("joinAVX512", NOSPLIT, joinSignature)
	Pragma("noescape")
	a, e, start, now, groups := param("a"), param("e"), param("start"), param("now"), param("groups")
	x, beta := XMM(), ZMM()
	Load(Param("beta"), x)
	VBROADCASTSS(x, beta)
	loop(groups, func() {
		for i := range 4 {
			at := func(p reg.GPVirtual) Mem { return Mem{Base: p, Disp: 64 * i} }
			v, d := ZMM(), ZMM()
			VMULPS(at(e), beta, v)
			VMOVUPS(at(start), d)
			VSUBPS(at(now), d, d)
			VADDPS(d, v, v)
			VMOVUPS(v, at(a))
		}
	}, pointer{a, 4 * groupLen}, pointer{e, 4 * groupLen}, pointer{start, 4 * groupLen}, pointer{now, 4 * groupLen})
}

func joinAVX2() {
	TEXT("joinAVX2", NOSPLIT, joinSignature)
	Pragma("noescape")
	a, e, start, now, groups := param("a"), param("e"), param("start"), param("now"), param("groups")
	x, beta := XMM(), YMM()
	Load(Param("beta"), x)
	VBROADCASTSS(x, beta)
	loop(groups, func() {
		for i := range 8 {
			at := func(p reg.GPVirtual) Mem { return Mem{Base: p, Disp: 32 * i} }
			v, d := YMM(), YMM()
			VMULPS(at(e), beta, v)
			VMOVUPS(at(start), d)
			VSUBPS(at(now), d, d)
			VADDPS(d, v, v)
			VMOVUPS(v, at(a))
		}
	}, pointer{a, 4 * groupLen}, pointer{e, 4 * groupLen}, pointer{start, 4 * groupLen}, pointer{now, 4 * groupLen})
}
