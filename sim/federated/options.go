package federated

// This file holds what a run depends on.

import (
	"errors"
	"fmt"

	"lode/data/examples"
	"lode/engine"
	"lode/protocol"
)

// Engine is what clients train and the server measures with.
type Engine interface {
	engine.Engine
	engine.Grader
}

// Options are all that a run depends on. Lists of examples hold their numbers in Set.
type Options struct {
	Set   *examples.Set // in memory, since each epoch reads all of it
	Train [][]int       // of each client; a client without is never drawn
	Kept  [][]int       // of each client, to measure with; nil: none
	Held  []int         // what no client has, to measure with; at least one

	// Open returns an engine. All that it returns have the same model and parameters,
	// with which the run begins; Run closes them.
	Open    func() (Engine, error)
	Engines int // that work at the same time, from 1

	Method   Method
	Fraction float64 // C, the share of clients that train in a round; above 0, at most 1
	Epochs   int     // E, from 1
	Batch    int     // B, from 1; 0: all that a client has (FedSGD, with E = 1)
	Rate     float64 // η of the clients, above 0
	Rounds   int
	Every    int // the model is measured after so many rounds, and at the end; from 1
	Seed     protocol.Digest

	Each func(Round) // called after every round, and with Number 0 before the first; may be nil
}

// Validate reports all faults of settings at once. Run asks for it.
func (o *Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("federated: "+format, args...))
		}
	}
	check(o.Engines >= 1, "%d engines", o.Engines)
	check(o.Fraction > 0 && o.Fraction <= 1, "a fraction of %v of all clients, want above 0, at most 1", o.Fraction)
	check(o.Epochs >= 1, "%d epochs, want at least 1", o.Epochs)
	check(o.Batch >= 0, "batches of %d", o.Batch)
	check(o.Rate > 0 && o.Rate < 1e6, "a rate of %v, want above 0", o.Rate)
	check(o.Method.Proximal >= 0 && o.Method.Proximal < 1e6, "a proximal term of %v, want 0 or more", o.Method.Proximal)
	check(o.Every >= 1, "measuring every %d rounds", o.Every)
	check(o.Rounds >= 0, "%d rounds", o.Rounds)
	check(len(o.Held) > 0, "nothing is held out to measure with")
	check(o.Kept == nil || len(o.Kept) == len(o.Train), "%d clients train, %d keep something back", len(o.Train), len(o.Kept))
	check(len(o.trainers()) > 0, "no client has examples")
	return errors.Join(errs...)
}

// trainers returns the clients that have examples.
func (o *Options) trainers() (all []int) {
	for c, own := range o.Train {
		if len(own) > 0 {
			all = append(all, c)
		}
	}
	return all
}
