package main

// This file writes the loops of the merge. They round by adding and taking off
// 1.5·2^52: a float64 of that size has no digits after the point, and its bits less
// those of 1.5·2^52 are the integer.

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	bigBits  = 0x4338000000000000 // of the float64 1.5·2^52
	notEqual = 4                  // comparison of VPCMPQ
)

func merge() {
	bytesAVX2("addBytesAVX2", true)
	bytesAVX512("addBytesAVX512", true)
	bytesAVX2("setBytesAVX2", false)
	bytesAVX512("setBytesAVX512", false)
	addAVX2()
	addAVX512()
	topAVX2()
	topAVX512()
	divideAVX2()
	divideAVX512()
	table := compactTable()
	packAVX2(table)
	packAVX512(table)
	exchangeAVX2()
	exchangeAVX512()
}

// big512 and big256 return 1.5·2^52 in every value.
func big512() reg.VecVirtual {
	bits, v := GP64(), ZMM()
	MOVQ(U64(bigBits), bits)
	VPBROADCASTQ(bits, v)
	return v
}

func big256() reg.VecVirtual {
	bits, x, v := GP64(), XMM(), YMM()
	MOVQ(U64(bigBits), bits)
	VMOVQ(bits, x)
	VPBROADCASTQ(x, v)
	return v
}

// spread fills v with a float64 parameter.
func spread(name string, v reg.VecVirtual) reg.VecVirtual {
	x := XMM()
	Load(Param(name), x)
	VBROADCASTSD(x, v)
	return v
}

// at returns the place of vector i of size bytes.
func at(p reg.GPVirtual, size, i int) Mem { return Mem{Base: p, Disp: size * i} }

const bytesSignature = "func(dst *int64, m *byte, scale float64, groups int)"

// bytesAVX512 writes a loop that adds to what is there, or does not.
func bytesAVX512(name string, adds bool) {
	TEXT(name, NOSPLIT, bytesSignature)
	Pragma("noescape")
	dst, m, groups := param("dst"), param("m"), param("groups")
	scale, big := spread("scale", ZMM()), big512()
	loop(groups, func() {
		for i := range 8 {
			y, v := YMM(), ZMM()
			VPMOVSXBD(at(m, 8, i), y)
			VCVTDQ2PD(y, v)
			VFMADD213PD(big, scale, v)
			VPSUBQ(big, v, v)
			if adds {
				VPADDQ(at(dst, 64, i), v, v)
			}
			VMOVDQU64(v, at(dst, 64, i))
		}
	}, pointer{dst, 8 * groupLen}, pointer{m, groupLen})
}

func bytesAVX2(name string, adds bool) {
	TEXT(name, NOSPLIT, bytesSignature)
	Pragma("noescape")
	dst, m, groups := param("dst"), param("m"), param("groups")
	scale, big := spread("scale", YMM()), big256()
	loop(groups, func() {
		for i := range 16 {
			x, v := XMM(), YMM()
			VPMOVSXBD(at(m, 4, i), x)
			VCVTDQ2PD(x, v)
			VMULPD(scale, v, v)
			VADDPD(big, v, v)
			VPSUBQ(big, v, v)
			if adds {
				VPADDQ(at(dst, 32, i), v, v)
			}
			VMOVDQU(v, at(dst, 32, i))
		}
	}, pointer{dst, 8 * groupLen}, pointer{m, groupLen})
}

const addSignature = "func(dst, src *int64, groups int)"

func addAVX512() {
	TEXT("addAVX512", NOSPLIT, addSignature)
	Pragma("noescape")
	dst, src, groups := param("dst"), param("src"), param("groups")
	loop(groups, func() {
		for i := range 8 {
			v := ZMM()
			VMOVDQU64(at(dst, 64, i), v)
			VPADDQ(at(src, 64, i), v, v)
			VMOVDQU64(v, at(dst, 64, i))
		}
	}, pointer{dst, 8 * groupLen}, pointer{src, 8 * groupLen})
}

func addAVX2() {
	TEXT("addAVX2", NOSPLIT, addSignature)
	Pragma("noescape")
	dst, src, groups := param("dst"), param("src"), param("groups")
	loop(groups, func() {
		for i := range 16 {
			v := YMM()
			VMOVDQU(at(dst, 32, i), v)
			VPADDQ(at(src, 32, i), v, v)
			VMOVDQU(v, at(dst, 32, i))
		}
	}, pointer{dst, 8 * groupLen}, pointer{src, 8 * groupLen})
}

const topSignature = "func(vals *int64, groups int) int64"

func topAVX512() {
	TEXT("topAVX512", NOSPLIT, topSignature)
	Pragma("noescape")
	vals, groups := param("vals"), param("groups")
	top := []reg.VecVirtual{ZMM(), ZMM(), ZMM(), ZMM()}
	for _, t := range top {
		VPXORQ(t, t, t)
	}
	each(groups, func() {
		for i := range 8 {
			v, t := ZMM(), top[i%len(top)]
			VPABSQ(at(vals, 64, i), v)
			VPMAXUQ(v, t, t)
		}
	}, pointer{vals, 8 * groupLen})
	for _, t := range top[1:] {
		VPMAXUQ(t, top[0], top[0])
	}
	for _, turn := range []uint64{4, 2, 1} {
		VALIGNQ(Imm(turn), top[0], top[0], top[1])
		VPMAXUQ(top[1], top[0], top[0])
	}
	out := GP64()
	VMOVQ(top[0].AsX(), out)
	Store(out, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func topAVX2() {
	TEXT("topAVX2", NOSPLIT, topSignature)
	Pragma("noescape")
	vals, groups := param("vals"), param("groups")
	zero, top := YMM(), []reg.VecVirtual{YMM(), YMM()}
	for _, t := range append(top, zero) {
		VPXOR(t, t, t)
	}
	each(groups, func() {
		for i := range 16 {
			v, mask, t := YMM(), YMM(), top[i%len(top)]
			VMOVDQU(at(vals, 32, i), v)
			VPCMPGTQ(v, zero, mask)
			VPXOR(mask, v, v)
			VPSUBQ(mask, v, v)
			VPCMPGTQ(t, v, mask)
			VBLENDVPD(mask, v, t, t)
		}
	}, pointer{vals, 8 * groupLen})
	mask, x, out, other := YMM(), XMM(), GP64(), GP64()
	VPCMPGTQ(top[0], top[1], mask)
	VBLENDVPD(mask, top[1], top[0], top[0])
	VMOVQ(top[0].AsX(), out)
	VEXTRACTI128(Imm(1), top[0], x)
	for _, lane := range []struct {
		of reg.Register
		at uint64
	}{{top[0].AsX(), 1}, {x, 0}, {x, 1}} {
		VPEXTRQ(Imm(lane.at), lane.of, other)
		CMPQ(other, out)
		CMOVQGT(other, out)
	}
	Store(out, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

const divideSignature = "func(vals *int64, n float64, groups int)"

// divideAVX512 multiplies by the inverse y of n and mends the quotient: with h = x·y
// and e = x − h·n, h + e·y is x/n but for 2^−104 of it, before its one rounding.
// For |x| < 2^51 that is on the side of every tie that x/n is on, and a tie where
// x/n is one.
func divideAVX512() {
	TEXT("divideAVX512", NOSPLIT, divideSignature)
	Pragma("noescape")
	vals, groups := param("vals"), param("groups")
	n, big, inverse := spread("n", ZMM()), big512(), ZMM()
	bits := GP64()
	MOVQ(U64(math.Float64bits(1)), bits)
	VPBROADCASTQ(bits, inverse)
	VDIVPD(n, inverse, inverse)
	loop(groups, func() {
		for i := range 8 {
			x, h := ZMM(), ZMM()
			VPADDQ(at(vals, 64, i), big, x)
			VSUBPD(big, x, x)
			VMULPD(inverse, x, h)
			VFNMADD231PD(n, h, x)
			VFMADD231PD(inverse, x, h)
			VADDPD(big, h, h)
			VPSUBQ(big, h, h)
			VMOVDQU64(h, at(vals, 64, i))
		}
	}, pointer{vals, 8 * groupLen})
}

func divideAVX2() {
	TEXT("divideAVX2", NOSPLIT, divideSignature)
	Pragma("noescape")
	vals, groups := param("vals"), param("groups")
	n, big := spread("n", YMM()), big256()
	loop(groups, func() {
		for i := range 16 {
			v := YMM()
			VPADDQ(at(vals, 32, i), big, v)
			VSUBPD(big, v, v)
			VDIVPD(n, v, v)
			VADDPD(big, v, v)
			VPSUBQ(big, v, v)
			VMOVDQU(v, at(vals, 32, i))
		}
	}, pointer{vals, 8 * groupLen})
}

// compactTable says for each mask of eight 16-bit integers how to move those in it
// to the front, as VPSHUFB wants it.
func compactTable() Mem {
	table := GLOBL("compact", RODATA|NOPTR)
	for mask := range 256 {
		var order [16]byte
		n := 0
		for i := range 8 {
			if mask>>i&1 == 1 {
				order[n], order[n+1] = byte(2*i), byte(2*i+1)
				n += 2
			}
		}
		for i := n; i < len(order); i++ {
			order[i] = math.MaxInt8 + 1 // 0
		}
		DATA(16*mask, String(order[:]))
	}
	return table
}

const packSignature = "func(bitmap, out *byte, vals *int64, scale, limit float64, groups int) int"

// emit writes the integers of x that are in mask, a byte, and moves out on.
func emit(table, out reg.GPVirtual, x reg.VecVirtual, mask reg.GPVirtual) {
	row := GP64()
	MOVQ(mask, row)
	SHLQ(Imm(4), row)
	VPSHUFB(Mem{Base: table, Index: row, Scale: 1}, x, x)
	VMOVDQU(x, Mem{Base: out})
	POPCNTL(mask.As32(), mask.As32())
	LEAQ(Mem{Base: out, Index: mask, Scale: 2}, out)
}

func packAVX512(compact Mem) {
	TEXT("packAVX512", NOSPLIT, packSignature)
	Pragma("noescape")
	bitmap, out, vals, groups := param("bitmap"), param("out"), param("vals"), param("groups")
	scale, limit, least, big := spread("scale", ZMM()), spread("limit", ZMM()), ZMM(), big512()
	VPXORQ(least, least, least)
	VSUBPD(limit, least, least)
	table, first := GP64(), GP64()
	LEAQ(compact, table)
	MOVQ(out, first)
	each(groups, func() {
		for i := range 8 {
			v, x, k, mask := ZMM(), XMM(), K(), GP64()
			VPADDQ(at(vals, 64, i), big, v)
			VSUBPD(big, v, v)
			VMULPD(scale, v, v)
			VMINPD(limit, v, v)
			VMAXPD(least, v, v)
			VADDPD(big, v, v)
			VPCMPQ(Imm(notEqual), big, v, k)
			VPMOVQW(v, x)
			KMOVW(k, mask.As32())
			MOVB(mask.As8(), at(bitmap, 1, i))
			emit(table, out, x, mask)
		}
	}, pointer{bitmap, groupLen / 8}, pointer{vals, 8 * groupLen})
	SUBQ(first, out)
	Store(out, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func packAVX2(compact Mem) {
	TEXT("packAVX2", NOSPLIT, packSignature)
	Pragma("noescape")
	bitmap, out, vals, groups := param("bitmap"), param("out"), param("vals"), param("groups")
	scale, limit, least, zero, big := spread("scale", YMM()), spread("limit", YMM()), YMM(), YMM(), big256()
	VPXOR(zero, zero, zero)
	VSUBPD(limit, zero, least)
	table, first := GP64(), GP64()
	LEAQ(compact, table)
	MOVQ(out, first)
	each(groups, func() {
		for i := range 8 {
			halves := []reg.VecVirtual{YMM(), YMM()}
			for j, v := range halves {
				VPADDQ(at(vals, 32, 2*i+j), big, v)
				VSUBPD(big, v, v)
				VMULPD(scale, v, v)
				VMINPD(limit, v, v)
				VMAXPD(least, v, v)
				VADDPD(big, v, v)
			}
			v, none, x, mask := halves[0], YMM(), XMM(), GP64()
			VSHUFPS(Imm(0x88), halves[1], v, v) // lower halves of 0 1 4 5 2 3 6 7
			VPERMQ(Imm(0xd8), v, v)
			VPCMPEQD(zero, v, none)
			VMOVMSKPS(none, mask.As32())
			XORL(Imm(0xff), mask.As32())
			MOVB(mask.As8(), at(bitmap, 1, i))
			VEXTRACTI128(Imm(1), v, x)
			VPACKSSDW(x, v.AsX(), x)
			emit(table, out, x, mask)
		}
	}, pointer{bitmap, groupLen / 8}, pointer{vals, 8 * groupLen})
	SUBQ(first, out)
	Store(out, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

const exchangeSignature = "func(a, b *int64, groups int)"

func exchangeAVX512() {
	TEXT("exchangeAVX512", NOSPLIT, exchangeSignature)
	Pragma("noescape")
	a, b, groups := param("a"), param("b"), param("groups")
	loop(groups, func() {
		for i := range 8 {
			x, low, high := ZMM(), ZMM(), ZMM()
			VMOVDQU64(at(a, 64, i), x)
			VPMINSQ(at(b, 64, i), x, low)
			VPMAXSQ(at(b, 64, i), x, high)
			VMOVDQU64(low, at(a, 64, i))
			VMOVDQU64(high, at(b, 64, i))
		}
	}, pointer{a, 8 * groupLen}, pointer{b, 8 * groupLen})
}

func exchangeAVX2() {
	TEXT("exchangeAVX2", NOSPLIT, exchangeSignature)
	Pragma("noescape")
	a, b, groups := param("a"), param("b"), param("groups")
	loop(groups, func() {
		for i := range 16 {
			x, y, greater, low := YMM(), YMM(), YMM(), YMM()
			VMOVDQU(at(a, 32, i), x)
			VMOVDQU(at(b, 32, i), y)
			VPCMPGTQ(y, x, greater)
			VBLENDVPD(greater, y, x, low)
			VBLENDVPD(greater, x, y, y)
			VMOVDQU(low, at(a, 32, i))
			VMOVDQU(y, at(b, 32, i))
		}
	}, pointer{a, 8 * groupLen}, pointer{b, 8 * groupLen})
}
