package validator

// This file holds the measurements of a round's candidates.

import (
	"context"
	"errors"
	"fmt"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/engine"
	"lode/gradient"
	"lode/protocol"
	"lode/tensor"
	"lode/validator/score"
)

// score measures every candidate and keeps the sheet until it is shown.
func (j *judge) score(ctx context.Context, r *round.Round) (*protocol.Sheet, error) {
	updates, err := j.candidates(ctx, r)
	if err != nil {
		return nil, err
	}
	batch, err := j.evalBatch(ctx, r)
	if err != nil {
		return nil, err
	}
	loss, err := j.gradient(batch)
	if err != nil {
		return nil, err
	}
	salt := protocol.Hash("sheet salt", j.cfg.Key.Seed(), j.cfg.Rules.Run[:], r.Eval[:])
	sheet := &protocol.Sheet{Seed: r.Eval, Salt: [16]byte(salt[:16]), Rows: make([]protocol.Row, len(updates))}
	sheet.Loss, _ = protocol.ToNanoNats(loss)
	dots, err := j.compare(r, updates, sheet.Rows)
	if err != nil {
		return nil, err
	}
	if err := j.audit(r, updates, batch, loss, sheet); err != nil {
		return nil, err
	}
	if err := j.examine(ctx, r, updates, dots, sheet); err != nil {
		return nil, err
	}
	j.sheet = sheet
	return sheet, j.keepSheet(ctx, r.Number, sheet)
}

func clipped(c gradient.Clip) float64 { return float64(c) / float64(gradient.Unclipped) }

func (j *judge) evalBatch(ctx context.Context, r *round.Round) (engine.Batch, error) {
	return j.cfg.Text.Sample(ctx, r.Eval, int(j.cfg.Rules.Manifest.Score.Rows))
}

// put sets the engine's parameters.
func (j *judge) put(params tensor.Reader) error {
	return tensor.Copy(j.cfg.Rules.Layout, j.cfg.Engine.Params(), params)
}

// gradient puts the model into the engine and computes the batch's gradient there.
func (j *judge) gradient(b engine.Batch) (loss float64, err error) {
	if err := j.put(j.model.Params); err != nil {
		return 0, err
	}
	if loss, err = j.cfg.Engine.Gradient(b); err != nil {
		return 0, fmt.Errorf("gradient of the evaluation batch: %w", err)
	}
	return loss, nil
}

// readAtOnce is how many candidates are in memory at a time.
const readAtOnce = 16

// compare fills in what follows from products with the gradient in the engine and
// with other vectors, and returns the products with the gradient.
func (j *judge) compare(r *round.Round, updates []aggregation.Source, rows []protocol.Row) (dots []float64, err error) {
	past, err := j.past()
	if err != nil {
		return nil, err
	}
	for at := 0; at < len(updates); at += readAtOnce {
		end := min(at+readAtOnce, len(updates))
		group, err := whole(updates[at:end])
		if err != nil {
			return nil, err
		}
		some, err := engine.Dots(j.cfg.Engine, group)
		if err != nil {
			return nil, err
		}
		for i, u := range group {
			first, err := past.novel(u, some[i])
			if err != nil {
				return nil, err
			}
			rows[at+i].First, _ = protocol.ToNanoNats(float64(first * clipped(r.Clips[at+i])))
		}
		if err := j.overlaps(group, updates[:end], rows[at:end]); err != nil {
			return nil, err
		}
		dots = append(dots, some...)
	}
	return dots, nil
}

// whole reads updates.
func whole(from []aggregation.Source) ([]gradient.Vector, error) {
	out := make([]gradient.Vector, len(from))
	for i, s := range from {
		var err error
		if out[i], err = aggregation.Whole(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// past returns the last merged steps with their products.
func (j *judge) past() (past, error) {
	n := min(len(j.memory), int(j.cfg.Rules.Manifest.Score.Project))
	if n == 0 {
		return past{}, nil
	}
	var steps []gradient.Vector
	for _, m := range j.memory[len(j.memory)-n:] {
		steps = append(steps, m.step)
	}
	dots, err := engine.Dots(j.cfg.Engine, steps)
	if err != nil {
		return past{}, err
	}
	return newPast(steps, dots)
}

// past holds the last merged steps and their functionals.
type past struct {
	steps []gradient.Vector
	gs    []float64   // with the gradient
	gram  [][]float64 // with each other
}

func newPast(steps []gradient.Vector, gs []float64) (past, error) {
	p := past{steps: steps, gs: gs, gram: make([][]float64, len(steps))}
	for i, s := range steps {
		p.gram[i] = make([]float64, len(steps))
		for k := range i + 1 {
			var err error
			if p.gram[i][k], err = gradient.DotVectors(s, steps[k]); err != nil {
				return p, err
			}
			p.gram[k][i] = p.gram[i][k]
		}
	}
	return p, nil
}

func (p past) novel(u gradient.Vector, dot float64) (float64, error) {
	ds := make([]float64, len(p.steps))
	for i, s := range p.steps {
		var err error
		if ds[i], err = gradient.DotVectors(u, s); err != nil {
			return 0, err
		}
	}
	return score.Novel(dot, p.gs, ds, p.gram), nil
}

// overlaps finds the largest share of the entries of each of a group that repeat a
// remembered update or step, or a candidate listed before it. The group is the end of
// listed.
func (j *judge) overlaps(group []gradient.Vector, listed []aggregation.Source, rows []protocol.Row) error {
	for _, m := range j.memory {
		if err := look(group, m.step, rows); err != nil {
			return err
		}
		for _, s := range m.updates {
			if err := lookAt(group, s, rows); err != nil {
				return err
			}
		}
	}
	before := len(listed) - len(group)
	for i, s := range listed {
		first := max(0, i+1-before) // of the group that is listed after it
		if err := lookAt(group[first:], s, rows[first:]); err != nil {
			return err
		}
	}
	return nil
}

func lookAt(group []gradient.Vector, s aggregation.Source, rows []protocol.Row) error {
	v, err := aggregation.Whole(s)
	if err != nil {
		return err
	}
	return look(group, v, rows)
}

// look compares a group with what came earlier.
func look(group []gradient.Vector, v gradient.Vector, rows []protocol.Row) error {
	for i, u := range group {
		share, err := gradient.Overlap(u, v)
		if err != nil {
			return err
		}
		rows[i].Overlap = max(rows[i].Overlap, uint32(share))
	}
	return nil
}

// auditShare is the part of an update that an audit applies: a whole one would
// often overshoot alone, although the mean of several does not.
const auditShare = 4

// audit measures exact loss differences of a sample: same tokens, before and
// after a quarter of the clipped update alone, times four.
func (j *judge) audit(r *round.Round, updates []aggregation.Source, b engine.Batch, before float64, sheet *protocol.Sheet) error {
	if len(r.Audit) == 0 {
		return nil
	}
	l, params := j.cfg.Rules.Layout, j.cfg.Engine.Params()
	base, err := j.base()
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	for _, i := range r.Audit {
		u, err := aggregation.Whole(updates[i])
		if err != nil {
			return err
		}
		if err := engine.Copy(l, params, base); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		if err := engine.Subtract(l, params, u, r.Clips[i]/auditShare); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		row := &sheet.Rows[i]
		row.Audited, row.Paired = true, -protocol.MaxNanoNats
		after, err := j.cfg.Engine.Loss(b)
		if errors.Is(err, engine.ErrNotFinite) {
			continue // as bad as can be, and no fault of this side
		}
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		row.Paired, _ = protocol.ToNanoNats(auditShare * (before - after))
	}
	return engine.Copy(l, params, base)
}

// base returns the model's parameters, which are those of the engine now: a copy where it
// works, if that is elsewhere.
func (j *judge) base() (tensor.Reader, error) {
	params := j.cfg.Engine.Params()
	if _, ok := params.(engine.Remote); !ok {
		return j.model.Params, nil
	}
	if j.beside == nil {
		var err error
		if j.beside, err = j.cfg.Engine.NewVector(); err != nil {
			return nil, err
		}
	}
	return j.beside, engine.Copy(j.cfg.Rules.Layout, j.beside, params)
}

// compared bounds the updates that an examined one is compared with.
const compared = 8

// examine measures how much better a sample of candidates serves the data they
// were assigned than others' updates do.
func (j *judge) examine(ctx context.Context, r *round.Round, updates []aggregation.Source, dots []float64, sheet *protocol.Sheet) error {
	rows := int(j.cfg.Rules.Manifest.Train.Rows)
	for _, i := range r.Examine {
		worker := r.Candidates[i].Worker
		index, _ := r.WorkerIndex(worker)
		seed := protocol.Hash("examined block", r.Eval[:], worker[:])
		b, err := j.cfg.Text.Examine(ctx, r.Seed, len(r.Workers), index, seed, rows)
		if err != nil {
			return err
		}
		if _, err := j.cfg.Engine.Gradient(b); err != nil {
			return fmt.Errorf("examination: %w", err)
		}
		pairs, err := j.pairs(append([]int{i}, score.Others(seed, i, len(updates), compared)...), updates, dots)
		if err != nil {
			return err
		}
		row := &sheet.Rows[i]
		row.Examined = true
		row.Work, _ = protocol.ToNanoNats(float64(score.Work(pairs[0], pairs[1:]) * clipped(r.Clips[i])))
	}
	return nil
}

// pairs adds products with the gradient in the engine to those with the shared one.
func (j *judge) pairs(of []int, updates []aggregation.Source, dots []float64) ([]score.Pair, error) {
	some := make([]aggregation.Source, len(of))
	for n, i := range of {
		some[n] = updates[i]
	}
	group, err := whole(some)
	if err != nil {
		return nil, err
	}
	own, err := engine.Dots(j.cfg.Engine, group)
	if err != nil {
		return nil, err
	}
	pairs := make([]score.Pair, len(of))
	for n, i := range of {
		pairs[n] = score.Pair{Own: own[n], Shared: dots[i]}
	}
	return pairs, nil
}
