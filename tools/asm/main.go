// Command asm writes the assembly of package gradient/kernel, one -part at a time.
// It is run by `go generate ./gradient/kernel`; what it writes is checked in.
package main

import (
	"flag"
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	magnitudeMask = 0x7fffffff
	groupLen      = 64 // values of a call's unit of work
	fewLen        = 16 // of a call's on few values
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
	placesVBMI2()
	sumFromAVX2()
	alignAVX2()
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

const placesSignature = "func(index *uint16, mask *uint64, words int) int"

// Every word compresses the bytes 0 … 63 to the numbers of its bits and writes at
// least 32 of them, of which the next word overwrites those that are not bits.
func placesVBMI2() {
	numbers := GLOBL("numbers", RODATA|NOPTR)
	for i := range groupLen / 8 {
		DATA(8*i, U64(0x0706050403020100+0x0808080808080808*uint64(i)))
	}
	TEXT("placesVBMI2", NOSPLIT, placesSignature)
	Pragma("noescape")
	index, mask, words := param("index"), param("mask"), param("words")
	begin, bits := GP64(), GP32()
	all, first, step := ZMM(), ZMM(), ZMM()
	MOVQ(index, begin)
	VMOVDQU64(numbers, all)
	VPXORD(first, first, first)
	MOVL(U32(groupLen), bits)
	VPBROADCASTW(bits, step)
	put := func(from reg.VecVirtual, at int) {
		v := ZMM()
		VPMOVZXBW(from, v)
		VPADDW(first, v, v)
		VMOVDQU16(v, Mem{Base: index, Disp: at})
	}
	Label("loop")
	TESTQ(words, words)
	JZ(LabelRef("done"))
	word, k, v, high := GP64(), K(), ZMM(), YMM()
	MOVQ(Mem{Base: mask}, word)
	KMOVQ(word, k)
	VPCOMPRESSB_Z(all, k, v)
	put(v.AsY().(reg.VecVirtual), 0)
	POPCNTQ(word, word)
	CMPQ(word, Imm(groupLen/2))
	JLE(LabelRef("written"))
	VEXTRACTI64X4(Imm(1), v, high)
	put(high, groupLen)
	Label("written")
	LEAQ(Mem{Base: index, Index: word, Scale: 2}, index)
	VPADDW(step, first, first)
	ADDQ(Imm(8), mask)
	DECQ(words)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	SUBQ(begin, index)
	SHRQ(Imm(1), index)
	Store(index, ReturnIndex(0))
	RET()
}

// As in markAVX2, no x has its highest bit set.
func sumFromAVX2() {
	TEXT("sumFromAVX2", NOSPLIT, "func(xs *uint32, groups int, t uint32) (sum, num uint64)")
	Pragma("noescape")
	xs, groups := param("xs"), param("groups")
	bits, num := GP32(), GP64()
	x, below, sum := XMM(), YMM(), YMM()
	Load(Param("t"), bits)
	DECL(bits)
	VMOVD(bits, x)
	VPBROADCASTD(x, below)
	VPXOR(sum, sum, sum)
	XORQ(num, num)
	few(groups, func() {
		for i := range 2 {
			v, reaches, n := YMM(), YMM(), GP64()
			VMOVDQU(Mem{Base: xs, Disp: 32 * i}, v)
			VPCMPGTD(below, v, reaches)
			VPAND(reaches, v, v)
			VMOVMSKPS(reaches, n.As32())
			VPSRLQ(Imm(32), v, reaches)
			VPADDQ(reaches, sum, sum)
			VPSLLQ(Imm(32), v, v)
			VPSRLQ(Imm(32), v, v)
			VPADDQ(v, sum, sum)
			POPCNTQ(n, n)
			ADDQ(n, num)
		}
	}, xs)
	low, high, total := sum.AsX(), XMM(), GP64()
	VEXTRACTI128(Imm(1), sum, high)
	VPADDQ(high, low, high)
	VPSHUFD(Imm(0b01001110), high, low)
	VPADDQ(high, low, high)
	VMOVQ(high, total)
	VZEROUPPER()
	Store(total, Return("sum"))
	Store(num, Return("num"))
	RET()
}

// few is a loop over groups of fewLen values, after which more may come.
func few(groups reg.GPVirtual, body func(), pointers ...reg.GPVirtual) {
	numLoops++
	loop, done := fmt.Sprint("few", numLoops), fmt.Sprint("end", numLoops)
	left := GP64()
	MOVQ(groups, left)
	Label(loop)
	TESTQ(left, left)
	JZ(LabelRef(done))
	body()
	for _, p := range pointers {
		ADDQ(U32(4*fewLen), p)
	}
	DECQ(left)
	JMP(LabelRef(loop))
	Label(done)
}

var numLoops int // labels of a function must differ

// A number without a hidden bit has the exponent of the smallest that has one.
func alignAVX2() {
	TEXT("alignAVX2", NOSPLIT, "func(xs *uint32, vals *float32, groups int, least uint32) (top uint32)")
	Pragma("noescape")
	xs, vals, groups := param("xs"), param("vals"), param("groups")
	constant := func(v uint32) reg.VecVirtual {
		bits, x, y := GP32(), XMM(), YMM()
		MOVL(U32(v), bits)
		VMOVD(bits, x)
		VPBROADCASTD(x, y)
		return y
	}
	low, from, bits, start, top := constant(magnitudeMask), GP64(), GP32(), XMM(), YMM()
	Load(Param("least"), bits)
	VMOVD(bits, start)
	VPBROADCASTD(start, top)
	MOVQ(vals, from)
	few(groups, func() {
		for i := range 2 {
			v := YMM()
			VPAND(Mem{Base: from, Disp: 32 * i}, low, v)
			VPMAXUD(v, top, top)
		}
	}, from)
	half, other := top.AsX(), XMM()
	VEXTRACTI128(Imm(1), top, other)
	VPMAXUD(other, half, half)
	VPSHUFD(Imm(0b01001110), half, other)
	VPMAXUD(other, half, half)
	VPSHUFD(Imm(0b10110001), half, other)
	VPMAXUD(other, half, half)
	VPSRLD(Imm(23), half, half)
	all := YMM()
	VPBROADCASTD(half, all)
	VMOVD(half, bits)
	Store(bits, Return("top"))
	one, hidden, normal := constant(1), constant(1<<23), constant(1<<31-1<<23)
	fraction := constant(1<<23 - 1)
	few(groups, func() {
		for i := range 2 {
			v, e, h := YMM(), YMM(), YMM()
			VPAND(Mem{Base: vals, Disp: 32 * i}, low, v)
			VPSRLD(Imm(23), v, e)
			VPMAXUD(one, e, e)
			VPSUBD(e, all, e)
			VPADDD(normal, v, h)
			VPSRAD(Imm(31), h, h)
			VPAND(hidden, h, h)
			VPAND(fraction, v, v)
			VPOR(h, v, v)
			VPSLLD(Imm(7), v, v)
			VPSRLVD(e, v, v)
			VMOVDQU(v, Mem{Base: xs, Disp: 32 * i})
		}
	}, vals, xs)
	VZEROUPPER()
	RET()
}
