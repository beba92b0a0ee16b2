package ptx

// This file holds instructions that work on registers alone, each thread for itself.

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// function is what an instruction does with at most three values. Registers are 64 bits wide;
// what is above a narrower value is not looked at.
type function func(a, b, c uint64) uint64

// calculate applies a function in each lane.
func calculate(w *warp, in *instr, m mask) *Fault {
	var zero [lanes]uint64
	s := [3]*[lanes]uint64{&zero, &zero, &zero}
	for i, r := range in.src {
		s[i] = &w.regs[r]
	}
	d := &w.regs[in.dst[0]]
	for lane := range m.each {
		d[lane] = in.fn(s[0][lane], s[1][lane], s[2][lane])
	}
	return nil
}

// typed makes a function for a type.
type typed func(t typ, words []string) (f function, sources int)

// cut returns a value of the type: sign or zeros above it.
func (t typ) cut(v uint64) uint64 {
	if t.size == 8 {
		return v
	}
	return t.extend(v & (1<<(8*t.size) - 1))
}

// integers makes a function of integers, whose arguments are extended as the type says.
func integers(t typ, f function) function {
	return func(a, b, c uint64) uint64 { return f(t.cut(a), t.cut(b), t.cut(c)) }
}

// floats makes a function of floats of either size; in float32 each result is rounded once.
func floats(t typ, f func(a, b float64) float64) function {
	if t.size == 8 {
		return func(a, b, _ uint64) uint64 { return f64(f(of64(a), of64(b))) }
	}
	return func(a, b, _ uint64) uint64 { return f32(float32(f(float64(of32(a)), float64(of32(b))))) }
}

// pair is an operation of integers, and of floats: sums, differences, products and quotients
// of two float32 may be rounded to float64 before float32, which changes nothing (Figueroa,
// "When is double rounding innocuous?", 1995).
func pair(i function, f func(a, b float64) float64) typed {
	return func(t typ, _ []string) (function, int) {
		if t.float {
			return floats(t, f), 2
		}
		return integers(t, i), 2
	}
}

func single(i function, f func(a float64) float64) typed {
	return func(t typ, _ []string) (function, int) {
		if t.float && f != nil {
			return floats(t, func(a, _ float64) float64 { return f(a) }), 1
		}
		return integers(t, i), 1
	}
}

func add(a, b float64) float64 { return a + b }
func sub(a, b float64) float64 { return a - b }
func mul(a, b float64) float64 { return a * b }
func div(a, b float64) float64 { return a / b }

// operations are by name; their type is the last word.
var operations = map[string]typed{
	"add": pair(func(a, b, _ uint64) uint64 { return a + b }, add),
	"sub": pair(func(a, b, _ uint64) uint64 { return a - b }, sub),
	"mul": multiply,
	"mad": multiply,
	"fma": fused,
	"div": divide(func(a, b int64) int64 { return a / b }, func(a, b uint64) uint64 { return a / b }),
	"rem": divide(func(a, b int64) int64 { return a % b }, func(a, b uint64) uint64 { return a % b }),
	"min": func(t typ, _ []string) (function, int) {
		if t.float {
			return floats(t, smaller), 2
		}
		return integers(t, func(a, b, _ uint64) uint64 { return pick(less(t, a, b), a, b) }), 2
	},
	"max": func(t typ, _ []string) (function, int) {
		if t.float {
			return floats(t, larger), 2
		}
		return integers(t, func(a, b, _ uint64) uint64 { return pick(less(t, a, b), b, a) }), 2
	},
	"abs":  single(func(a, _, _ uint64) uint64 { return uint64(max(int64(a), -int64(a))) }, math.Abs),
	"neg":  single(func(a, _, _ uint64) uint64 { return -a }, func(a float64) float64 { return -a }),
	"not":  single(func(a, _, _ uint64) uint64 { return ^a }, nil),
	"mov":  single(func(a, _, _ uint64) uint64 { return a }, nil),
	"cvta": single(func(a, _, _ uint64) uint64 { return a }, nil),
	"popc": single(func(a, _, _ uint64) uint64 { return uint64(bits.OnesCount64(a)) }, nil),
	"clz": func(t typ, _ []string) (function, int) {
		return integers(t, func(a, _, _ uint64) uint64 { return uint64(bits.LeadingZeros64(a) - 64 + 8*t.size) }), 1
	},
	"and": pair(func(a, b, _ uint64) uint64 { return a & b }, nil),
	"or":  pair(func(a, b, _ uint64) uint64 { return a | b }, nil),
	"xor": pair(func(a, b, _ uint64) uint64 { return a ^ b }, nil),
	"shl": func(t typ, _ []string) (function, int) {
		return func(a, b, _ uint64) uint64 { return a << min(b&0xffffffff, 64) }, 2
	},
	"shr": func(t typ, _ []string) (function, int) {
		return func(a, b, _ uint64) uint64 {
			n := b & 0xffffffff
			if t.signed {
				return uint64(int64(t.cut(a)) >> n)
			}
			return t.cut(a) >> n
		}, 2
	},
	"shf":  funnel,
	"prmt": permute,
	"selp": func(t typ, _ []string) (function, int) {
		return func(a, b, c uint64) uint64 { return pick(c != 0, a, b) }, 3
	},
	"rcp":   approximate(func(a float64) float64 { return 1 / a }),
	"sqrt":  approximate(math.Sqrt),
	"ex2":   approximate(math.Exp2),
	"lg2":   approximate(math.Log2),
	"sin":   approximate(math.Sin),
	"cos":   approximate(math.Cos),
	"rsqrt": approximate(func(a float64) float64 { return 1 / math.Sqrt(a) }),
}

// approximate is a function of which a card may give an approximation: here it is rounded once.
func approximate(f func(float64) float64) typed {
	return func(t typ, words []string) (function, int) {
		g := floats(t, func(a, _ float64) float64 { return f(a) })
		return flushed(words, g), 1
	}
}

// flushed has values that are too small be zeros, if the instruction says so.
func flushed(words []string, f function) function {
	for _, w := range words {
		if w == "ftz" {
			return func(a, b, c uint64) uint64 {
				small := func(v uint64) uint64 { return uint64(math.Float32bits(flush(of32(v)))) }
				return small(f(small(a), small(b), small(c)))
			}
		}
	}
	return f
}

func divide(signed func(a, b int64) int64, unsigned func(a, b uint64) uint64) typed {
	return func(t typ, _ []string) (function, int) {
		switch {
		case t.float:
			return floats(t, div), 2
		case t.signed:
			return integers(t, func(a, b, _ uint64) uint64 {
				if b == 0 {
					return ^uint64(0)
				}
				return uint64(signed(int64(a), int64(b)))
			}), 2
		}
		return integers(t, func(a, b, _ uint64) uint64 {
			if b == 0 {
				return ^uint64(0)
			}
			return unsigned(a, b)
		}), 2
	}
}

// multiply is mul and mad: .lo, .hi or .wide for integers.
func multiply(t typ, words []string) (function, int) {
	sources := 2
	if words[0] == "mad" {
		sources = 3
	}
	if t.float && sources == 3 {
		return nil, 0 // compilers write fma
	}
	if t.float {
		return floats(t, mul), sources
	}
	if words[1] == "hi" {
		return integers(t, func(a, b, c uint64) uint64 {
			if t.size == 4 {
				return uint64(int64(a*b)>>32) + c
			}
			hi, _ := bits.Mul64(a, b)
			if t.signed {
				hi -= pick(int64(a) < 0, b, 0) + pick(int64(b) < 0, a, 0)
			}
			return hi + c
		}), sources
	}
	wide := words[1] == "wide"
	return func(a, b, c uint64) uint64 {
		if wide {
			return t.cut(a)*t.cut(b) + c
		}
		return a*b + c
	}, sources
}

// fused is fma.
func fused(t typ, words []string) (function, int) {
	switch {
	case t.size == 8 && words[1] == "rm":
		return nil, 0
	case t.size == 8:
		return func(a, b, c uint64) uint64 { return f64(math.FMA(of64(a), of64(b), of64(c))) }, 3
	case words[1] == "rm":
		return func(a, b, c uint64) uint64 { return f32(fmaDown(of32(a), of32(b), of32(c))) }, 3
	}
	return func(a, b, c uint64) uint64 { return f32(fma32(of32(a), of32(b), of32(c))) }, 3
}

// funnel is shf: the words b:a shifted by c, of which it is the upper (.l) or lower (.r) half.
func funnel(_ typ, words []string) (function, int) {
	return func(a, b, c uint64) uint64 {
		n := c & 0xffffffff
		if words[2] == "wrap" {
			n &= 31
		}
		v := b<<32 | a&0xffffffff
		if n = min(n, 32); words[1] == "l" {
			return v << n >> 32
		}
		return v >> n
	}, 3
}

// permute is prmt in its plain mode: each of the four digits of c picks a byte of b:a, or with its
// upper bit that byte's sign, eight times.
func permute(_ typ, _ []string) (function, int) {
	return func(a, b, c uint64) (d uint64) {
		v := b<<32 | a&0xffffffff
		for i := range 4 {
			digit := c >> (4 * i) & 15
			picked := v >> (8 * (digit & 7)) & 0xff
			if digit > 7 {
				picked = -(picked >> 7) & 0xff
			}
			d |= picked << (8 * i)
		}
		return d
	}, 3
}

// modifiers are words that change nothing here, or what the functions look at themselves.
var modifiers = map[string]bool{
	"lo": true, "hi": true, "wide": true, "rn": true, "approx": true, "full": true,
	"l": true, "r": true, "wrap": true, "clamp": true, "to": true, "global": true, "local": true, "shared": true, "const": true,
}

// modifiersOf are those that only some functions look at.
var modifiersOf = map[string][]string{"rm": {"fma"}, "ftz": {"rcp", "sqrt", "ex2", "lg2", "sin", "cos", "rsqrt"}}

// arithmetic makes an instruction of the table.
func arithmetic(b *builder, in *instr, words, args []string) (err error) {
	last := words[len(words)-1]
	for _, w := range words[1 : len(words)-1] {
		if only, some := modifiersOf[w]; !modifiers[w] && !slices.Contains(only, words[0]) {
			if some {
				return fmt.Errorf(".%s is known of %s", w, strings.Join(only, ", "))
			}
			return fmt.Errorf(".%s is not known", w)
		}
	}
	if last != "pred" {
		if in.typ, err = typeOf(last); err != nil {
			return err
		}
	}
	if words[0] == "mov" && strings.Contains(strings.Join(args, ""), "{") {
		return pack(b, in, args)
	}
	sources := 0
	if last == "pred" {
		in.fn, sources = logic(words[0])
	} else {
		in.fn, sources = operations[words[0]](in.typ, words)
	}
	if in.fn == nil {
		return errors.New("there is no such operation")
	}
	if err := b.take(in, args, 1, sources); err != nil {
		return err
	}
	in.run, in.typ = calculate, typ{}
	return nil
}

// logic is of predicates.
func logic(name string) (function, int) {
	switch name {
	case "and":
		return func(a, b, _ uint64) uint64 { return a & b }, 2
	case "or":
		return func(a, b, _ uint64) uint64 { return a | b }, 2
	case "xor":
		return func(a, b, _ uint64) uint64 { return a ^ b }, 2
	case "not":
		return func(a, _, _ uint64) uint64 { return a ^ 1 }, 1
	case "mov":
		return func(a, _, _ uint64) uint64 { return a }, 1
	}
	return nil, 0
}

// insert is bfi.b32 d, a, b, at, len: len bits of a take the place of those of b.
func insert(b *builder, in *instr, words, args []string) error {
	if words[1] != "b32" {
		return errors.New("the type is not known")
	}
	in.run = func(w *warp, in *instr, m mask) *Fault {
		for lane := range m.each {
			at, n := w.regs[in.src[2]][lane]&0xff, w.regs[in.src[3]][lane]&0xff
			field := (uint64(1)<<min(n, 32) - 1) << min(at, 32)
			w.regs[in.dst[0]][lane] = w.regs[in.src[1]][lane]&^field | w.regs[in.src[0]][lane]<<min(at, 32)&field&0xffffffff
		}
		return nil
	}
	return b.take(in, args, 1, 4)
}

// pack is mov between one register and several of a part of its size.
func pack(b *builder, in *instr, args []string) error {
	if err := b.take(in, args, 1, 1); err != nil {
		return err
	}
	part := uint(8 * in.typ.size / max(len(in.dst), len(in.src)))
	in.run = func(w *warp, in *instr, m mask) *Fault {
		for lane := range m.each {
			v := uint64(0)
			for i, r := range in.src {
				if len(in.src) == 1 {
					v = w.regs[r][lane]
				} else {
					v |= w.regs[r][lane] & (1<<part - 1) << (uint(i) * part)
				}
			}
			for i, r := range in.dst {
				if r != none {
					w.regs[r][lane] = v >> (uint(i) * part)
				}
			}
		}
		return nil
	}
	in.typ = typ{}
	return nil
}

// comparisons of setp, of values that are ordered.
var comparisons = map[string]func(order int) bool{
	"eq": func(o int) bool { return o == 0 }, "ne": func(o int) bool { return o != 0 },
	"lt": func(o int) bool { return o < 0 }, "le": func(o int) bool { return o <= 0 },
	"gt": func(o int) bool { return o > 0 }, "ge": func(o int) bool { return o >= 0 },
	"lo": func(o int) bool { return o < 0 }, "ls": func(o int) bool { return o <= 0 },
	"hi": func(o int) bool { return o > 0 }, "hs": func(o int) bool { return o >= 0 },
}

// makeCompare reads setp.comparison.type p, a, b. Of floats the comparisons that end with u are true
// where one is NaN, nan and num ask for that.
func makeCompare(b *builder, in *instr, words, args []string) error {
	if len(words) != 3 {
		return errors.New("the comparison is not known")
	}
	t, err := typeOf(words[2])
	if err != nil {
		return err
	}
	name, unordered := words[1], false
	if t.float && len(name) == 3 && name[2] == 'u' {
		name, unordered = name[:2], true
	}
	is, there := comparisons[name]
	if !there && name != "nan" && name != "num" {
		return errors.New("the comparison is not known")
	}
	in.fn = func(a, b, _ uint64) uint64 {
		var x, y float64
		switch {
		case t.float && t.size == 8:
			x, y = of64(a), of64(b)
		case t.float:
			x, y = float64(of32(a)), float64(of32(b))
		default:
			a, b = t.cut(a), t.cut(b)
			order := 0
			if less(t, a, b) {
				order = -1
			} else if a != b {
				order = 1
			}
			return truth(is(order))
		}
		isNaN := x != x || y != y
		switch {
		case name == "nan":
			return truth(isNaN)
		case name == "num":
			return truth(!isNaN)
		case isNaN:
			return truth(unordered)
		case x < y:
			return truth(is(-1))
		case x > y:
			return truth(is(1))
		}
		return truth(is(0))
	}
	in.run = calculate
	return b.take(in, args, 1, 2)
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
