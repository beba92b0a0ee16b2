package main

// This file holds the setting of a run and the plan that lists settings.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"lode/engine"
	"lode/gradient"
	"lode/tensor"
)

// Methods.
const (
	adamW     = "adamw"     // every step all workers' gradients are averaged: one AdamW on the joint batch
	diloco    = "diloco"    // every value of the change, in 32 bits (arXiv:2311.08105)
	topK      = "topk"      // package gradient's
	cosines   = "dct"       // package gradient's
	signs     = "sign"      // package gradient's
	shared    = "shared"    // package gradient's
	meanSigma = "meansigma" // the support of topk, quantised as SparseLoCo does (arXiv:2508.15706)
)

// setting is all that the losses and bytes of a run depend on, apart from text
// and model. Fields that a plan does not name have the defaults of the method.
type setting struct {
	Name    string `json:"name"` // for people; settings that differ in the seed alone share it
	Method  string `json:"method"`
	Seed    uint64 `json:"seed"`
	Workers int    `json:"workers"`
	H       int    `json:"h"`                 // inner steps of a round
	EarlyH  int    `json:"early_h,omitempty"` // the same while Boost holds; 0 means H
	Steps   int    `json:"steps"`             // of each worker, a multiple of H
	Rows    int    `json:"rows"`              // of a worker's batch
	Seq     int    `json:"seq"`               // tokens of a row

	Rate        float64 `json:"rate"`           // of AdamW
	Warmup      int     `json:"warmup"`         // steps over which Rate grows linearly
	Schedule    string  `json:"schedule"`       // then: constant, or linear or cosine, which end at a tenth of Rate
	WeightDecay float64 `json:"weight_decay"`   // of AdamW
	ClipNorm    float64 `json:"clip_norm"`      // of AdamW
	Forget      bool    `json:"forget"`         // AdamW starts each round with moments of zero
	Muon        bool    `json:"muon,omitempty"` // hidden matrices take Muon steps

	K      int     `json:"k"`       // values kept of a chunk of 4,096
	KEmbed int     `json:"k_embed"` // the same for embeddings; 0 means K
	Bits   int     `json:"bits"`    // of a value
	Decay  float64 `json:"decay"`   // β of error feedback
	// Carry starts a worker's inner steps from θ less what it has not sent yet,
	// β·e, so that its gradients know of it.
	Carry     bool    `json:"carry,omitempty"`
	Boost     int     `json:"boost"`                // factor on K and KEmbed for a part of the steps
	BoostPart float64 `json:"boost_part"`           // part of the steps that have it
	BoostLate bool    `json:"boost_late,omitempty"` // the last ones, not the first

	OuterRate     float64 `json:"outer_rate"`
	OuterMomentum float64 `json:"outer_momentum"`    // Nesterov's; 0 is plain SGD
	Senders       bool    `json:"senders,omitempty"` // the mean of those who send a place, not of all
	StepBits      int     `json:"step_bits"`         // of a merged step's integers
	StepKeep      int     `json:"step_keep"`         // values a step moves of a chunk of 4,096; 0 means all

	// Raw sends gradients instead of changes of the parameters, with H = 1, and
	// SignStep moves each parameter by Rate against the sign of the merged value:
	// with dct both together are DeMo (arXiv:2411.19870).
	Raw      bool `json:"raw"`
	SignStep bool `json:"sign_step"`
}

// defaultsOf returns what a plan leaves out.
func defaultsOf(method string) (setting, error) {
	s := setting{
		Method: method, Seed: 1, Workers: 8, H: 15, Steps: 480, Rows: 8, Seq: 64,
		Rate: 5e-3, Warmup: 30, Schedule: "constant", WeightDecay: 0.01, ClipNorm: 1,
		Decay: 0.95, Boost: 1, BoostPart: 0.2, OuterRate: 1, StepBits: 8,
	}
	switch method {
	case adamW:
		s.H, s.Decay, s.OuterRate, s.StepBits = 1, 0, 0, 0
	case diloco:
		s.Bits, s.Decay, s.OuterRate, s.OuterMomentum, s.StepBits = 32, 1, 0.7, 0.9, 24
	case topK, meanSigma, shared:
		s.K, s.Bits = 64, 2
	case cosines:
		s.K, s.Bits = 32, 2
	case signs:
		s.Bits = 1
	default:
		return setting{}, fmt.Errorf("no method %q", method)
	}
	return s, nil
}

// check reports all faults that would not show otherwise before a run has begun.
func (s setting) check() error {
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	want(s.Name != "", "no name")
	want(s.Workers >= 1 && s.Workers <= 1024, "%d workers, want 1 to 1024", s.Workers)
	want(s.H >= 1 && s.Steps >= 1 && s.Steps%max(s.H, 1) == 0, "%d steps are no multiple of %d inner steps", s.Steps, s.H)
	want(s.EarlyH >= 0 && (s.EarlyH == 0 || s.boostEnd()%s.EarlyH == 0 && (s.Steps-s.boostEnd())%max(s.H, 1) == 0),
		"rounds of %d steps, then of %d, do not end at step %d and %d", s.EarlyH, s.H, s.boostEnd(), s.Steps)
	want(s.Rows >= 1 && s.Seq >= 1 && s.Rows <= engine.MaxIDs/max(s.Workers, 1)/max(s.Seq, 1), "batches of %d × %d", s.Rows, s.Seq)
	errs = append(errs, s.schedule().Validate())
	want(s.Decay >= 0 && s.Decay <= 1, "decay %v, want 0 to 1", s.Decay)
	want(s.K <= tensor.ChunkLen && s.KEmbed <= tensor.ChunkLen, "k of %d and %d, at most %d", s.K, s.KEmbed, tensor.ChunkLen)
	want(s.Boost >= 1 && s.Boost <= tensor.ChunkLen && s.BoostPart >= 0 && s.BoostPart <= 1, "boost %d for part %v", s.Boost, s.BoostPart)
	want(s.OuterRate >= 0 && s.OuterRate <= 4 && s.OuterMomentum >= 0 && s.OuterMomentum < 1,
		"outer rate %v, want 0 to 4; outer momentum %v, want 0 to less than 1", s.OuterRate, s.OuterMomentum)
	want(s.Method != adamW || s.H == 1 && s.EarlyH == 0, "method %s has no inner steps", s.Method)
	want(s.Method != meanSigma || s.K >= 1 && s.KEmbed == 0 && s.Bits == 2, "method %s has one k and 2 bits", s.Method)
	want(!s.Raw || !s.Carry, "gradients are taken at θ")
	want(!s.Raw || s.H == 1, "gradients are sent after 1 step, not %d", s.H)
	_, err := s.hyper(0).Resolve()
	errs = append(errs, err)
	if s.Method != adamW {
		errs = append(errs, s.merge(0).Validate())
	}
	return errors.Join(errs...)
}

// tokens returns how many tokens all workers have trained on after that many
// steps each.
func (s setting) tokens(steps int) int { return steps * s.Workers * s.Rows * s.Seq }

// hyper returns the settings of AdamW at a step, from 0.
func (s setting) hyper(step int) engine.Hyper {
	return engine.Hyper{
		Rate: float32(s.rateAt(step)), Beta1: 0.9, Beta2: 0.95,
		WeightDecay: float32(s.WeightDecay), ClipNorm: float32(s.ClipNorm), Muon: s.Muon,
	}
}

func (s setting) rateAt(step int) float64 { return s.Rate * s.schedule().At(step) }

func (s setting) schedule() engine.Schedule {
	if s.Schedule == engine.Constant {
		return engine.Schedule{Shape: s.Schedule, Warmup: s.Warmup}
	}
	return engine.Schedule{Shape: s.Schedule, Warmup: s.Warmup, Length: s.Steps, Final: 0.1}
}

// params returns the parameters of the updates sent after the round that begins
// at a step.
func (s setting) params(step int) gradient.Params {
	p := gradient.DefaultParams()
	p.Codec, p.K, p.KEmbed, p.Bits = s.Method, s.K, s.KEmbed, s.Bits
	switch s.Method {
	case diloco, meanSigma:
		p.Codec, p.K, p.KEmbed, p.Bits = gradient.Dense, 0, 0, 32
	}
	p.K, p.KEmbed = s.boosted(p.K, step), s.boosted(p.KEmbed, step)
	return p
}

// boosted returns k, more of it at the start or at the end.
func (s setting) boosted(k, step int) int {
	early := step < s.boostEnd()
	late := step >= s.Steps-s.boostEnd()
	if s.BoostLate && late || !s.BoostLate && early {
		return min(s.Boost*k, tensor.ChunkLen)
	}
	return k
}

// boostEnd returns the step at which the start is over.
func (s setting) boostEnd() int { return int(math.Ceil(s.BoostPart * float64(s.Steps))) }

// inner returns the inner steps of the round that begins at a step.
func (s setting) inner(step int) int {
	if s.EarlyH > 0 && step < s.boostEnd() {
		return s.EarlyH
	}
	return s.H
}

// readPlan reads settings, one a line; a list of seeds stands for a setting with
// each of them. Empty lines and those that begin with # say nothing.
func readPlan(path string) ([]setting, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	var all []setting
	num := 0
	for line := range bytes.Lines(b) {
		num++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		some, err := parseSettings(line)
		if err != nil {
			return nil, fmt.Errorf("plan %s line %d: %w", path, num, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

func parseSettings(line []byte) ([]setting, error) {
	var kind struct{ Method string }
	if err := json.Unmarshal(line, &kind); err != nil {
		return nil, err
	}
	s, err := defaultsOf(kind.Method)
	if err != nil {
		return nil, err
	}
	planned := struct {
		*setting
		Seeds []uint64 `json:"seeds"`
	}{setting: &s}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&planned); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	if planned.Seeds == nil {
		return []setting{s}, nil
	}
	var all []setting
	for _, seed := range planned.Seeds {
		s.Seed = seed
		all = append(all, s)
	}
	return all, nil
}
