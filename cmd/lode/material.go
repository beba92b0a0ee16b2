package main

// This file holds what a run is made of on one machine that needs no others: rules
// and text.

import (
	"context"
	"io"

	"lode/cmd/lode/internal/corpora"
	"lode/cmd/lode/internal/plan"
	"lode/data"
	"lode/replica"
	"lode/sim"
)

// material is a run's rules and the text that they are about.
type material struct {
	rules  *replica.Rules
	corpus *corpora.Corpus
}

// newMaterial opens the corpus of a plan and makes its rules. Coordinator and
// invitation are those of simulated runs: the same every time.
func newMaterial(ctx context.Context, p plan.Plan, read textFlags, stderr io.Writer) (m material, err error) {
	from := dataFlags{path: p.DataPath, tokenizer: p.Tokenizer, textFlags: read}
	if m.corpus, err = from.open(ctx, p.Run.Data.Piece, p.Width(), &storeFlags{}, stderr); err != nil {
		return m, err
	}
	p.Run.Data.Piece = uint32(m.corpus.Index.Piece) // prepared data has its own
	man, err := p.Manifest(sim.NodeID("coordinator", 0), sim.NodeID("invitation", 0), described(m.corpus))
	if err != nil {
		return m, err
	}
	m.rules, err = replica.NewRules(man)
	return m, err
}

// text returns the text as workers and validators get it.
func (m material) text() (replica.Assigned, error) {
	p, err := data.NewPlan(m.corpus.Index, m.rules.Manifest.Data, m.rules.Manifest.Train)
	return m.rules.Assigned(p, m.corpus.Source), err
}
