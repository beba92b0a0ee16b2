package ptx

// This file holds instructions as they are executed, and how their text becomes that.

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// instr is one instruction. Operands are registers, by number; constants are registers as well.
type instr struct {
	text   string
	guard  int32 // a predicate; none: always
	unless bool  // the guard must be false
	run    func(w *warp, in *instr, m mask) *Fault
	kind   kind
	dst    []int32 // none where a result is dropped
	src    []int32
	fn     function
	typ    typ
	space  space
	offset uint64 // of an address
	bytes  int    // of an asynchronous copy
	label  string // where a branch goes
	target int32
	turned bool // matrices are transposed
}

// kind says what an instruction does to the order of execution.
type kind byte

const (
	plain    kind = iota
	branch        // goes elsewhere
	leave         // ends the thread
	together      // waits for threads of the warp, which the last of src names
	barrier       // waits for the block
)

// Registers that are not numbered yet.
const (
	none            = math.MinInt32
	constant        = -1 << 20 // and less: constants
	specialRegister = -1       // and less: special registers
)

// typ is the type of a value.
type typ struct {
	size          int // bytes
	signed, float bool
}

func typeOf(s string) (typ, error) {
	bits, err := strconv.Atoi(s[1:])
	if err != nil || !strings.Contains("busf", s[:1]) || !slices.Contains([]int{8, 16, 32, 64}, bits) {
		return typ{}, fmt.Errorf("type %q is not known", s)
	}
	return typ{bits / 8, s[0] == 's', s[0] == 'f'}, nil
}

// space is where memory lies.
type space byte

const (
	global space = iota
	shared
	local
	param
	constants
)

var spaces = map[string]space{"global": global, "shared": shared, "local": local, "param": param, "const": constants}

// special is a register that the hardware fills.
type special string

// reg returns the register that an operand names.
func (b *builder) reg(s string) (int32, error) {
	s = strings.TrimSpace(s)
	if r, there := b.names[s]; there {
		return r, nil
	}
	if s == "_" {
		return none, nil
	}
	if strings.HasPrefix(s, "%") {
		at := slices.Index(b.special, special(s))
		if at < 0 {
			at = len(b.special)
			b.special = append(b.special, special(s))
		}
		if _, known := specials[special(s)]; !known {
			return 0, fmt.Errorf("register %s is not known", s)
		}
		return specialRegister - int32(at), nil
	}
	v, err := b.value(s)
	if err != nil {
		return 0, err
	}
	return b.constant(v), nil
}

func (b *builder) constant(v uint64) int32 {
	at, there := b.known[v]
	if !there {
		at = int32(len(b.known))
		b.known[v] = at
	}
	return constant - at
}

// dynamicShared is how the compiler names dynamic shared memory: by the source's name with _bytes.
const dynamicShared = "_bytes"

// value returns what a constant operand is.
func (b *builder) value(s string) (uint64, error) {
	for _, v := range []variables{b.shared, b.local, b.params, b.module.consts} {
		if at, there := v.at[s]; there {
			return at, nil
		}
	}
	switch {
	case strings.HasPrefix(s, "0f"):
		v, err := strconv.ParseUint(s[2:], 16, 32)
		return v, err
	case strings.HasPrefix(s, "0d"):
		return strconv.ParseUint(s[2:], 16, 64)
	case strings.HasSuffix(s, dynamicShared):
		return uint64(b.shared.bytes+15) / 16 * 16, nil // behind all other
	case strings.HasPrefix(s, "-"):
		v, err := strconv.ParseInt(s, 0, 64)
		return uint64(v), err
	}
	return strconv.ParseUint(s, 0, 64)
}

// operands splits at commas outside of braces and brackets.
func operands(s string) (all []string) {
	depth, from := 0, 0
	for i, c := range s {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				all = append(all, strings.TrimSpace(s[from:i]))
				from = i + 1
			}
		}
	}
	if s = strings.TrimSpace(s[from:]); s != "" {
		all = append(all, s)
	}
	return all
}

// list returns the registers of an operand: of {a, b} two, of a|b two, else one.
func (b *builder) list(s string) (all []int32, err error) {
	names := []string{s}
	if strings.HasPrefix(s, "{") {
		names = strings.Split(strings.Trim(s, "{} "), ",")
	} else if strings.Contains(s, "|") {
		names = strings.Split(s, "|")
	}
	for _, n := range names {
		r, err := b.reg(n)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// maker makes an instruction of its words, which points separate, and its operands.
type maker func(b *builder, in *instr, words, args []string) error

// instruction adds one.
func (b *builder) instruction(s string) error {
	in := instr{text: strings.Join(strings.Fields(s), " "), guard: none}
	if s[0] == '@' {
		at := strings.IndexAny(s, " \t")
		name, rest := s[1:at], s[at:]
		in.unless = name[0] == '!'
		var err error
		if in.guard, err = b.reg(strings.TrimPrefix(name, "!")); err != nil {
			return err
		}
		s = strings.TrimSpace(rest)
	}
	op, rest := s, ""
	if at := strings.IndexAny(s, " \t"); at > 0 {
		op, rest = s[:at], s[at:]
	}
	words, args := strings.Split(op, "."), operands(rest)
	make, known := makers[words[0]]
	if !known {
		return errors.New("the instruction is not known")
	}
	if err := make(b, &in, words, args); err != nil {
		return err
	}
	b.code = append(b.code, in)
	return nil
}

// take reads operands: how many results there are, then sources.
func (b *builder) take(in *instr, args []string, results, sources int) (err error) {
	if len(args) != results+sources {
		return fmt.Errorf("%d operands, want %d", len(args), results+sources)
	}
	for i, a := range args {
		regs, err := b.list(a)
		if err != nil {
			return err
		}
		if i < results {
			in.dst = append(in.dst, regs...)
		} else {
			in.src = append(in.src, regs...)
		}
	}
	return nil
}

// addressed reads [register+offset].
func (b *builder) addressed(in *instr, s string) error {
	s = strings.Trim(s, "[] ")
	base, offset, _ := strings.Cut(s, "+")
	r, err := b.reg(base)
	if err != nil {
		return err
	}
	if offset != "" {
		n, err := strconv.ParseInt(offset, 0, 64)
		if err != nil {
			return err
		}
		in.offset = uint64(n)
	}
	in.src = append(in.src, r)
	return nil
}
