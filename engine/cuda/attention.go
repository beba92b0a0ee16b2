package cuda

// This file holds the attention stage: rotary positions, causal softmax and grouped heads.

import (
	"fmt"

	"lode/engine/cuda/driver"
	"lode/engine/kernel"
	"lode/engine/model"
)

// attention works on rows of queries, keys and values next to each other. Queries and keys
// are turned where they lie, unless others need them as they were.
type attention struct {
	model.Heads
	x, y    *value
	hd      int // values of a head
	tables  tables
	logSums buffer   // of each sequence, head and position
	means   *sharing // the same of out · its gradient
	turned  *value   // x, or a copy
	back    *sharing // gradient of turned where that of x is added to; nil: it is that of x
	window  buffer   // see text.go
	attentionKernels
}

// tables are the rotary tables, [steps, hd/2].
type tables struct{ cos, sin buffer }

// attentionKernels are those for heads of at most so many values, see attention.cu and, for
// bf16 in heads of at most 128, attention_half.cu.
type attentionKernels struct {
	wide, tile int       // values of a head; positions of a block
	threads    int       // of a block
	shared     [3]int    // bytes
	names      [3]string // forward, gradients of keys, gradients of queries
}

// maxHead is the widest head there is a kernel for.
const maxHead = 256

func kernelsFor(hd int, half bool) (k attentionKernels) {
	wides := []int{32, 64, 128, maxHead}
	if half {
		wides = []int{32, 64, 96, 128, maxHead}
	}
	for _, k.wide = range wides {
		if hd <= k.wide {
			break
		}
	}
	b := buffer{half: half}
	for i, name := range []string{"attention", "attention_keys", "attention_queries"} {
		k.names[i] = fmt.Sprintf("%s_%d", b.kind(name), k.wide)
	}
	if !half || k.wide > 128 {
		if k.tile, k.threads = 32, 256; k.wide > 128 {
			k.tile = 16
		}
		tile, probs := 4*k.tile*(k.wide+4), 4*k.tile*(k.tile+1)
		k.shared = [3]int{3*tile + probs, 4*tile + 2*probs, 4*tile + probs}
		return k
	}
	k.tile, k.threads = 64, 128
	other, rows := 64, [3]int{256, 256, 256} // positions that they meet at a time; rows in shared memory
	if k.wide > 64 {
		other = 32
		rows = [3]int{4 * other, 4*other + 2*k.tile, 2*other + 2*k.tile}
	}
	for i, n := range rows {
		k.shared[i] = n * 2 * (k.wide + 8)
	}
	return k
}

// Attention implements model.Builder.
func (p *program) Attention(of model.Value, h model.Heads) model.Value {
	wide := p.values[of].width
	s := &attention{Heads: h, hd: h.Dim(wide)}
	if s.hd > maxHead {
		return p.fail(fmt.Sprintf("attention with heads of %d values, only up to %d", s.hd, maxHead))
	}
	s.attentionKernels = kernelsFor(s.hd, p.half)
	for i, name := range s.names {
		p.dynamic[name] = s.shared[i]
	}
	s.tables, s.window = p.rotary(h, s.hd), p.recall.window(h, s.hd, p.half)
	n := p.positions * h.Query
	s.logSums, s.means = p.memory.floats(n), p.share("means of attention", n, false)
	others := p.Values[of].Last > p.next()
	if others {
		s.turned = &value{data: p.memory.numbers(p.positions*wide, p.half)}
		s.back = p.share("gradients of attention", p.positions*wide, p.half)
	}
	at := p.add("attention", s.forward, s.backward)
	p.later(func() {
		if s.x, s.y = &p.values[of], &p.values[at]; !others {
			s.turned = s.x
		}
	})
	return at
}

// rotary returns the tables of some heads.
func (p *program) rotary(h model.Heads, hd int) tables {
	t, ok := p.tables[h]
	if ok {
		return t
	}
	inputs, _ := p.takes()
	half, steps := hd/2, min(p.positions, inputs.Shape[0])
	t = tables{p.memory.floats(steps * half), p.memory.floats(steps * half)}
	p.tables[h] = t
	p.constants = append(p.constants,
		constant{t.cos, func() []float32 { cos, _ := kernel.Rotary(h.Theta, half, 0, steps); return cos }},
		constant{t.sin, func() []float32 { _, sin := kernel.Rotary(h.Theta, half, 0, steps); return sin }})
	return t
}

// How rotate treats what lies there, see rotary.cu.
const (
	inPlace = iota
	set
	added
)

func (s *attention) rotate(p *pass, y, x buffer, t tables, sign float32, how int) error {
	heads := s.Query + s.KV
	return p.blocks(y.kind("rotate"), p.n, y.arg(), x.arg(), t.cos.arg(), t.sin.arg(), driver.Float(sign),
		driver.Int(p.steps), driver.Int(s.hd/2), driver.Int(heads*s.hd), driver.Int((heads+s.KV)*s.hd), driver.Int(how))
}

// launch runs kernel i for heads; the last arguments are added.
func (s *attention) launch(p *pass, i, heads int, args ...driver.Arg) error {
	grid := driver.Grid{X: p.rows * ((p.steps + s.tile - 1) / s.tile), Y: heads, Threads: s.threads, Dynamic: s.shared[i]}
	return p.stream.Launch(p.kernels[s.names[i]], grid, append(args, driver.Int(p.steps), driver.Int(s.Query), driver.Int(s.KV), driver.Int(s.hd))...)
}

func (s *attention) forward(p *pass) error {
	how := inPlace
	if s.turned != s.x {
		how = set
	}
	if p.text != nil {
		return s.next(p, how)
	}
	if err := s.rotate(p, s.turned.data, s.x.data, s.tables, 1, how); err != nil {
		return err
	}
	return s.attend(p)
}

// attend is what comes after the rotation.
func (s *attention) attend(p *pass) error {
	return s.launch(p, 0, s.Query, s.y.data.arg(), s.logSums.arg(), s.turned.data.arg())
}

func (s *attention) backward(p *pass) error {
	if s.x.grad.none() {
		return nil
	}
	to, how := s.x.grad, inPlace
	if s.x.added {
		to, how = s.back.buffer, added
	}
	if err := s.attendBack(p, to); err != nil {
		return err
	}
	return s.rotate(p, s.x.grad, to, s.tables, -1, how)
}

// attendBack leaves the gradient of what was turned.
func (s *attention) attendBack(p *pass, to buffer) error {
	dout := s.y.grad
	if err := p.blocks(dout.kind("attention_means"), (p.n*s.Query*8+threads-1)/threads, s.means.arg(), dout.arg(), s.y.data.arg(), driver.Int(p.n), driver.Int(p.steps), driver.Int(s.Query), driver.Int(s.hd)); err != nil {
		return err
	}
	args := []driver.Arg{to.arg(), dout.arg(), s.turned.data.arg(), s.logSums.arg(), s.means.arg()}
	if err := s.launch(p, 1, s.KV, args...); err != nil {
		return err
	}
	return s.launch(p, 2, s.Query, args...)
}
