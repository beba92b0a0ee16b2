package main

// This file tests lode bench federated.

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plants writes a table of three kinds that a line tells apart, and a bad record.
func plants(t *testing.T, bad string) string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	text := "height,width,label\n"
	for i := range 300 {
		text += fmt.Sprintf("%.3f,%.3f,kind %d\n", float64(i%3)*100+10*r.NormFloat64(), r.Float64(), i%3)
	}
	path := filepath.Join(t.TempDir(), "plants.csv")
	if err := os.WriteFile(path, []byte(text+bad), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// federatedCommand runs a command line and returns what it printed and its exit code.
func federatedCommand(args ...string) (out, errs string, code int) {
	var stdout, stderr bytes.Buffer
	code = run(append([]string{"bench", "federated"}, args...), strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

// Combinations are run one after another; the report says what was measured, and the
// plot has a panel and a line for each.
func TestBenchFederated(t *testing.T) {
	plot := filepath.Join(t.TempDir(), "plots", "accuracy.svg")
	out, errs, code := federatedCommand("--data", plants(t, ""), "--clients", "3,6", "--split", "iid,labels:1", "--method", "fedavg,fedprox:1,fedadam",
		"--rounds", "10", "--every", "5", "--rate", "0.3", "--hidden", "8", "--fraction", "0.5", "--plot", plot, "--json", "--parallel", "2")
	if code != 0 {
		t.Fatalf("exit %d\n%s", code, errs)
	}
	var report federatedReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if report.Dealt != 240 || report.HeldOut != 60 || len(report.Classes) != 3 || len(report.Scale.Mean) != 2 || len(report.Runs) != 12 {
		t.Fatalf("report %+v", report)
	}
	models := map[string]bool{}
	for i, r := range report.Runs {
		last := r.last()
		if len(r.Rounds) != 11 || last.Number != 10 || last.Global == nil || last.Global.Samples != 60 || last.Own == nil || r.Rounds[1].Global != nil {
			t.Fatalf("run %d: %+v", i, r.setting)
		}
		if first := r.Rounds[0].Global; last.Global.Loss >= first.Loss {
			t.Errorf("%+v: loss went from %.3f to %.3f", r.setting, first.Loss, last.Global.Loss)
		}
		if n := r.Clients; len(last.Clients) != (n+1)/2 || len(r.Got) != n || r.Split == "labels:1" && r.Got[0].Entropy != 0 {
			t.Errorf("%+v: clients %v of %d, who got %+v", r.setting, last.Clients, n, r.Got)
		}
		models[last.Model] = true
	}
	if len(models) != 12 {
		t.Errorf("12 runs make %d models", len(models))
	}
	if last := report.Runs[0].last(); last.Global.Accuracy < 0.9 {
		t.Errorf("iid, fedavg: accuracy %v", last.Global.Accuracy)
	}
	svg, err := os.ReadFile(plot)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"mlp, 3 clients", "mlp, 6 clients", "iid", "labels:1", "fedprox:1"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("no %q in the plot", want)
		}
	}
	if n := bytes.Count(svg, []byte(`stroke-linejoin="round"`)); n != 12 {
		t.Errorf("%d lines are drawn, want 12", n)
	}
	if !strings.Contains(errs, "clients'") || !strings.Contains(errs, "labels:1") {
		t.Errorf("no progress in\n%s", errs)
	}
}

// The same seed makes the same model, whatever works at the same time.
func TestBenchFederatedRepeats(t *testing.T) {
	data := plants(t, "")
	play := func(more ...string) string {
		out, errs, code := federatedCommand(append([]string{"--data", data, "--rounds", "3", "--split", "dirichlet:0.3", "--json", "--hidden", "8"}, more...)...)
		var report federatedReport
		if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
			t.Fatalf("exit %d, %v\n%s", code, err, errs)
		}
		return report.Runs[0].last().Model
	}
	one := play("--parallel", "1")
	if play("--parallel", "3") != one {
		t.Error("three engines make another model than one")
	}
	if play("--seed", "2") == one {
		t.Error("another seed makes the same model")
	}
}

// Numbers can be predicted too, and what is bad can be left out.
func TestBenchFederatedNumbers(t *testing.T) {
	data := plants(t, "1,x,kind 1\n")
	if _, errs, code := federatedCommand("--data", data); code != exitFailed || !strings.Contains(errs, "record 302") || !strings.Contains(errs, "--skip-bad") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	out, errs, code := federatedCommand("--data", data, "--skip-bad", "--target", "height", "--numbers", "--rounds", "1")
	if code == 0 || !strings.Contains(errs, "none is left") { // the label is no number
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	file := filepath.Join(t.TempDir(), "line.csv")
	text := "x,y\n"
	for i := range 100 {
		text += fmt.Sprintf("%d,%d\n", i, 2*i-100)
	}
	if err := os.WriteFile(file, []byte(text+"1,?\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code = federatedCommand("--data", file, "--skip-bad", "--numbers", "--rounds", "3", "--rate", "0.0001", "--table")
	if code != 0 || !strings.Contains(out, "100 examples of shape [1]") || !strings.Contains(errs, "left out") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestBenchFederatedRefuses(t *testing.T) {
	data := plants(t, "")
	for words, args := range map[string][]string{
		"--data":       {},
		"no rule":      {"--data", data, "--split", "even"},
		"no method":    {"--data", data, "--method", "fedsgd"},
		"mlp and cnn":  {"--data", data, "--model", "llama"},
		"pictures":     {"--data", data, "--model", "cnn"},
		"240 examples": {"--data", data, "--clients", "500"},
		"width of 0":   {"--data", data, "--hidden", "0"},
		"fraction":     {"--data", data, "--fraction", "0"},
		"--held-out":   {"--data", data, "--held-out", "1"},
		"--keep-back":  {"--data", data, "--keep-back", "1"},
	} {
		if _, errs, code := federatedCommand(args...); code != exitUsage || !strings.Contains(errs, words) {
			t.Errorf("%v: exit %d, want %d and %q\n%s", args, code, exitUsage, words, errs)
		}
	}
	if _, errs, code := federatedCommand("--data", filepath.Join(t.TempDir(), "none")); code != exitFailed || !strings.Contains(errs, "no such file") {
		t.Errorf("exit %d\n%s", code, errs)
	}
}

// Who stops a run gets what there is of it.
func TestBenchFederatedStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	c := benchFederatedCommand()
	c.SetArgs([]string{"--data", plants(t, ""), "--rounds", "100000", "--json"})
	c.SilenceUsage = true
	c.SetOut(&out)
	c.SetErr(&after{"    3 ", cancel})
	if err := c.ExecuteContext(ctx); err == nil {
		t.Fatal("a run that was stopped ended well")
	}
	var report federatedReport
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if n := len(report.Runs[0].Rounds); n < 4 || n > 6 {
		t.Errorf("%d rounds are reported", n)
	}
}

// after calls a function when a line that begins so is written.
type after struct {
	line string
	call func()
}

// Write implements io.Writer.
func (a *after) Write(p []byte) (int, error) {
	if strings.HasPrefix(string(p), a.line) {
		a.call()
	}
	return len(p), nil
}
