package solo

// This file holds training in the manner of a run: inner steps of each worker alone,
// updates, a merge.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"lode/aggregation"
	"lode/engine"
	"lode/gradient"
	"lode/protocol"
	"lode/tensor"
	"lode/validator/score"
)

// apart is a run of honest workers whose updates are all accepted, unless their norm
// is far too large.
type apart struct {
	cfg   Config
	crew  *Crew
	board score.Board // for its reference of norms alone
}

func newApart(cfg Config, engines []engine.Engine) (*apart, error) {
	crew, err := NewCrew(cfg.Rules.Merge(0), engines)
	if err != nil {
		return nil, err
	}
	return &apart{cfg: cfg, crew: crew}, cfg.Rules.Begin(crew.Theta)
}

func (a *apart) round(ctx context.Context, n protocol.Round, to *totals) error {
	codec, err := a.cfg.Rules.CodecAfter(n, a.crew.Last)
	if err != nil {
		return err
	}
	updates := make([]*gradient.Update, len(a.crew.Members))
	for i, m := range a.crew.Members {
		if updates[i], err = a.train(ctx, m, i, n, codec, to); err != nil {
			return fmt.Errorf("worker %d: %w", i+1, err)
		}
	}
	accepted, err := a.judge(updates)
	if err != nil {
		return err
	}
	cfg := a.cfg.Rules.Merge(n)
	cfg.Params = codec
	step, err := a.crew.Merge(cfg, accepted)
	if err != nil {
		return err
	}
	to.Down += uint64(len(step.Wire()))
	return a.crew.Move(step)
}

// train takes one worker's inner steps and returns its update.
func (a *apart) train(ctx context.Context, m *Member, i int, n protocol.Round, codec gradient.Params, to *totals) (*gradient.Update, error) {
	if err := a.crew.Begin(m); err != nil {
		return nil, err
	}
	r := a.cfg.Rules
	loss, tokens, err := engine.Train(ctx, m.Engine, r.Hyper(n), int(r.Manifest.Train.InnerSteps),
		r.Held(m.Engine, n, a.crew.Theta, a.cfg.Duties.Batches(ctx, n, dutySeed(r, n), a.cfg.Workers, i)))
	if err != nil {
		return nil, err
	}
	u, err := a.crew.Send(m, codec, float32(r.Manifest.Update.Decay)/65536)
	if err != nil {
		return nil, err
	}
	to.Loss += loss / float64(a.cfg.Workers)
	to.Tokens += tokens
	to.Up += uint64(len(u.Wire()))
	return u, nil
}

// judge clips updates to the reference that a run would have, refuses those that are
// far too strong, and takes out of each residual what was sent.
func (a *apart) judge(updates []*gradient.Update) (accepted []aggregation.Contribution, err error) {
	candidates := make([]score.Candidate, len(updates))
	for i, u := range updates {
		candidates[i].Norm = u.NormSquared()
	}
	reference := a.board.Reference(candidates)
	verdicts := make([]score.Verdict, len(updates))
	for i, u := range updates {
		clip, reason := score.Clip(candidates[i].Norm, reference, a.cfg.Rules.Manifest.Merge.Refuse)
		verdicts[i] = score.Verdict{Norm: candidates[i].Norm, Reason: reason, Clip: clip}
		if reason == protocol.OK {
			accepted = append(accepted, aggregation.Contribution{Update: u, Clip: clip})
		} else {
			clip = gradient.Unclipped
		}
		if err := engine.Subtract(a.crew.Layout, a.crew.Members[i].Residual, u, clip); err != nil {
			return nil, err
		}
	}
	a.board.Apply(verdicts, nil, nil)
	return accepted, nil
}

func (a *apart) model() (engine.Engine, error) {
	e := a.crew.Members[0].Engine // every round begins by loading the parameters
	return e, tensor.Copy(a.crew.Layout, e.Params(), a.crew.Theta)
}

func (a *apart) write(w io.Writer) error {
	var last []byte
	if a.crew.Last != nil && a.cfg.Rules.Shares() {
		last = a.crew.Last.Plain()
	}
	for _, b := range [][]byte{protocol.Encode(a.board), last} {
		if err := writeBlock(w, b); err != nil {
			return err
		}
	}
	if err := tensor.Stream(w, a.crew.Layout, a.crew.Theta); err != nil {
		return err
	}
	for _, plane := range a.crew.Outer {
		if err := binary.Write(w, binary.LittleEndian, plane); err != nil {
			return err
		}
	}
	for _, m := range a.crew.Members {
		if err := errors.Join(tensor.Stream(w, a.crew.Layout, m.Residual), m.Engine.WriteState(w)); err != nil {
			return err
		}
	}
	return nil
}

func (a *apart) read(r io.Reader, next protocol.Round) error {
	board, err := readBlock(r, protocol.MaxMessageLen)
	if err != nil {
		return fmt.Errorf("board: %w", err)
	}
	if err := protocol.Decode(board, &a.board); err != nil {
		return fmt.Errorf("board: %w", err)
	}
	if err := a.readLast(r, next); err != nil {
		return fmt.Errorf("last step: %w", err)
	}
	if err := tensor.Fill(a.crew.Layout, a.crew.Theta, r); err != nil {
		return err
	}
	for _, plane := range a.crew.Outer {
		if err := binary.Read(r, binary.LittleEndian, plane); err != nil {
			return err
		}
	}
	for _, m := range a.crew.Members {
		if err := tensor.Fill(a.crew.Layout, m.Residual, r); err != nil {
			return err
		}
		if err := m.Engine.ReadState(r); err != nil {
			return err
		}
	}
	return nil
}

// readLast reads the last step where updates follow from it.
func (a *apart) readLast(r io.Reader, next protocol.Round) error {
	most := 0
	if a.cfg.Rules.Shares() {
		most = aggregation.MaxStepPlainLen(a.crew.Layout, a.cfg.Rules.Merge(0)) // later steps are not longer
	}
	last, err := readBlock(r, most)
	if err != nil || len(last) == 0 {
		return err
	}
	a.crew.Last, err = aggregation.ParseStepPlain(a.crew.Layout, a.cfg.Rules.Merge(next-1), last)
	return err
}
