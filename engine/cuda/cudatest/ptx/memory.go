package ptx

// This file holds instructions that touch memory.

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Region is a part of global memory.
type Region struct {
	Addr  uint64
	Bytes []byte
}

// Memory is regions by rising address.
type Memory []Region

// at returns n bytes, nil if they are not in one region.
func (m Memory) at(addr, n uint64) []byte {
	i, exact := slices.BinarySearchFunc(m, addr, func(r Region, a uint64) int {
		switch {
		case r.Addr < a:
			return -1
		case r.Addr > a:
			return 1
		}
		return 0
	})
	if !exact {
		i--
	}
	if i < 0 {
		return nil
	}
	off, size := addr-m[i].Addr, uint64(len(m[i].Bytes))
	if off > size || n > size-off {
		return nil
	}
	return m[i].Bytes[off : off+n]
}

// least returns the fewest bytes that a kernel touches at once of a space.
func (k *Kernel) least(s space) int {
	n := 8
	for i := range k.code {
		in := &k.code[i]
		if in.typ.size > 0 && in.space == s && in.kind != branch {
			n = min(n, in.typ.size)
		}
	}
	return n
}

// address returns what a lane's first source and the offset come to. Only global memory has
// addresses of 64 bits.
func (w *warp) address(in *instr, lane int) uint64 {
	a := w.regs[in.src[0]][lane] + in.offset
	if in.space != global {
		a &= 1<<32 - 1
	}
	return a
}

// reach returns the memory that a lane's instruction touches, having noted that it does.
func (w *warp) reach(in *instr, lane int, addr, n uint64, h how) ([]byte, *Fault) {
	var b []byte
	var why string
	if addr%n != 0 {
		return nil, w.fault(lane, fmt.Sprintf("address %#x is no multiple of %d", addr, n))
	}
	switch in.space {
	case global:
		if b = w.Memory.at(addr, n); b != nil {
			why = w.wide.touch(addr, n, w.stamp(lane), h)
		}
	case shared:
		if b = part(w.shared, addr, n); b != nil {
			why = w.narrow.touch(addr, n, w.stamp(lane), h)
		}
	case local:
		b = part(w.local[lane], addr, n)
	case param:
		b = part(w.Args, addr, n)
	case constants:
		b = part(w.kernel.module.consts.data, addr, n)
	}
	if b == nil {
		why = fmt.Sprintf("address %#x: there is no such memory", addr)
	}
	if why != "" {
		return nil, w.fault(lane, why)
	}
	return b, nil
}

func part(b []byte, addr, n uint64) []byte {
	if addr > uint64(len(b)) || n > uint64(len(b))-addr {
		return nil
	}
	return b[addr : addr+n]
}

// extend makes what was read the value of a register.
func (t typ) extend(v uint64) uint64 {
	if t.signed {
		shift := 64 - 8*t.size
		return uint64(int64(v<<shift) >> shift)
	}
	return v
}

// places reads the words of ld and st.
func places(in *instr, words []string) (err error) {
	for _, word := range words[1 : len(words)-1] {
		if s, there := spaces[word]; there {
			in.space = s
			continue
		}
		if word != "v2" && word != "v4" && word != "nc" && word != "volatile" && word != "relaxed" {
			return fmt.Errorf(".%s is not known", word)
		}
	}
	if !slices.ContainsFunc(words, func(s string) bool { _, there := spaces[s]; return there }) {
		return errors.New("generic addresses are not known")
	}
	in.typ, err = typeOf(words[len(words)-1])
	return err
}

func makeLoad(b *builder, in *instr, words, args []string) (err error) {
	if err = places(in, words); err != nil {
		return err
	}
	if len(args) != 2 {
		return errors.New("want two operands")
	}
	if in.dst, err = b.list(args[0]); err != nil {
		return err
	}
	in.run = load
	return b.addressed(in, args[1])
}

func load(w *warp, in *instr, m mask) *Fault {
	size := uint64(in.typ.size)
	w.Stats.memory(w, in, m, size*uint64(len(in.dst)))
	for lane := range m.each {
		addr := w.address(in, lane)
		b, f := w.reach(in, lane, addr, size*uint64(len(in.dst)), reads)
		if f != nil {
			return f
		}
		for i, r := range in.dst {
			if r != none {
				w.regs[r][lane] = in.typ.extend(word(b[uint64(i)*size:][:size]))
			}
		}
	}
	return nil
}

func makeStore(b *builder, in *instr, words, args []string) (err error) {
	if err = places(in, words); err != nil {
		return err
	}
	if len(args) != 2 {
		return errors.New("want two operands")
	}
	if err = b.addressed(in, args[0]); err != nil {
		return err
	}
	vals, err := b.list(args[1])
	in.src = append(in.src, vals...)
	in.run = store
	return err
}

func store(w *warp, in *instr, m mask) *Fault {
	size, vals := uint64(in.typ.size), in.src[1:]
	w.Stats.memory(w, in, m, size*uint64(len(vals)))
	for lane := range m.each {
		addr := w.address(in, lane)
		b, f := w.reach(in, lane, addr, size*uint64(len(vals)), writes)
		if f != nil {
			return f
		}
		for i, r := range vals {
			setWord(b[uint64(i)*size:][:size], w.regs[r][lane])
		}
	}
	return nil
}

// atomics are what atom and red do with old and new value.
var atomics = map[string]func(t typ, old, by uint64) uint64{
	"add": func(t typ, a, b uint64) uint64 {
		if t.float && t.size == 4 {
			return f32(of32(a) + of32(b))
		}
		if t.float {
			return f64(of64(a) + of64(b))
		}
		return a + b
	},
	"min":  func(t typ, a, b uint64) uint64 { return pick(less(t, a, b), a, b) },
	"max":  func(t typ, a, b uint64) uint64 { return pick(less(t, b, a), a, b) },
	"exch": func(_ typ, _, b uint64) uint64 { return b },
	"or":   func(_ typ, a, b uint64) uint64 { return a | b },
	"and":  func(_ typ, a, b uint64) uint64 { return a & b },
}

func less(t typ, a, b uint64) bool {
	if t.signed {
		return int64(a) < int64(b)
	}
	return a < b
}

func pick(first bool, a, b uint64) uint64 {
	if first {
		return a
	}
	return b
}

// makeAtomic reads atom.space.op.type d, [a], b and red.space.op.type [a], b.
func makeAtomic(b *builder, in *instr, words, args []string) (err error) {
	do, there := atomics[words[len(words)-2]]
	if !there || len(words) != 4 {
		return errors.New("the operation is not known")
	}
	if in.space, there = spaces[words[1]]; !there {
		return errors.New("the space is not known")
	}
	if in.typ, err = typeOf(words[3]); err != nil {
		return err
	}
	if words[0] == "atom" {
		if in.dst, err = b.list(args[0]); err != nil {
			return err
		}
		args = args[1:]
	}
	if len(args) != 2 {
		return errors.New("want an address and a value")
	}
	if err = b.addressed(in, args[0]); err != nil {
		return err
	}
	val, err := b.reg(args[1])
	in.src = append(in.src, val)
	in.run = func(w *warp, in *instr, m mask) *Fault {
		size := in.typ.size
		for lane := range m.each {
			addr := w.address(in, lane)
			at, f := w.reach(in, lane, addr, uint64(size), atomically)
			if f != nil {
				return f
			}
			old, by := in.typ.extend(word(at)), w.regs[in.src[1]][lane]
			setWord(at, do(in.typ, old, in.typ.extend(by&(1<<(8*size)-1))))
			if len(in.dst) > 0 && in.dst[0] != none {
				w.regs[in.dst[0]][lane] = old
			}
		}
		return nil
	}
	return err
}

// copying is an asynchronous copy to shared memory that nobody has waited for.
type copying struct {
	to    uint64
	bytes []byte
	group int
}

// makeCopy reads cp.async (PTX ISA, "Non-bulk copy"): cp.async.cg.shared.global [to], [from],
// bytes, and of these how many are read; the others are zero.
func makeCopy(b *builder, in *instr, words, args []string) error {
	switch op := strings.Join(words[2:], "."); op {
	case "commit_group":
		in.run = func(w *warp, _ *instr, m mask) *Fault {
			for lane := range m.each {
				w.groups[lane]++
			}
			return nil
		}
		return nil
	case "wait_group", "wait_all":
		open := 0
		if op == "wait_group" {
			var err error
			if open, err = strconv.Atoi(args[0]); err != nil {
				return err
			}
		}
		in.space = shared
		in.run = func(w *warp, in *instr, m mask) *Fault {
			for lane := range m.each {
				if op == "wait_all" {
					w.groups[lane]++
				}
				if f := w.arrive(in, lane, w.groups[lane]-open); f != nil {
					return f
				}
			}
			return nil
		}
		return nil
	case "cg.shared.global", "ca.shared.global":
	default:
		return errors.New("the copy is not known")
	}
	if len(args) != 3 && len(args) != 4 {
		return errors.New("want three or four operands")
	}
	var err error
	if in.bytes, err = strconv.Atoi(args[2]); err != nil {
		return err
	}
	for _, a := range args[:2] {
		if err := b.addressed(in, a); err != nil {
			return err
		}
		if in.offset != 0 {
			return errors.New("an offset in a copy is not known")
		}
	}
	size := args[len(args)-1]
	r, err := b.reg(size)
	in.src = append(in.src, r)
	in.run = copyLater
	return err
}

func copyLater(w *warp, in *instr, m mask) *Fault {
	n := uint64(in.bytes)
	to, from := *in, *in
	to.space, from.space = shared, global
	w.Stats.copies(w, in, m)
	for lane := range m.each {
		c := copying{to: w.regs[in.src[0]][lane] & 0xffffffff, bytes: make([]byte, n), group: w.groups[lane]}
		at, f := w.reach(&to, lane, c.to, n, writes)
		if f != nil {
			return f
		}
		for i := range at {
			at[i] = 0xff // until it is there
		}
		if some := w.regs[in.src[2]][lane] & 0xffffffff; some > 0 {
			if some != n {
				return w.fault(lane, "a copy of a part is not known")
			}
			b, f := w.reach(&from, lane, w.regs[in.src[1]][lane], n, reads)
			if f != nil {
				return f
			}
			copy(c.bytes, b)
		}
		w.copies[lane] = append(w.copies[lane], c)
	}
	return nil
}

// arrive ends a thread's copies of all groups before one.
func (w *warp) arrive(in *instr, lane, before int) *Fault {
	open := w.copies[lane][:0]
	for _, c := range w.copies[lane] {
		if c.group >= before {
			open = append(open, c)
			continue
		}
		b, f := w.reach(in, lane, c.to, uint64(len(c.bytes)), writes)
		if f != nil {
			return f
		}
		copy(b, c.bytes)
	}
	w.copies[lane] = open
	return nil
}
