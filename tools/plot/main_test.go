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
