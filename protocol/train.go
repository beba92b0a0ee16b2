package protocol

// This file holds the part of the manifest about training between two merges.

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Train says how workers train between two merges.
type Train struct {
	_           struct{} `cbor:",toarray"`
	InnerSteps  uint32   // H
	Rows        uint32   // sequences in a batch
	Steps       uint32   // tokens of a sequence
	Optimizer   string   // of inner steps: [AdamW] or [Muon]
	Rate        float64  // learning rate at its peak
	Warmup      uint32   // rounds of linear warm-up of the rate
	Schedule    string   // of the rate after them: one of schedules
	Rounds      uint32   // that the schedule spans, warm-up included; 0 for constant
	FinalRate   uint32   // rate from round Rounds on, as a share of Rate, Q16; 0 for constant
	DecayShare  uint32   // wsd: last share of Rounds, in which the rate falls, Q16; else 0
	Beta1       float64
	Beta2       float64
	WeightDecay float64
	ClipNorm    float64 // of the gradient; 0 is off
	// Only are patterns, as of [path.Match], of the names of the tensors that are
	// trained and exchanged; the others keep their first values. None is all.
	Only []string
	// NoDecay are patterns of the names of matrices that weight decay leaves alone,
	// as it does all vectors.
	NoDecay []string
	// Proximal is µ of FedProx (Li et al., arXiv:1812.06127): after each inner step with
	// rate η the parameters w take the proximal step of µ/2·‖w−θ‖² towards θ, which the
	// round began with, w ← w − ηµ/(1+ηµ)·(w−θ). 0 is off.
	Proximal float64
}

// The optimizers of inner steps. Betas are AdamW's alone.
const (
	AdamW = "adamw"
	Muon  = "muon" // of the matrices within layers; AdamW moves the rest
)

// schedules are the names of schedules; package engine says what they do.
var schedules = []string{"constant", "linear", "cosine", "wsd"}

// Bounds on Train.Only and Train.NoDecay.
const (
	MaxPatterns   = 64
	maxPatternLen = 256 // bytes
)

func (t Train) validate(check checkFunc, within withinFunc) {
	within("train.inner_steps", float64(t.InnerSteps), 1, 1e5)
	within("train.rows", float64(t.Rows), 1, 1e5)
	within("train.steps", float64(t.Steps), 1, 1e6)
	check(t.Optimizer == AdamW || t.Optimizer == Muon, "train.optimizer", "is %q; there are %s and %s", t.Optimizer, AdamW, Muon)
	check(t.Rate > 0 && t.Rate <= 1, "train.rate", "is %v, must be above 0 and at most 1", t.Rate)
	within("train.warmup", float64(t.Warmup), 0, 1e6)
	t.validateSchedule(check, within)
	within("train.beta1", t.Beta1, 0, 0.9999)
	within("train.beta2", t.Beta2, 0, 0.999999)
	within("train.weight_decay", t.WeightDecay, 0, 1)
	within("train.clip_norm", t.ClipNorm, 0, 1e6)
	within("train.proximal", t.Proximal, 0, 1e4)
	validatePatterns("train.only", t.Only, check)
	validatePatterns("train.no_decay", t.NoDecay, check)
}

func (t Train) validateSchedule(check checkFunc, within withinFunc) {
	if !slices.Contains(schedules, t.Schedule) {
		check(false, "train.schedule", "is %q; there are %s", t.Schedule, strings.Join(schedules, ", "))
		return
	}
	falls, wsd := t.Schedule != "constant", t.Schedule == "wsd"
	within("train.rounds", float64(t.Rounds), 0, 1e8)
	check(!falls || t.Rounds > t.Warmup, "train.rounds", "is %d, but schedule %q falls after %d rounds of warm-up: say how many rounds it spans in all", t.Rounds, t.Schedule, t.Warmup)
	check(falls || t.Rounds == 0, "train.rounds", "is %d, but schedule %q has no end: leave it at 0", t.Rounds, t.Schedule)
	within("train.final_rate", float64(t.FinalRate)/65536, 0, 1)
	check(falls || t.FinalRate == 0, "train.final_rate", "is set, but schedule %q has no end: leave it at 0", t.Schedule)
	within("train.decay_share", float64(t.DecayShare)/65536, 0, 1)
	check(!wsd || t.DecayShare > 0, "train.decay_share", "is 0, but schedule %q falls over the last share of its rounds: say which", t.Schedule)
	check(wsd || t.DecayShare == 0, "train.decay_share", "is set, but schedule %q has none: leave it at 0", t.Schedule)
}

func validatePatterns(field string, patterns []string, check checkFunc) {
	check(len(patterns) <= MaxPatterns, field, "has %d patterns, at most %d", len(patterns), MaxPatterns)
	for i, p := range patterns[:min(len(patterns), MaxPatterns)] {
		at := fmt.Sprintf("%s[%d]", field, i)
		check(p != "" && len(p) <= maxPatternLen && utf8.ValidString(p), at, "must have 1 to %d bytes of UTF-8", maxPatternLen)
		_, err := path.Match(p, "")
		check(err == nil, at, "is no pattern: %.40q", p)
	}
}
