package measure

// This file makes real pseudo-gradients.

import (
	"context"
	"fmt"

	"lode/data"
	"lode/engine"
	"lode/engine/cpu"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// Trained trains a model by the rules of r on text for so many rounds, one worker
// alone, and returns a = β·e + (θ_r − θ) of the last one: what it would compress.
func Trained(ctx context.Context, r *replica.Rules, plan data.Plan, src data.Source, rounds int) (tensor.Flat, error) {
	e, err := cpu.New(r.Model, cpu.Options{Frozen: r.Frozen, NoDecay: r.NoDecay})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	m, err := replica.NewModel(r)
	if err != nil {
		return nil, err
	}
	t := &lone{r: r, text: r.Assigned(plan, src), e: e}
	if t.residual, err = e.NewVector(); err != nil {
		return nil, err
	}
	if t.a, err = e.NewVector(); err != nil {
		return nil, err
	}
	if err := tensor.Copy(r.Layout, e.Params(), m.Params); err != nil {
		return nil, err
	}
	for n := range protocol.Round(rounds) {
		if err := t.round(ctx, n, int(n) == rounds-1); err != nil {
			return nil, fmt.Errorf("training, round %d: %w", n, err)
		}
	}
	a := make(tensor.Flat, r.Layout.Len())
	return a, tensor.Copy(r.Layout, a, t.a)
}

// lone is a worker that merges with nobody.
type lone struct {
	r           *replica.Rules
	text        replica.Assigned
	e           engine.Engine
	residual, a engine.Vector
}

func (t *lone) round(ctx context.Context, n protocol.Round, last bool) error {
	l := t.r.Layout
	start := make(tensor.Flat, l.Len())
	if err := tensor.Copy(l, start, t.e.Params()); err != nil {
		return err
	}
	if err := tensor.Copy(l, t.a, start); err != nil {
		return err
	}
	seed := protocol.Hash("measured round", fmt.Append(nil, n))
	done := 0
	for b, err := range t.text.Batches(ctx, 0, seed, 1, 0) {
		if err != nil {
			return err
		}
		if done++; done > int(t.r.Manifest.Train.InnerSteps) {
			break
		}
		if _, err := t.e.Step(b, t.r.Hyper(n)); err != nil {
			return err
		}
	}
	beta := float32(t.r.Manifest.Update.Decay) / (1 << 16)
	u, err := engine.Compress(t.e, t.r.Codec(n), engine.Feedback{Decay: beta, Residual: t.residual, Start: t.a, Into: t.a})
	if err != nil || last {
		return err
	}
	// The step is the update alone: θ = θ_r − decoded, e = a − decoded.
	var vals [tensor.ChunkLen]float32
	for c := range l.Chunks() {
		u.SubtractFrom(c, gradient.Unclipped, start[c.Offset:c.Offset+c.Len])
		if err := t.a.ReadChunk(c, vals[:c.Len]); err != nil {
			return err
		}
		u.SubtractFrom(c, gradient.Unclipped, vals[:c.Len])
		if err := t.residual.WriteChunk(c, vals[:c.Len]); err != nil {
			return err
		}
	}
	return tensor.Copy(l, t.e.Params(), start)
}
