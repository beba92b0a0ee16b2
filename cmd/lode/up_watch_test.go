package main

// This file tests what lode up reads once its processes have ended.

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/cmd/lode/internal/audit/audittest"
	"lode/cmd/lode/internal/corpora"
	"lode/protocol"
)

// A round that was finished while the processes ended counts in lode up as in lode
// status, and is printed once.
func TestRoundsFinishedWhileStopping(t *testing.T) {
	dir := t.TempDir()
	r := audittest.New(t, audittest.Config{Rounds: 3})
	r.Write(t, dir)
	if err := os.WriteFile(filepath.Join(dir, manifestName), protocol.Encode(r.Manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &house{dir: dir, manifest: r.Manifest, rules: r.Rules, corpus: &corpora.Corpus{BytesPerToken: 1}}
	var out bytes.Buffer
	w, screen := h.watch(), newScreen(&out, false)
	for next := 0; w.Machine.Counts().Rounds < 2; next++ { // as far as lode up followed it
		if _, err := w.Feed(r.Entries[next]); err != nil {
			t.Fatal(err)
		}
	}
	h.state.Rounds = 2
	for range 2 { // the second time nothing is new
		if err := h.rest(t.Context(), w, screen); err != nil {
			t.Fatal(err)
		}
	}
	s, err := statusFrom(t.Context(), dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Machine.Counts().Rounds; got != 3 || got != s.Rounds || h.state.Rounds != s.Rounds {
		t.Errorf("%d rounds seen, %d remembered, status says %d", got, h.state.Rounds, s.Rounds)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1 || !strings.HasPrefix(out.String(), "    2  ") {
		t.Errorf("the third round was not printed once:\n%s", &out)
	}
}
