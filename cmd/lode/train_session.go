package main

// This file holds a training at work: one way after the other, each in its folder.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"lode/checkpoints"
	"lode/engine"
	"lode/sim/solo"
)

// session is a call of lode train.
type session struct {
	material
	job    training
	dir    string
	engine engineFlags
	log    zerolog.Logger
	out    io.Writer
	json   bool

	resumed  bool
	remember func() error // writes down what the training is, once
}

// trained is what came of one way.
type trained struct {
	Way     string  `json:"way"` // "local" or "federated"
	Folder  string  `json:"folder"`
	Workers int     `json:"workers"`
	Rounds  int     `json:"rounds"`
	Whole   bool    `json:"finished"`
	Seconds float64 `json:"seconds"` // of this call
	solo.Point
	curve []solo.Point
}

// run trains in all ways that are asked for.
func (s *session) run(ctx context.Context) error {
	show := &trainScreen{live: live{w: s.out}, session: s}
	show.begin()
	defer context.AfterFunc(ctx, show.stopping)()
	var all []trained
	var err error
	for _, way := range s.job.Ways {
		var one trained
		one, err = s.train(ctx, way, show)
		if s.engine.outlives(err) {
			s.engine.pass(err) // open says so
			one, err = s.train(ctx, way, show)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("train: %w", s.engine.advise(err))
		}
		if all = append(all, one); err != nil {
			break
		}
	}
	if len(s.job.Ways) > 1 {
		if err := s.writeCurves(all); err != nil {
			return err
		}
	}
	return errors.Join(show.end(all), err)
}

// folder returns where a way's model lies.
func (s *session) folder(way string) string {
	if len(s.job.Ways) == 1 {
		return s.dir
	}
	return filepath.Join(s.dir, way)
}

// train goes one way to its end, from where its folder stands.
func (s *session) train(ctx context.Context, way string, show *trainScreen) (one trained, err error) {
	began := time.Now()
	text, err := s.text()
	if err != nil {
		return one, err
	}
	sample, err := solo.HeldOut(ctx, s.rules, text, s.job.Sample)
	if err != nil {
		return one, err
	}
	cfg := solo.Config{
		Rules: s.rules, Duties: text, Workers: s.job.Workers, Apart: way == federatedWay,
		Lost: func(err error) { s.log.Warn().Err(err).Msg("the engine is lost, starting it again") },
	}
	s.engine.settle(s.rules.Model)
	how, err := s.engine.plan(s.rules, cfg.Demand(engines[s.engine.engine].fragile))
	if err != nil {
		return one, err
	}
	show.planned(how)
	cfg.Engine = func() (engine.Engine, error) { return s.engine.open(s.rules, how, s.log) }
	t, err := solo.New(cfg)
	if err != nil {
		return one, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if !s.resumed { // not before: what could not begin leaves the folder to another try
		if err := s.remember(); err != nil {
			return one, err
		}
	}
	f, err := solo.OpenFolder(s.folder(way))
	if err != nil {
		return one, err
	}
	if file := s.corpus.File; file != nil {
		if err := writeFile(filepath.Join(s.folder(way), checkpoints.TokenizerFile), file); err != nil {
			return one, err
		}
	}
	if err := f.TakeUp(ctx, t); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return one, fmt.Errorf("%s: %w", s.folder(way), err)
	}
	if t.Rounds() > s.job.Rounds {
		return one, usagef("--steps or --tokens is less than what is done already: %d steps", t.Rounds()*int(s.rules.Manifest.Train.InnerSteps))
	}
	if err := s.remember(); err != nil { // how far it is to go may have changed
		return one, err
	}
	files := context.WithoutCancel(ctx)
	show.way(way, t.Rounds())
	err = solo.Course{
		Trainer: t, Rounds: s.job.Rounds, Measure: s.job.Measure, Keep: s.job.Keep, HeldOut: sample,
		Passed:   show.passed,
		Measured: func(p solo.Point) error { show.point(p); return f.Add(files, p) },
		Kept:     func() error { return f.Keep(files, t) },
	}.Run(ctx)
	show.done()
	one = trained{
		Way: way, Folder: s.folder(way), Workers: s.job.Workers, Rounds: t.Rounds(), Whole: t.Rounds() >= s.job.Rounds,
		Seconds: time.Since(began).Seconds(), curve: f.Curve(),
	}
	if n := len(one.curve); n > 0 {
		one.Point = one.curve[n-1]
	}
	return one, err
}
