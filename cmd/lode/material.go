package main

// This file holds what a run is made of on one machine that needs no others: rules
// and text.

import (
	"context"

	"lode/cmd/lode/internal/plan"
	"lode/data"
	"lode/replica"
	"lode/sim"
)

// material is a run's rules and the text that they are about.
type material struct {
	rules  *replica.Rules
	corpus *data.Corpus
	index  *data.Index
	source data.Source
}

// newMaterial finds the corpus of a plan and makes its rules. Coordinator and
// invitation are those of simulated runs: the same every time.
func newMaterial(ctx context.Context, p plan.Plan) (m material, err error) {
	if m.corpus, err = openCorpus(ctx, p.DataPath); err != nil {
		return m, err
	}
	if m.index, err = m.corpus.Index(ctx, int(p.Run.Data.Piece), nil); err != nil {
		return m, err
	}
	m.index.Width = int(p.Width())
	man, err := p.Manifest(sim.NodeID("coordinator", 0), sim.NodeID("invitation", 0), m.index)
	if err != nil {
		return m, err
	}
	if m.rules, err = replica.NewRules(man); err != nil {
		return m, err
	}
	m.source, err = data.NewLocal(m.corpus, m.index)
	return m, err
}

// text returns the text as workers and validators get it.
func (m material) text() (replica.Assigned, error) {
	p, err := data.NewPlan(m.index, m.rules.Manifest.Data, m.rules.Manifest.Train)
	return m.rules.Assigned(p, m.source), err
}
