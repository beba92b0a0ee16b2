package main

// This file tests whole runs: that they repeat, that every choice counts, that all
// methods learn.

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"lode/engine/model"
)

// tiny is a model of 9,000 parameters.
func tiny() model.Llama {
	m := model.Default()
	m.Dim, m.Layers, m.Heads, m.KVHeads, m.FFN, m.Context = 16, 1, 2, 2, 32, sampleSeq
	return m
}

// song is a text that is easily learnt.
func song() text {
	b := bytes.Repeat([]byte("round and round the garden, like a teddy bear; "), 200)
	cut := len(b) * 95 / 100
	return text{b[:cut], b[cut:]}
}

// short is a setting of few and small steps.
func short(t *testing.T, method string, change func(*setting)) setting {
	t.Helper()
	s, err := defaultsOf(method)
	if err != nil {
		t.Fatal(err)
	}
	s.Name, s.Workers, s.Steps, s.Rows, s.Seq, s.Warmup = method, 2, 8, 2, 16, 2
	if method != adamW {
		s.H = 2
	}
	if change != nil {
		change(&s)
	}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	return s
}

// waysOf are all methods, and DeMo.
func waysOf(t *testing.T) map[string]setting {
	ways := map[string]setting{
		"demo": short(t, cosines, func(s *setting) {
			s.H, s.Raw, s.SignStep, s.Decay, s.StepBits = 1, true, true, 0.999, 24
		}),
		"boosted": short(t, topK, func(s *setting) { s.Boost, s.BoostPart = 8, 0.5 }),
		"muon":    short(t, topK, func(s *setting) { s.Muon = true }),
		"forgets": short(t, topK, func(s *setting) { s.Forget = true }),
		"thin":    short(t, topK, func(s *setting) { s.StepKeep = 32 }),
	}
	for _, m := range []string{adamW, diloco, topK, shared, cosines, signs, meanSigma} {
		ways[m] = short(t, m, nil)
	}
	return ways
}

func mustRun(t *testing.T, s setting) result {
	t.Helper()
	r, err := run(t.Context(), s, tiny(), song())
	if err != nil || r.Fault != "" || len(r.Points) == 0 {
		t.Fatal(s.Name, err, r.Fault)
	}
	for i := range r.Points {
		r.Points[i].CPU = 0
	}
	return r
}

func TestSameSeedSameRun(t *testing.T) {
	for name, s := range waysOf(t) {
		first := mustRun(t, s)
		if again := mustRun(t, s); !reflect.DeepEqual(again, first) {
			t.Errorf("%s: %v, then %v", name, first, again)
		}
		p := first.last()
		if p.Steps != 8 || p.Tokens != 8*2*2*16 || p.Rounds != 8/s.H || p.Up <= 0 || p.Down <= 0 {
			t.Errorf("%s: ends at %+v", name, p)
		}
		s.Seed = 2
		if other := mustRun(t, s); other.last().HeldOut == p.HeldOut || other.last().Train == p.Train {
			t.Errorf("%s: another seed has the same losses", name)
		}
	}
}

// Every choice of a setting changes the run.
func TestEveryChoiceCounts(t *testing.T) {
	base := short(t, topK, func(s *setting) { s.Boost, s.BoostPart = 2, 0.5 })
	was := mustRun(t, base).last()
	for name, change := range map[string]func(*setting){
		"rate":         func(s *setting) { s.Rate /= 2 },
		"warm-up":      func(s *setting) { s.Warmup = 0 },
		"schedule":     func(s *setting) { s.Schedule = "cosine" },
		"weight decay": func(s *setting) { s.WeightDecay = 1 },
		"clip norm":    func(s *setting) { s.ClipNorm = 1e-9 },
		"forget":       func(s *setting) { s.Forget = true },
		"muon":         func(s *setting) { s.Muon = true },
		"k":            func(s *setting) { s.K *= 2 },
		"k embed":      func(s *setting) { s.KEmbed = 1024 },
		"bits":         func(s *setting) { s.Bits = 1 },
		"decay":        func(s *setting) { s.Decay = 0.5 },
		"carry":        func(s *setting) { s.Carry = true },
		"senders":      func(s *setting) { s.Senders = true },
		"boost":        func(s *setting) { s.Boost = 8 },
		"boost late":   func(s *setting) { s.BoostLate = true },
		"boost part":   func(s *setting) { s.BoostPart = 1 },
		"outer rate":   func(s *setting) { s.OuterRate = 0.5 },
		"momentum":     func(s *setting) { s.OuterMomentum = 0.5 },
		"step bits":    func(s *setting) { s.StepBits = 3 },
		"sign step":    func(s *setting) { s.SignStep = true },
		"h":            func(s *setting) { s.H = 4 },
		"early h":      func(s *setting) { s.EarlyH = 1 },
		"workers":      func(s *setting) { s.Workers = 3 },
	} {
		s := base
		change(&s)
		if got := mustRun(t, s).last(); got.HeldOut == was.HeldOut {
			t.Errorf("%s makes no difference", name)
		}
	}
}

// All methods learn: the text can be predicted almost without loss, 5.55 is
// knowing nothing.
func TestAllLearn(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	for name, s := range waysOf(t) {
		s.Steps, s.Rate, s.K, s.StepKeep, s.OuterMomentum = 120, 0.02, 8*s.K, 8*s.StepKeep, s.OuterMomentum/2
		r := mustRun(t, s)
		if got := r.last().HeldOut; got > 2 {
			t.Errorf("%s: loss %v", name, got)
		}
		var steps []int
		for _, p := range r.Points {
			steps = append(steps, p.Steps)
		}
		if !slices.Equal(steps, []int{30, 60, 120}) {
			t.Errorf("%s: points after %v steps", name, steps)
		}
	}
}

// A run that diverges is a result, once.
func TestDivergence(t *testing.T) {
	s := short(t, topK, func(s *setting) { s.Rate, s.ClipNorm = 1e30, 0 })
	r, err := run(t.Context(), s, tiny(), song())
	if err != nil || r.Fault == "" {
		t.Errorf("rate 1e30: %v, %v", r, err)
	}
}
