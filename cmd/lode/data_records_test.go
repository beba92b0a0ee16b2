package main

// This file tests lode data records.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Records of a table are a corpus that a run trains on; what is none leaves nothing.
func TestDataRecords(t *testing.T) {
	dir := t.TempDir()
	text := "a,b,kind\n"
	for i := range 600 {
		text += []string{"0,1,left\n", "1,0,right\n", "0.5,0.5,none\n"}[i%3]
	}
	table, out := filepath.Join(dir, "t.csv"), filepath.Join(dir, "t.bin")
	if err := os.WriteFile(table, []byte(text+"1,nothing,left\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := call(t, "data", "records", table, "-o", out)
	if _, err := os.Stat(out); code != exitFailed || err == nil || !strings.Contains(errs, "record 602") || !strings.Contains(errs, "--skip-bad") {
		t.Fatalf("exit %d, file: %v\n%s", code, err, errs)
	}
	code, says, errs := call(t, "data", "records", table, "-o", out, "--skip-bad")
	b, err := os.ReadFile(out)
	if code != 0 || err != nil || len(b) != 3*600 || !strings.Contains(errs, "left out") || !strings.Contains(says, "model.input: [2]") || !strings.Contains(says, "Classes: 0=left 1=none 2=right\n") {
		t.Fatalf("exit %d, %d bytes, %v\n%s%s", code, len(b), err, says, errs)
	}
	code, says, errs = call(t, "bench", "train", "--data", out, "--workers", "honest,honest", "--rounds", "2",
		"--set", "model.family=mlp", "--set", "model.input=[2]", "--set", "model.hidden=[8]", "--set", "model.classes=3",
		"--set", "data.tokenizer=records", "--set", "data.piece=96", "--set", "data.held_out=0.1", "--set", "train.steps=1",
		"--set", "train.rows=4", "--set", "score.rows=16", "--set", "score.held_out=16")
	if code != 0 || !strings.Contains(says, "held out") {
		t.Fatalf("exit %d\n%s%s", code, says, errs)
	}
	full := filepath.Join(dir, "none", "t.bin")
	if code, _, errs := call(t, "data", "records", table, "-o", full, "--skip-bad"); code != exitFailed || !strings.Contains(errs, full) {
		t.Errorf("exit %d, %s", code, errs)
	}
}
