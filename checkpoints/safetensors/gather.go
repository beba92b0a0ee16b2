package safetensors

// This file holds reading a model at any chunk, out of the files that it lies in.

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"lode/tensor"
)

// Part is a file with tensors of a model.
type Part struct {
	File   io.ReaderAt
	Header Header
}

// Model is a [tensor.Reader] over the tensors of one file or several. Values of fewer
// bits are widened, without loss.
type Model struct {
	l      tensor.Layout
	places []place   // of each tensor of the layout
	bufs   sync.Pool // of *[4 * tensor.ChunkLen]byte
}

// place is where a tensor lies.
type place struct {
	file  io.ReaderAt // nil: nowhere
	begin int64       // from the start of the file
	dtype DType
}

// Misfit says which tensors of some files are not those of a layout.
type Misfit struct {
	Missing   []string
	Surplus   []string
	Misshapen []string // name, shape and type, and those that were wanted
	Twice     []string // in two files
	NotFinite []string // some value is infinite or none
}

// maxNamed is how many tensors of a kind are named.
const maxNamed = 8

// Error implements error.
func (m *Misfit) Error() string {
	var all []string
	for _, kind := range []struct {
		what  string
		names []string
	}{{"missing", m.Missing}, {"surplus", m.Surplus}, {"of another shape", m.Misshapen}, {"in two files", m.Twice}, {"not finite", m.NotFinite}} {
		n := len(kind.names)
		if n == 0 {
			continue
		}
		text := kind.what + ": " + strings.Join(kind.names[:min(n, maxNamed)], ", ")
		if n > maxNamed {
			text += fmt.Sprintf(" and %d more", n-maxNamed)
		}
		all = append(all, text)
	}
	return "safetensors: the tensors are not the model's; " + strings.Join(all, "; ")
}

func (m *Misfit) any() bool {
	return len(m.Missing)+len(m.Surplus)+len(m.Misshapen)+len(m.Twice)+len(m.NotFinite) > 0
}

// Gather returns the values of l's tensors. The parts must have exactly those, in any
// order, of floating-point types; they may also have tensors that spare, unless it is nil,
// says are of no account. The error is a *[Misfit].
func Gather(l tensor.Layout, spare func(name string) bool, parts ...Part) (*Model, error) {
	m, wrong := gather(l, spare, parts)
	if wrong.any() {
		return nil, wrong
	}
	return m, nil
}

// GatherFinite is [Gather] that reads everything once and refuses values that are not
// finite; its error names these tensors too.
func GatherFinite(l tensor.Layout, spare func(name string) bool, parts ...Part) (*Model, error) {
	m, wrong := gather(l, spare, parts)
	vals := make([]float32, tensor.ChunkLen)
	for t, p := range m.places {
		if p.file == nil {
			continue
		}
		for c := range l.ChunksOf(t) {
			if err := m.ReadChunk(c, vals[:c.Len]); err != nil {
				return nil, err
			}
			if slices.ContainsFunc(vals[:c.Len], notFinite) {
				wrong.NotFinite = append(wrong.NotFinite, l.Spec(t).Name)
				break
			}
		}
	}
	if wrong.any() {
		return nil, wrong
	}
	return m, nil
}

func notFinite(v float32) bool { return v-v != 0 }

// gather finds what fits, and says what does not.
func gather(l tensor.Layout, spare func(name string) bool, parts []Part) (*Model, *Misfit) {
	wrong, found := &Misfit{}, map[string]place{}
	shapes := map[string]Entry{}
	for _, p := range parts {
		for _, e := range p.Header.entries {
			if _, twice := found[e.Name]; twice {
				wrong.Twice = append(wrong.Twice, name(e.Name))
			}
			found[e.Name] = place{p.File, p.Header.start + e.Begin, e.DType}
			shapes[e.Name] = e
		}
	}
	m := &Model{l: l, places: make([]place, l.NumTensors())}
	for t := range m.places {
		s := l.Spec(t)
		p, ok := found[s.Name]
		delete(found, s.Name)
		switch e := shapes[s.Name]; {
		case !ok:
			wrong.Missing = append(wrong.Missing, name(s.Name))
		case !slices.Equal(e.Shape, s.Shape) || e.DType == I64:
			wrong.Misshapen = append(wrong.Misshapen, fmt.Sprintf("%s is %s %v, want %v", name(s.Name), e.DType, e.Shape, s.Shape))
		default:
			m.places[t] = p
		}
	}
	for n := range found {
		if spare == nil || !spare(n) {
			wrong.Surplus = append(wrong.Surplus, name(n))
		}
	}
	slices.Sort(wrong.Surplus)
	return m, wrong
}

// name is a tensor's name as errors have it.
func name(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Sprintf("%.80q", s)
	}
	return s
}

// Layout returns the layout that chunks are asked by.
func (m *Model) Layout() tensor.Layout { return m.l }

// ReadChunk implements [tensor.Reader]. It reads the file at the chunk's place.
func (m *Model) ReadChunk(c tensor.Chunk, dst []float32) error {
	raw, ok := m.bufs.Get().(*[4 * tensor.ChunkLen]byte)
	if !ok {
		raw = new([4 * tensor.ChunkLen]byte)
	}
	defer m.bufs.Put(raw)
	p := m.places[c.Tensor]
	width := p.dtype.size()
	part := raw[:width*int64(c.Len)]
	if err := readAt(p.file, part, p.begin+width*int64(c.Index)*tensor.ChunkLen); err != nil {
		return fmt.Errorf("safetensors: read tensor %q: %w", m.l.Spec(c.Tensor).Name, err)
	}
	widen(dst[:c.Len], part, p.dtype)
	return nil
}

// widen fills dst with the values of raw.
func widen(dst []float32, raw []byte, t DType) {
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw[2*i:])) << 16)
		}
	case F16:
		for i := range dst {
			dst[i] = fromHalf(binary.LittleEndian.Uint16(raw[2*i:]))
		}
	default:
		panic("safetensors: widen " + string(t))
	}
}

// fromHalf returns the value of an IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10
// of fraction.
func fromHalf(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0: // frac · 2⁻²⁴, exact
		return math.Float32frombits(sign | math.Float32bits(float32(frac)/(1<<24)))
	case 31: // infinite, or no number
		return math.Float32frombits(sign | 255<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}
