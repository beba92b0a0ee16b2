package main

// This file tests what lode bench train says before it trains.

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cancelling ends a context with the first line that is written to it.
type cancelling struct {
	strings.Builder
	cancel context.CancelFunc
}

// Write implements io.Writer.
func (c *cancelling) Write(p []byte) (int, error) {
	c.cancel()
	return c.Builder.Write(p)
}

// Who waits for a crowd's first round knows for what.
func TestBenchTrainSaysWhatItSetsUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(strings.Repeat("some text\n", 20_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := cancelling{cancel: cancel}
	f := trainBench{data: dataFlags{path: file, textFlags: textFlags{"text", "skip"}}, workers: "honest,noise", rounds: 4, every: 2, validators: 100}
	if err := f.run(ctx, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 workers and 100 validators in one process", file + " (0.2 MB) for 4 rounds", "one round in 2 is printed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
