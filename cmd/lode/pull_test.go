package main

// This file tests what a pull says of what it checked, and where it looks for a
// record.

import (
	"os"
	"path/filepath"
	"testing"

	"lode/cmd/lode/internal/models"
	"lode/protocol"
)

func TestVerifiedText(t *testing.T) {
	by := []protocol.NodeID{{0xab, 0xcd}}
	for want, r := range map[string]models.Result{
		"every file; receipt of 3 validators with 66.67 % of the stake; record of 99 entries": {
			Signers: by, Trusted: 1, Entries: 99, Receipt: &models.Receipt{Validators: 3, Share: 2.0 / 3},
		},
		"every file; receipt of 1 validator with 100 % of the stake; record of 9 entries": {
			Signers: by, Entries: 9, Receipt: &models.Receipt{Validators: 1, Share: 1},
		},
		"every file; the run's initial parameters, computed again here; record of 2 entries": {
			Signers: by, Entries: 2, Receipt: &models.Receipt{},
		},
		"every file; signed by vpgqaaaa only, of which you trust 1; no receipt was at hand":                                                                 {Signers: by, Trusted: 1},
		"every file; signed by key vpgqaaaa only: is it the one you trust? (--trust KEY asks; a pull from the run's link compares the validators' receipt)": {Signers: by},
	} {
		if got := verifiedText(r); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestRunOf(t *testing.T) {
	run := t.TempDir()
	store := filepath.Join(run, "store")
	if err := os.MkdirAll(store, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := runOf(store); got != "" {
		t.Errorf("%q, though no manifest is there", got)
	}
	if err := os.WriteFile(filepath.Join(run, manifestName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{run, store, store + "/"} {
		if got := runOf(dir); filepath.Clean(got) != run {
			t.Errorf("%s lies in %q", dir, got)
		}
	}
	for _, source := range []string{"s3://bucket/prefix", "https://host/path", "lode://key@host:1/run", t.TempDir()} {
		if got := runOf(source); got != "" {
			t.Errorf("%s lies in %q", source, got)
		}
	}
}
