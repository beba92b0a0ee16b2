package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

const lines = `{"setting":{"name":"a","seed":1},"points":[{"steps":30,"tokens":100,"held_out":4,"up":10,"down":1},{"steps":60,"tokens":200,"held_out":2,"up":20,"down":3}]}
{"setting":{"name":"a","seed":2},"points":[{"steps":30,"tokens":100,"held_out":5,"up":12,"down":1},{"steps":60,"tokens":200,"held_out":2.5,"up":24,"down":3}]}
{"setting":{"name":"b"},"points":[],"fault":"diverged"}
`

func TestCurve(t *testing.T) {
	all, err := parse([]byte(lines))
	if err != nil {
		t.Fatal(err)
	}
	c, err := curveOf(all, "a", axes["both"].of)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.XYs) != 2 || c.XYs[0].X != 12 || c.XYs[0].Y != 4.5 || c.XYs[1].X != 25 || c.XYs[1].Y != 2.25 {
		t.Errorf("points are %v", c.XYs)
	}
	if low, high := c.YError(1); math.Abs(low-0.25) > 1e-12 || math.Abs(high-0.25) > 1e-12 {
		t.Errorf("bar is %v below and %v above", low, high)
	}
	if c = c.below(3); len(c.XYs) != 1 || c.XYs[0].X != 25 {
		t.Errorf("below 3 are %v", c.XYs)
	}
	for _, name := range []string{"b", "c"} {
		if c, err := curveOf(all, name, axes["up"].of); err == nil {
			t.Errorf("%s has the curve %v", name, c.XYs)
		}
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	results, out := filepath.Join(dir, "r.jsonl"), filepath.Join(dir, "p.svg")
	if err := os.WriteFile(results, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := command([]string{"-results", results, "-runs", "a", "-most", "9", "-out", out}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(out); err != nil || !bytes.Contains(b, []byte("<svg")) || !bytes.Contains(b, []byte("held-out loss")) {
		t.Errorf("no drawing: %v", err)
	}
	for name, args := range map[string][]string{
		"no results":  {"-results", filepath.Join(dir, "none"), "-runs", "a"},
		"no such run": {"-results", results, "-runs", "z"},
		"axis":        {"-results", results, "-runs", "a", "-x", "time"},
		"format":      {"-results", results, "-runs", "a", "-out", filepath.Join(dir, "p.txt")},
	} {
		if command(args) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, bad := range []string{"{", "{}\n7\n", `{"points":3}`} {
		if all, err := parse([]byte(bad)); err == nil {
			t.Errorf("%q is taken for %v", bad, all)
		}
	}
}

// Labels say what places mean, whatever the range.
func TestSteps(t *testing.T) {
	for _, c := range []struct{ least, most float64 }{{1.56, 1.96}, {1.7, 3}, {0.001, 0.0013}, {2, 900}} {
		all := steps(c.least, c.most)
		if len(all) < 3 || len(all) > 11 {
			t.Errorf("%v to %v: %d ticks", c.least, c.most, len(all))
		}
		for _, tick := range all {
			if x, err := strconv.ParseFloat(tick.Label, 64); err != nil || math.Abs(x-tick.Value) > 1e-9*c.most || x < c.least || x > c.most {
				t.Errorf("%v is labelled %q", tick.Value, tick.Label)
			}
		}
	}
}

const federatedLine = `{"epochs":5,"runs":[{"split":"iid","method":"fedavg","rounds":[{"round":0,"global":{"accuracy":0.1}},{"round":1},{"round":2,"global":{"accuracy":0.8}},{"round":4,"global":{"accuracy":0.9}}]},` +
	`{"split":"dirichlet:0.1","method":"fedadam","rounds":[{"round":0,"global":{"accuracy":0.1}},{"round":4,"global":{"accuracy":0.5}}]}]}` + "\n"

func TestFederated(t *testing.T) {
	all, err := parse([]byte(lines + federatedLine))
	if err != nil || len(all) != 5 {
		t.Fatalf("%d results, %v", len(all), err)
	}
	c, err := curveOf(all, "fedavg, iid, E=5", axes[rounds].of)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.XYs) != 2 || c.XYs[0].X != 2 || c.XYs[0].Y != 80 || c.XYs[1].X != 4 || c.XYs[1].Y != 90 {
		t.Errorf("points are %v", c.XYs)
	}
	names := []string{"fedavg, iid, E=5", "fedadam, iid, E=5", "fedavg, dirichlet:0.1, E=5"}
	a, b, d := federatedStyle(names, names[0]), federatedStyle(names, names[1]), federatedStyle(names, names[2])
	if a.colour == b.colour || a.colour != d.colour || len(a.dashes) != len(b.dashes) || len(a.dashes) == len(d.dashes) {
		t.Errorf("methods and splits look like %v, %v, %v", a, b, d)
	}
	dir := t.TempDir()
	results, out := filepath.Join(dir, "r.jsonl"), filepath.Join(dir, "p.svg")
	if err := os.WriteFile(results, []byte(federatedLine), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := command([]string{"-results", results, "-x", "rounds", "-runs", "fedavg, iid, E=5;fedadam, dirichlet:0.1, E=5", "-out", out}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(out); err != nil || !bytes.Contains(b, []byte("held-out accuracy")) {
		t.Errorf("no drawing: %v", err)
	}
}
