package main

// This file tests settings and plans.

import (
	"encoding/json"
	"math"
	"testing"
)

func TestRates(t *testing.T) {
	s := setting{Rate: 1, Warmup: 3, Steps: 103, Schedule: "constant"}
	if s.rateAt(0) != 0.25 || s.rateAt(2) != 0.75 || s.rateAt(3) != 1 || s.rateAt(102) != 1 {
		t.Error("constant:", s.rateAt(0), s.rateAt(2), s.rateAt(3))
	}
	s.Schedule = "cosine"
	if s.rateAt(3) != 1 || math.Abs(s.rateAt(53)-0.55) > 1e-9 || math.Abs(s.rateAt(103)-0.1) > 1e-9 {
		t.Error("cosine:", s.rateAt(3), s.rateAt(53), s.rateAt(103))
	}
}

func TestPlan(t *testing.T) {
	all, err := readPlan(writeFile(t, "plan", "# two\n\n"+
		`{"name":"a","method":"topk","k":32,"seeds":[3,4],"outer_rate":1.5}`+"\n"+`{"name":"b","method":"adamw"}`))
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	if a := all[1]; a.K != 32 || a.Seed != 4 || a.OuterRate != 1.5 || a.Bits != 2 || a.Decay != 0.95 || a.Workers != 8 {
		t.Errorf("%+v", a)
	}
	if b := all[2]; b.Seed != 1 || b.H != 1 {
		t.Errorf("%+v", b)
	}
	for name, line := range map[string]string{
		"no object":        `7`,
		"no method":        `{"name":"a"}`,
		"unknown method":   `{"name":"a","method":"magic"}`,
		"unknown field":    `{"name":"a","method":"topk","kay":3}`,
		"no name":          `{"method":"topk"}`,
		"uneven":           `{"name":"a","method":"topk","h":7}`,
		"no inner step":    `{"name":"a","method":"topk","h":0}`,
		"no workers":       `{"name":"a","method":"topk","workers":0}`,
		"huge batch":       `{"name":"a","method":"topk","rows":1000000,"seq":1000000}`,
		"k 0":              `{"name":"a","method":"topk","k":0}`,
		"k huge":           `{"name":"a","method":"topk","k":4097}`,
		"k of sigma":       `{"name":"a","method":"meansigma","k":0}`,
		"bits":             `{"name":"a","method":"topk","bits":5}`,
		"bits of sigma":    `{"name":"a","method":"meansigma","bits":3}`,
		"decay":            `{"name":"a","method":"topk","decay":1.5}`,
		"schedule":         `{"name":"a","method":"topk","schedule":"step"}`,
		"outer rate 0":     `{"name":"a","method":"topk","outer_rate":0}`,
		"outer rate below": `{"name":"a","method":"topk","outer_rate":-1}`,
		"momentum 1":       `{"name":"a","method":"topk","outer_momentum":1}`,
		"boost 0":          `{"name":"a","method":"topk","boost":0}`,
		"rate below 0":     `{"name":"a","method":"topk","rate":-1}`,
		"rounds of adamw":  `{"name":"a","method":"adamw","h":5}`,
		"raw, late":        `{"name":"a","method":"dct","raw":true}`,
	} {
		if all, err := parseSettings([]byte(line)); err == nil {
			t.Errorf("%s: accepted as %+v", name, all)
		}
	}
}

func FuzzParseSettings(f *testing.F) {
	f.Add([]byte(`{"name":"a","method":"topk","k":32,"seeds":[3,4]}`))
	f.Add([]byte(`{"name":"a","method":"adamw","h":1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		all, err := parseSettings(line)
		if err != nil {
			return
		}
		for _, s := range all {
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := parseSettings(b); err != nil || len(again) != 1 || again[0] != s {
				t.Fatalf("%+v came back as %+v, %v", s, again, err)
			}
		}
	})
}
