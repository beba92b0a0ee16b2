package ptx

// This file holds cvt.

import (
	"errors"
	"math"
	"slices"
)

// makeConvert reads cvt[.rounding][.ftz][.sat].to.from d, a.
func makeConvert(b *builder, in *instr, words, args []string) error {
	n := len(words)
	if n < 3 {
		return errors.New("the conversion is not known")
	}
	to, from, how := words[n-2], words[n-1], words[1:n-2]
	in.run = calculate
	switch {
	case to == "bf16" && from == "f32" && slices.Equal(how, []string{"rn"}):
		in.fn = func(a, _, _ uint64) uint64 { return half(of32(a)) }
		return b.take(in, args, 1, 1)
	case to == "bf16x2" && from == "f32" && slices.Equal(how, []string{"rn"}): // the first is the upper
		in.fn = func(a, b, _ uint64) uint64 { return half(of32(a))<<16 | half(of32(b)) }
		return b.take(in, args, 1, 2)
	}
	t, err := typeOf(to)
	if err != nil {
		return err
	}
	f, err := typeOf(from)
	if err != nil {
		return err
	}
	in.fn = conversion(t, f, how)
	if in.fn == nil {
		return errors.New("the conversion is not known")
	}
	return b.take(in, args, 1, 1)
}

// roundings to a whole number.
var roundings = map[string]func(float64) float64{"rni": math.RoundToEven, "rzi": math.Trunc, "rmi": math.Floor, "rpi": math.Ceil}

// conversion returns the function, nil if it is not known.
func conversion(to, from typ, how []string) function {
	rounding, sat := "", false
	for _, w := range how {
		switch {
		case w == "sat":
			sat = true
		case w == "ftz" || rounding != "":
			return nil
		default:
			rounding = w
		}
	}
	round := roundings[rounding]
	switch {
	case !to.float && !from.float:
		if rounding != "" || sat {
			return nil
		}
		return func(a, _, _ uint64) uint64 { return to.cut(from.cut(a)) }
	case to.float && !from.float:
		if rounding != "rn" || sat {
			return nil
		}
		return func(a, _, _ uint64) uint64 { return ofWhole(to, from, from.cut(a)) }
	}
	read := func(a uint64) float64 {
		if from.size == 8 {
			return of64(a)
		}
		return float64(of32(a))
	}
	if !to.float {
		if round == nil || sat {
			return nil
		}
		return func(a, _, _ uint64) uint64 { return to.saturate(round(read(a)), from) }
	}
	if round == nil && rounding != "" && rounding != "rn" {
		return nil
	}
	return func(a, _, _ uint64) uint64 {
		x := read(a)
		if round != nil {
			x = round(x)
		}
		if sat {
			if x != x {
				x = 0
			}
			x = max(0, min(1, x))
		}
		if to.size == 8 {
			return f64(x)
		}
		return f32(float32(x))
	}
}

// ofWhole rounds an integer once.
func ofWhole(to, from typ, v uint64) uint64 {
	switch {
	case to.size == 8 && from.signed:
		return f64(float64(int64(v)))
	case to.size == 8:
		return f64(float64(v))
	case from.signed:
		return f32(float32(int64(v)))
	}
	return f32(float32(v))
}

// saturate returns a whole number, which was of another type, as the type holds it: the nearest it
// has. NaN is 0, or where either type has 64 bits the highest bit alone (PTX ISA, cvt).
func (t typ) saturate(x float64, from typ) uint64 {
	bits := 8 * t.size
	if x != x {
		return pick(t.size == 8 || from.size == 8, t.cut(1<<(bits-1)), 0)
	}
	low, high := 0.0, math.Ldexp(1, bits)
	if t.signed {
		low, high = -math.Ldexp(1, bits-1), math.Ldexp(1, bits-1)
	}
	switch {
	case x < low:
		return t.cut(uint64(int64(low)))
	case x >= high && t.signed:
		return 1<<(bits-1) - 1
	case x >= high:
		return t.cut(^uint64(0))
	case t.signed:
		return uint64(int64(x))
	}
	return uint64(x)
}
