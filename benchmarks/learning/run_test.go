package main

// This file tests the command: runs that go on, text, table, refusals.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSampleSpansWhatIsHeldOut(t *testing.T) {
	held := make([]byte, 5000)
	for i := range held {
		held[i] = byte(i >> 5)
	}
	batches := text{held: held}.sample()
	num := 0
	for _, b := range batches {
		num += b.NumTargets()
	}
	last := batches[sampleBatches-1].Targets.IDs
	if num != 64*64*16 || batches[0].Inputs.IDs[0] != 0 || last[len(last)-1] != int32(held[4999]) {
		t.Errorf("%d targets, the last is %d", num, last[len(last)-1])
	}
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestResumes(t *testing.T) {
	plan := []setting{short(t, topK, nil), short(t, adamW, nil)}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	do := func() (string, string) {
		t.Helper()
		var out strings.Builder
		if err := runAll(t.Context(), plan, path, tiny(), song(), &out); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b), out.String()
	}
	first, said := do()
	if strings.Count(first, "\n") != 2 || strings.Count(said, "\n") != 2 {
		t.Fatalf("two runs left\n%s\nand said\n%s", first, said)
	}
	if again, said := do(); again != first || said != "" {
		t.Errorf("finished runs were run again: %s", said)
	}
	if err := os.Truncate(path, int64(len(first)-20)); err != nil {
		t.Fatal(err)
	}
	if again, said := do(); strings.Count(said, "\n") != 1 || withoutCPU(t, again) != withoutCPU(t, first) {
		t.Errorf("after a torn line the file is\n%s\nwant\n%s", again, first)
	}
	plan = append(plan, short(t, topK, func(s *setting) { s.Seed = 2 }))
	if more, _ := do(); strings.Count(more, "\n") != 3 {
		t.Errorf("a third run left\n%s", more)
	}
}

func withoutCPU(t *testing.T, lines string) string {
	t.Helper()
	all, err := readResults(writeFile(t, "r", lines))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		for i := range r.Points {
			r.Points[i].CPU = 0
		}
	}
	return fmt.Sprint(all)
}

func TestStopsWhenToldTo(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if err := runAll(ctx, []setting{short(t, topK, nil)}, path, tiny(), song(), os.Stderr); err == nil {
		t.Error("went on")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a run that was stopped has a result")
	}
}

func TestTable(t *testing.T) {
	s := short(t, topK, func(s *setting) { s.Steps = 480 })
	at := func(seed uint64, loss float64) result {
		s.Seed = seed
		return result{Setting: s, Points: []point{{HeldOut: loss, Rounds: 10, Up: 50, Down: 100, CPU: 7}}}
	}
	broken := at(1, 0)
	broken.Setting.Rate, broken.Fault, broken.Points = 9, "step 3: loss is NaN", nil
	var out strings.Builder
	if err := writeTable(&out, []result{broken, at(1, 2), at(2, 2.5)}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 5 || !strings.Contains(lines[2], "| 2 | 2.2500 | 2.0000 – 2.5000 | 10 | 5 |") || !strings.Contains(lines[3], "diverged: step 3") {
		t.Errorf("the table is\n%s", out.String())
	}
}

func TestCommandRefuses(t *testing.T) {
	small := writeFile(t, "small", "too small")
	for name, args := range map[string][]string{
		"flag":    {"-fast"},
		"no text": {"-data", "nowhere", "-plan", small},
		"small":   {"-data", small, "-plan", small},
		"results": {"-table", "-results", small},
	} {
		if err := command(t.Context(), args, &strings.Builder{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
