package cuda

// This file holds the embedding stage.

import (
	"lode/engine/cuda/driver"
	"lode/engine/model"
)

// embedding is rows of w by token.
type embedding struct {
	y *value
	w *weight
}

// Embed implements model.Builder.
func (p *program) Embed(name string, _, _ int) model.Value {
	s := &embedding{w: p.weight(name+".weight", 1)}
	if p.groups.none() && len(s.w.trained) > 0 {
		p.groups = p.memory.floats(numGroups(p.positions))
	}
	at := p.add(name, s.forward, s.backward)
	p.later(func() { s.y = &p.values[at] })
	return at
}

func (s *embedding) forward(p *pass) error {
	return p.blocks(s.y.data.kind("embed"), p.n, s.y.data.arg(), s.w.values.arg(), p.program.inputs.arg(), driver.Int(s.w.cols))
}

// embedColumns are those of a block of embed_back, see embed.cu.
const embedColumns = 128

// backward runs last of all: a head of the same weight has left its part by then.
func (s *embedding) backward(p *pass) error {
	if len(s.w.trained) == 0 {
		return nil
	}
	if p.fresh(s.w) {
		if err := p.stream.Zero(s.w.grad.at(0), 4*int64(s.w.rows*s.w.cols)); err != nil {
			return err
		}
	}
	grid := driver.Grid{X: min(p.n, s.w.rows), Y: (s.w.cols + embedColumns - 1) / embedColumns, Threads: threads}
	return p.stream.Launch(p.kernels[s.y.grad.kind("embed_back")], grid, s.w.grad.arg(), s.y.grad.arg(),
		p.program.inputs.arg(), p.program.groups.arg(), driver.Int(p.n), driver.Int(s.w.cols))
}

// numGroups is how many numbers say where the tokens of n positions stand.
func numGroups(n int) int { return 2*n + 2 }

// group fills to, of length numGroups(len(ids)), with where each token stands, as embed.cu
// has it: how many tokens there are, where the positions of each begin, where the last
// ends, and from len(ids)+2 on the positions by token, each token's in order. Counts is
// memory for a number of each token.
func group(to, ids, counts []int32) {
	clear(counts)
	for _, id := range ids {
		counts[id]++
	}
	num, end := int32(0), int32(0)
	for id, n := range counts {
		if n == 0 {
			continue
		}
		to[1+num], counts[id] = end, end
		num, end = num+1, end+n
	}
	to[0], to[1+num] = num, end
	positions := to[len(ids)+2:]
	for i, id := range ids {
		positions[counts[id]] = int32(i)
		counts[id]++
	}
}
