package main

// This file holds what a run is made of on one machine that needs no others: rules
// and text.

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"lode/cmd/lode/internal/corpora"
	"lode/cmd/lode/internal/plan"
	"lode/data"
	"lode/protocol"
	"lode/replica"
	"lode/sim"
)

// material is a run's rules and the text that they are about.
type material struct {
	rules  *replica.Rules // with the parameters that they begin with, until the process ends
	corpus *corpora.Corpus
}

// newMaterial opens the corpus of a plan and makes its rules. Coordinator and
// invitation are those of simulated runs: the same every time. With grow the model's
// vocabulary becomes that of the corpus, in p too, unless its parameters are given.
func newMaterial(ctx context.Context, p *plan.Plan, grow bool, read textFlags, stderr io.Writer) (m material, err error) {
	if p.Run.Data.Mode == protocol.DataPrivate {
		return m, errors.New("data.mode is private: workers have the data, and there is none to train on here; lode bench federated plays such a run")
	}
	from := dataFlags{path: p.DataPath, tokenizer: p.Tokenizer, textFlags: read}
	if m.corpus, err = from.open(ctx, p.Run.Data.Piece, p.Width(), &storeFlags{}, stderr); err != nil {
		return m, err
	}
	if grow && m.corpus.Tokenizer != nil && p.Model.From.Path == "" {
		p.Model.Llama.Vocab = m.corpus.Tokenizer.Size()
	}
	exact := *p
	exact.Run.Data.Piece = uint32(m.corpus.Index.Piece) // prepared data has its own
	first, err := openInitial(&exact, stderr)
	if err != nil {
		return m, err
	}
	man, err := exact.Manifest(sim.NodeID("coordinator", 0), sim.NodeID("invitation", 0), described(m.corpus))
	if err != nil {
		return m, err
	}
	if m.rules, err = replica.NewRules(man); err == nil && first != nil {
		m.rules.Initial = first.params
	}
	return m, err
}

// says reports whether settings, as --set takes them, are of that field.
func says(set []string, field string) bool {
	return slices.ContainsFunc(set, func(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), field) })
}

// text returns the text as workers and validators get it.
func (m material) text() (replica.Assigned, error) {
	p, err := data.NewPlan(m.corpus.Index, m.rules.Manifest.Data, m.rules.Manifest.Train)
	return m.rules.Assigned(p, m.corpus.Source), err
}
