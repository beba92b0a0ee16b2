package round_test

// This file runs scripts: text files in testdata of events, each followed by
// everything that must come of it, refusals included.
//
// A line is a verb, a subject and options:
//
//	# ...                           a comment
//	set workers=3 genesis=v1:100    the manifest, before the first event
//	at 1.5s                         the instant of the events that follow
//	join worker w1                  w1 says; what an option does not change is honest
//	commit w1 plain=mine
//	attest v1 w2=key-never-revealed all=ok:300
//	sheet v1 w1=500/paired:-2/work:3/overlap:9
//	tick, resumed 5s, absent w1     what the coordinator sees
//	rounds 3                        so many honest rounds; only where they lead is told
//	state, owes w1, holds v1        questions
//
// A subject is names joined by commas, or workers, listed, validators, proposer,
// or others (validators but the proposer). Any message takes round=, run=other,
// version=, signed-by= and body=cut. Lines beginning with ">" are effects, with
// "!" refusals, with "=" answers; the flag -update rewrites them.

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what scripts expect")

func scripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	return files
}

func TestScripts(t *testing.T) {
	for _, file := range scripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, got := perform(t, string(text))
			if got == string(text) {
				return
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Error(firstDifference(string(text), got))
		})
	}
}

// What a script tells hangs on no digest: in another run, with other seeds and
// proposers, the same happens.
func TestScriptsInAnotherRun(t *testing.T) {
	for _, file := range scripts(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			s := &stage{man: testManifest()}
			s.man.Seed[0] = byte(i + 1)
			if _, got := s.perform(t, string(text)); got != string(text) {
				t.Errorf("%s in run %d: %s", file, i, firstDifference(string(text), got))
			}
			if testing.Short() {
				break
			}
		}
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\n have %q\n want %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// perform plays a script and returns it with what really came of each line.
func perform(t *testing.T, text string) (*play, string) {
	t.Helper()
	return (&stage{man: testManifest()}).perform(t, text)
}

func (s *stage) perform(t *testing.T, text string) (*play, string) {
	t.Helper()
	var out strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if strings.HasPrefix(line, "> ") || strings.HasPrefix(line, "! ") || strings.HasPrefix(line, "= ") {
			continue
		}
		out.WriteString(line + "\n")
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		lines, err := s.line(words)
		if err != nil {
			t.Fatalf("line %d: %q: %v", i+1, line, err)
		}
		for _, l := range lines {
			out.WriteString(l + "\n")
		}
	}
	if s.p == nil {
		t.Fatal("the script never begins")
	}
	return s.p, out.String()
}
