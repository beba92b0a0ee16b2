package ptx

// This file holds the reading of a module.

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Module is what one text holds.
type Module struct {
	Kernels map[string]*Kernel
	consts  variables
}

// Kernel is one entry of a module.
type Kernel struct {
	Name    string
	Threads int // of a block, as .maxntid says; 0 where it does not

	module  *Module
	params  variables
	shared  variables
	local   variables
	code    []instr
	regs    int      // of a thread, constants included
	consts  []uint64 // of the last registers
	special []special
}

// variables are memory of one space.
type variables struct {
	at    map[string]uint64
	bytes int
	data  []byte // of constants
}

// add gives a variable its place.
func (v *variables) add(name string, align, bytes int) {
	if v.at == nil {
		v.at = map[string]uint64{}
	}
	v.bytes = (v.bytes + align - 1) / align * align
	v.at[name] = uint64(v.bytes)
	v.bytes += bytes
}

var (
	comment  = regexp.MustCompile(`(?s)//[^\n]*|/\*.*?\*/`)
	entry    = regexp.MustCompile(`\.entry\s+(\w+)\s*\(([^)]*)\)([^{]*)\{`)
	maxntid  = regexp.MustCompile(`\.maxntid\s+(\d+),\s*(\d+),\s*(\d+)`)
	variable = regexp.MustCompile(`^(?:\.align\s+(\d+)\s+)?\.([a-z]\d+)\s+([\w$]+)(?:\[(\d*)\])?(?:\s*=\s*(.*))?$`)
)

// Parse reads PTX.
func Parse(text string) (*Module, error) {
	m := &Module{Kernels: map[string]*Kernel{}}
	text = comment.ReplaceAllString(text, "")
	for {
		at := entry.FindStringSubmatchIndex(text)
		head := text
		if at != nil {
			head = text[:at[0]]
		}
		if err := m.globals(head); err != nil {
			return nil, err
		}
		if at == nil {
			return m, nil
		}
		k := &Kernel{Name: text[at[2]:at[3]], module: m}
		if t := maxntid.FindStringSubmatch(text[at[6]:at[7]]); t != nil {
			k.Threads = number(t[1]) * number(t[2]) * number(t[3])
		}
		body, rest, ok := scope(text[at[1]:])
		if !ok {
			return nil, fmt.Errorf("ptx: %s has no end", k.Name)
		}
		if err := k.parse(text[at[4]:at[5]], body); err != nil {
			return nil, fmt.Errorf("ptx: %s: %w", k.Name, err)
		}
		m.Kernels[k.Name] = k
		text = rest
	}
}

// scope splits text after the brace that closes what stands before it.
func scope(text string) (body, rest string, ok bool) {
	for depth, i := 1, 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return text[:i], text[i+1:], true
			}
		}
	}
	return "", "", false
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // the pattern took digits only
	return n
}

// declare reads a variable.
func declare(words string) (name string, align, bytes int, data string, err error) {
	t := variable.FindStringSubmatch(strings.TrimSpace(words))
	if t == nil {
		return "", 0, 0, "", fmt.Errorf("declaration %q is not understood", words)
	}
	y, err := typeOf(t[2])
	if err != nil {
		return "", 0, 0, "", err
	}
	if align, bytes = y.size, y.size; t[1] != "" {
		align = number(t[1])
	}
	if strings.Contains(words, "[") {
		bytes = number(t[4]) * y.size
	}
	return t[3], align, bytes, t[5], nil
}

// globals reads what stands outside of kernels: constants, and the name of dynamic shared
// memory. Global variables are not kept: the compiler leaves some that nothing uses.
func (m *Module) globals(text string) error {
	for s := range strings.SplitSeq(text, ";") {
		at := strings.Index(s, ".const ")
		if at < 0 {
			continue
		}
		name, align, bytes, data, err := declare(s[at+len(".const "):])
		if err != nil {
			return fmt.Errorf("ptx: %w", err)
		}
		m.consts.add(name, align, bytes)
		m.consts.data = append(m.consts.data, make([]byte, m.consts.bytes-len(m.consts.data))...)
		to := m.consts.data[m.consts.at[name]:]
		for i, b := range strings.Split(strings.Trim(data, "{}"), ",") {
			n, err := strconv.ParseUint(strings.TrimSpace(b), 10, 8)
			if err != nil || bytes == 0 {
				return fmt.Errorf("ptx: constant %s: %w", name, err)
			}
			to[i] = byte(n)
		}
	}
	return nil
}

// parse reads a kernel's parameters and body.
func (k *Kernel) parse(params, body string) error {
	for p := range strings.SplitSeq(params, ",") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		name, align, bytes, _, err := declare(strings.TrimPrefix(p, ".param "))
		if err != nil {
			return err
		}
		k.params.add(name, align, bytes)
	}
	b := builder{Kernel: k, names: map[string]int32{}, labels: map[string]int{}, known: map[uint64]int32{}}
	for s := range strings.SplitSeq(body, ";") {
		if err := b.statement(s); err != nil {
			return err
		}
	}
	return b.finish()
}

// builder makes the code of a kernel.
type builder struct {
	*Kernel
	names  map[string]int32 // registers
	labels map[string]int
	known  map[uint64]int32 // registers that hold constants, numbered from 0
}

var label = regexp.MustCompile(`^\s*([\w$]+):`)

// statement takes a declaration or an instruction, behind labels and the ends of scopes.
func (b *builder) statement(s string) error {
	for {
		s = strings.TrimSpace(s)
		if t := label.FindStringSubmatch(s); t != nil {
			b.labels[t[1]], s = len(b.code), strings.TrimSpace(s)[len(t[0]):]
			continue
		}
		if s == "" || s[0] != '{' && s[0] != '}' {
			break
		}
		s = s[1:] // scopes do not matter: names are not used twice
	}
	word, rest, _ := strings.Cut(s, " ")
	switch word {
	case "", ".pragma", ".loc":
		return nil
	case ".reg":
		return b.registers(rest)
	case ".shared", ".local":
		name, align, bytes, _, err := declare(rest)
		if v := map[string]*variables{".shared": &b.shared, ".local": &b.local}[word]; err == nil {
			v.add(name, align, bytes)
		}
		return err
	}
	if err := b.instruction(s); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	return nil
}

var several = regexp.MustCompile(`^(.*)<(\d+)>$`)

func (b *builder) registers(s string) error {
	_, list, _ := strings.Cut(strings.TrimSpace(s), " ")
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if t := several.FindStringSubmatch(name); t != nil {
			for i := range number(t[2]) {
				b.register(t[1] + strconv.Itoa(i))
			}
			continue
		}
		b.register(name)
	}
	return nil
}

func (b *builder) register(name string) {
	if _, there := b.names[name]; !there {
		b.names[name] = int32(len(b.names))
	}
}

// finish puts constants behind registers and finds where jumps lead.
func (b *builder) finish() error {
	b.regs = len(b.names) + len(b.special) + len(b.known)
	b.consts = make([]uint64, len(b.known))
	b.code = append(b.code, instr{text: "the end", guard: none, kind: leave})
	for v, at := range b.known {
		b.consts[at] = v
	}
	place := func(r *int32) {
		switch {
		case *r == none:
		case *r <= constant:
			*r = int32(len(b.names)+len(b.special)) + constant - *r
		case *r <= specialRegister:
			*r = int32(len(b.names)) + specialRegister - *r
		}
	}
	for i := range b.code {
		in := &b.code[i]
		place(&in.guard)
		for _, r := range [][]int32{in.dst, in.src} {
			for j := range r {
				place(&r[j])
			}
		}
		if in.kind == branch {
			to, there := b.labels[in.label]
			if !there {
				return fmt.Errorf("%s: there is no such place", in.text)
			}
			in.target = int32(to)
		}
	}
	return nil
}
