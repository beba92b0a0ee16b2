package main

// This file holds the end of lode up where a run trains on examples, or on data that
// workers have to themselves.

import (
	"context"

	"lode/cmd/lode/internal/models"
	"lode/data"
	"lode/engine"
	"lode/engine/cpu"
	"lode/protocol"
	"lode/replica"
)

// unit is what the loss of the summary is per.
func (h *house) unit() string {
	if h.manifest.Data.Tokenizer == protocol.TokenRecords {
		return "record"
	}
	return "byte"
}

// evaluatedRecords is how many held-out records the end is measured on: drawn, so that
// one may come several times.
const evaluatedRecords = 4096

// evaluateRecords measures the first and the last model on held-out records.
func (h *house) evaluateRecords(ctx context.Context, m *models.Loaded, s *summary) error {
	p, err := data.NewPlan(h.corpus.Index, h.manifest.Data, h.manifest.Train)
	if err != nil {
		return err
	}
	text := h.rules.Assigned(p, h.corpus.Source)
	var now float64
	if s.ValLoss, now, err = grade(ctx, m.Engine, text); err != nil {
		return err
	}
	e, err := cpu.New(h.rules.Model, cpu.Options{Threads: threadsOr(0)})
	if err != nil {
		return err
	}
	defer e.Close()
	if err := h.first(ctx, e.Params()); err != nil {
		return err
	}
	var before float64
	s.ValLossStart, before, err = grade(ctx, e, text)
	s.Accuracy, s.AccuracyStart = &now, &before
	return err
}

// grade returns the mean loss and the share that is right of held-out records.
func grade(ctx context.Context, e engine.Grader, text replica.Assigned) (loss, right float64, err error) {
	const rows = 64
	for i := range evaluatedRecords / rows {
		b, err := text.HeldOut(ctx, protocol.Hash("evaluated records", []byte{byte(i)}), rows)
		if err != nil {
			return 0, 0, err
		}
		grades, err := e.Grade(b)
		if err != nil {
			return 0, 0, err
		}
		for _, g := range grades {
			loss += g.Loss / evaluatedRecords
			if g.Right {
				right += 1.0 / evaluatedRecords
			}
		}
	}
	return loss, right, nil
}

// ownTable says how workers do on data of their own, as they say.
func (h *house) ownTable(out *screen, s summary) {
	if h.manifest.Data.Mode != protocol.DataPrivate {
		return
	}
	out.printf("on what each worker keeps back of its own data, in its last round:\n")
	out.printf("%-14s %7s   %20s   %20s\n", "worker", "samples", "the run's model", "after its own steps")
	for _, w := range s.Workers {
		if w.Own == nil {
			continue
		}
		b, a := w.Own.Before, w.Own.After
		out.printf("%-14s %7d   %7.3f nats, %5.1f %%   %7.3f nats, %5.1f %%\n", w.ID, b.Samples, b.Loss, 100*b.Accuracy, a.Loss, 100*a.Accuracy)
	}
	out.printf("\n")
}
