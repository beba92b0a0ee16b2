package replica

// This file holds the model: parameters and outer optimizer at one state root.

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/gradient"
	"lode/protocol"
	"lode/tensor"
)

// Model is the model before round Next.
type Model struct {
	Rules  *Rules
	Next   protocol.Round
	Params tensor.Flat        // length D
	Outer  aggregation.Planes // of the outer optimizer; empty for plain SGD
	// Scratch is where updates lie that [Model.Catch] merges; nil: in memory.
	Scratch Scratch
	// Beside, if there is one, applies a step that is not yet checked to parameters that are
	// kept elsewhere too, as a device does, and returns their Merkle root: [Model.Apply] holds
	// that to the receipt, and hashes nothing here. Nil: there are none.
	Beside func(*aggregation.Step) ([32]byte, error)

	last  *aggregation.Step // of the round before; nil if there is none, or not at hand
	codec gradient.Params   // of round Next, once asked for
	known protocol.Round    // the round after that of codec
}

// Codec returns the parameters of the updates of round Next. It fails with
// [ErrNoPlaces] if workers share places and the model did not come here by a step.
func (m *Model) Codec() (gradient.Params, error) {
	if m.known == m.Next+1 {
		return m.codec, nil
	}
	p, err := m.Rules.CodecAfter(m.Next, m.last)
	if err == nil {
		m.codec, m.known = p, m.Next+1
	}
	return p, err
}

// NewModel returns the model a run begins with, as [Rules.Begin] has it.
func NewModel(r *Rules) (*Model, error) {
	m, err := Blank(r)
	if err != nil {
		return nil, err
	}
	return m, r.Begin(m.Params)
}

// Blank returns a model before round 0 whose parameters are zeros, for who has others.
func Blank(r *Rules) (*Model, error) {
	outer, err := aggregation.NewPlanes(r.Layout, r.Merge(0))
	return &Model{Rules: r, Params: make(tensor.Flat, r.Layout.Len()), Outer: outer}, err
}

// Merged is the outcome of one round's merge, not yet adopted.
type Merged struct {
	Step  *aggregation.Step
	Plain protocol.Digest // of the step's canonical plain form
	Outer aggregation.Planes
	Model protocol.Digest // Merkle root of the parameters after the step
	State protocol.Digest // of Outer; zero if there is none
}

// After reads the parameters as a merge would leave them, chunk by chunk, until
// the model moves.
func (m *Model) After(out *Merged) tensor.Reader { return after{m.Params, out.Step} }

type after struct {
	params tensor.Reader
	step   *aggregation.Step
}

// ReadChunk implements tensor.Reader.
func (a after) ReadChunk(c tensor.Chunk, dst []float32) error {
	if err := a.params.ReadChunk(c, dst); err != nil {
		return err
	}
	a.step.SubtractFrom(c, dst[:c.Len])
	return nil
}

// Merge recomputes a round's step from its accepted updates. The model stays where
// it is until [Model.Adopt].
func (m *Model) Merge(accepted []aggregation.Contribution) (*Merged, error) {
	out := &Merged{Outer: clonePlanes(m.Outer)}
	cfg := m.Rules.Merge(m.Next)
	var err error
	if cfg.Params, err = m.Codec(); err != nil {
		return nil, err
	}
	out.Step, err = aggregation.Merge(m.Rules.Layout, cfg, accepted, out.Outer)
	if err != nil {
		return nil, fmt.Errorf("merge of round %d: %w", m.Next, err)
	}
	return out, m.step(out, nil)
}

// step fills in what follows from the step; the root is by beside, or if that is nil by
// what is here.
func (m *Model) step(out *Merged, beside func(*aggregation.Step) ([32]byte, error)) error {
	if beside == nil {
		beside = func(*aggregation.Step) ([32]byte, error) { return tensor.Root(m.Rules.Layout, m.After(out)) }
	}
	root, err := beside(out.Step)
	if err != nil {
		return fmt.Errorf("step of round %d: %w", m.Next, err)
	}
	out.Plain = protocol.Sum(out.Step.Plain())
	out.Model, out.State = root, OuterDigest(out.Outer)
	return nil
}

// Adopt moves the model to the state after a final receipt. It refuses a merge
// that is not the receipt's.
func (m *Model) Adopt(out *Merged, rc protocol.Receipt) error {
	switch {
	case rc.Round != m.Next:
		return fmt.Errorf("receipt of round %d, the model is before round %d", rc.Round, m.Next)
	case out.Plain != rc.Step:
		return fmt.Errorf("round %d: the merged step is not the receipt's", rc.Round)
	case out.Model != rc.Model || out.State != rc.Outer:
		return fmt.Errorf("round %d: the step does not lead to the receipt's state", rc.Round)
	}
	if err := aggregation.Apply(out.Step, m.Params, m.Params); err != nil {
		return fmt.Errorf("step of round %d: %w", rc.Round, err) // memory does not fail
	}
	m.Outer, m.Next, m.last = out.Outer, rc.Round+1, nil
	if m.Rules.Shares() {
		m.last = out.Step
	}
	return nil
}

// Apply moves the model by a merged step as it travels, checked against the
// receipt. It cannot follow the outer optimizer's integers, which workers do not
// need; the state they belong to is checked by those who merge. After an error what is
// kept beside the model is undefined.
func (m *Model) Apply(rc protocol.Receipt, payload []byte) error {
	if rc.Round != m.Next {
		return fmt.Errorf("receipt of round %d, the model is before round %d", rc.Round, m.Next)
	}
	step, err := aggregation.ParseStepWire(m.Rules.Layout, m.Rules.Merge(m.Next), payload)
	if err != nil {
		return fmt.Errorf("step of round %d: %w", rc.Round, err)
	}
	out := &Merged{Step: step, Outer: m.Outer}
	if err := m.step(out, m.Beside); err != nil {
		return err
	}
	out.State = rc.Outer
	return m.Adopt(out, rc)
}

// Catch moves the model past a finished round, fetching what that takes: the
// merged step, or the updates it was merged from where the outer optimizer's
// integers must follow. Rounds the model has left already change nothing.
func (m *Model) Catch(ctx context.Context, from Fetcher, s *round.Summary) error {
	if s.Round < m.Next {
		return nil
	}
	if len(m.Outer) > 0 {
		return m.again(ctx, from, s)
	}
	payload, err := from.Fetch(ctx, s.Receipt.Payload, int64(m.Rules.MaxStep(s.Round)))
	if err != nil {
		return fmt.Errorf("merged step of round %d: %w", s.Round, err)
	}
	return m.Apply(s.Receipt, payload)
}

// again merges a finished round's updates.
func (m *Model) again(ctx context.Context, from Fetcher, s *round.Summary) error {
	codec, err := m.Codec()
	if err != nil {
		return err
	}
	pile := NewPile(m.Scratch)
	defer pile.Close()
	accepted, err := m.Rules.Accepted(ctx, from, codec, s, pile)
	if err != nil {
		return err
	}
	merged, err := m.Merge(accepted)
	if err != nil {
		return err
	}
	return m.Adopt(merged, s.Receipt)
}

func clonePlanes(p aggregation.Planes) aggregation.Planes {
	out := make(aggregation.Planes, len(p))
	for i := range p {
		out[i] = slices.Clone(p[i])
	}
	return out
}

// OuterDigest names the outer optimizer's integers: plane after plane, values as
// little-endian int64, hashed as a tree over chunks of [tensor.ChunkLen].
func OuterDigest(planes aggregation.Planes) protocol.Digest {
	if len(planes) == 0 {
		return protocol.Digest{}
	}
	var tree tensor.Tree
	buf := make([]byte, 0, 8*tensor.ChunkLen)
	for _, p := range planes {
		for vals := range slices.Chunk(p, tensor.ChunkLen) {
			buf = buf[:0]
			for _, v := range vals {
				buf = binary.LittleEndian.AppendUint64(buf, uint64(v))
			}
			tree.Add(buf)
		}
	}
	return tree.Root()
}
