package cuda

// This file holds steps, losses and gradients of batches.

import (
	"fmt"
	"io"
	"math"

	"lode/engine"
)

// Loss implements engine.Engine.
func (e *Engine) Loss(b engine.Batch) (float64, error) { return e.measure(b, false) }

// Gradient implements engine.Engine.
func (e *Engine) Gradient(b engine.Batch) (float64, error) { return e.measure(b, true) }

// Step implements engine.Engine.
func (e *Engine) Step(b engine.Batch, h engine.Hyper) (loss float64, err error) {
	if err := e.Queue(b, h, func(l float64) { loss = l }); err != nil {
		return 0, err
	}
	return loss, e.Wait()
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// measure puts a batch through the model and waits for the loss.
func (e *Engine) measure(b engine.Batch, train bool) (float64, error) {
	if err := e.refuse(b); err != nil {
		return 0, err
	}
	err := e.do(func() error {
		if err := e.parts(b, b.NumTargets(), train, through); err != nil {
			return err
		}
		if err := e.stream.Download(e.numbers, e.program.total.at(0), 8); err != nil {
			return err
		}
		return e.stream.Wait()
	})
	if err != nil {
		return 0, err
	}
	return checkLoss(e.numbers.Doubles()[0])
}

func checkLoss(loss float64) (float64, error) {
	if !finite(loss) {
		return 0, fmt.Errorf("cuda: the loss is %v: %w", loss, engine.ErrNotFinite)
	}
	return loss, nil
}

// refuse says why a batch cannot be run, nil if it can.
func (e *Engine) refuse(b engine.Batch) error {
	if err := e.ready(); err != nil {
		return err
	}
	return b.Validate(e.Takes())
}

// parts brings a batch onto the card in parts, each of about as many rows, and has work put
// what is to be done with each into the stream. The loss is the mean over so many targets.
func (e *Engine) parts(b engine.Batch, targets int, train bool, work func(p *pass, part engine.Batch) error) error {
	e.reading.of = nil
	if err := e.refresh(); err != nil {
		return err
	}
	steps := 1
	if inputs, _ := e.Takes(); inputs.Series {
		steps = b.Inputs.Shape[0]
	}
	most := e.program.positions / steps
	num := (b.Rows + most - 1) / most
	rows := (b.Rows + num - 1) / num
	p := pass{Engine: e, steps: steps, train: train, ofTargets: targets}
	for lo := 0; lo < b.Rows; lo += rows {
		part := b.Part(lo, min(lo+rows, b.Rows))
		p.part++
		e.passes++
		p.number = e.passes
		p.rows, p.n = part.Rows, part.Rows*steps
		if err := e.bring(part, train); err != nil {
			return err
		}
		if err := work(&p, part); err != nil {
			return err
		}
	}
	return nil
}

// Grade implements engine.Grader.
func (e *Engine) Grade(b engine.Batch) (grades []engine.Grade, err error) {
	if err := e.refuse(b); err != nil {
		return nil, err
	}
	_, targets := e.Takes()
	share := 0.0
	err = e.do(func() error {
		return e.parts(b, b.NumTargets(), false, func(p *pass, part engine.Batch) error {
			if err := through(p, part); err != nil {
				return err
			}
			n := part.Rows * (b.NumTargets() / b.Rows) / e.program.targetsWide
			share = 1 / float64(e.program.targetsWide)
			losses, right := make([]float32, n), make([]float32, n)
			if err := e.download(losses, e.program.losses.at(0)); err != nil {
				return err
			}
			if err := e.download(right, e.program.right.at(0)); err != nil {
				return err
			}
			for i, l := range losses {
				grades = append(grades, engine.Grade{Loss: float64(l) * share, Right: targets.Limit > 0 && math.Float32bits(right[i]) == 1})
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	for _, g := range grades {
		if !finite(g.Loss) {
			return nil, fmt.Errorf("cuda: a loss is %v: %w", g.Loss, engine.ErrNotFinite)
		}
	}
	return grades, nil
}

// WriteState implements engine.Engine.
func (e *Engine) WriteState(w io.Writer) error {
	if err := e.collect(0); err != nil {
		return err
	}
	n := engine.NumTrained(e.layout)
	return engine.WriteMoments(w, e.layout, e.steps, func(put func([]float32) error) error {
		return e.do(func() error {
			if err := e.pour(e.program.first.at(0), n, put); err != nil {
				return err
			}
			return e.pour(e.program.second.at(0), n, put)
		})
	})
}

// StateLen returns how many bytes WriteState writes.
func (e *Engine) StateLen() int64 { return engine.MomentsLen(e.layout) }

// ReadState implements engine.Engine.
func (e *Engine) ReadState(r io.Reader) error {
	if err := e.collect(0); err != nil {
		return err
	}
	m, err := engine.ReadMoments(r, e.layout)
	if err != nil {
		return err
	}
	err = e.do(func() error {
		if err := e.upload(e.program.first.at(0), m.First); err != nil {
			return err
		}
		return e.upload(e.program.second.at(0), m.Second)
	})
	if err == nil {
		e.steps = m.Steps
	}
	return err
}
