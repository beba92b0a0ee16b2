package yuma

// This file holds the walk over the fixture files: which cases there are, how many
// of each kind were checked, and which are left to other packages.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// fixtureDir returns the folder of golden cases, or skips loudly if it is absent.
func fixtureDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("LODE_YUMA_FIXTURES")
	if dir == "" {
		shared := os.Getenv("LODE_SHARED")
		if shared == "" {
			shared = filepath.Join("..", "..", "shared") // ../shared of the project root
		}
		dir = filepath.Join(shared, "fixtures", "yuma")
	}
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		t.Skipf("NO GOLDEN CASES: folder %s is absent; set LODE_YUMA_FIXTURES", dir)
	}
	return dir
}

// header is what every golden case has.
type header struct {
	Name string
	Kind string
}

// readFixtures returns the cases of every file of the folder, in order.
func readFixtures(t *testing.T, dir string) []json.RawMessage {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	var all []json.RawMessage
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var cases []json.RawMessage
		if err := json.Unmarshal(data, &cases); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, cases...)
	}
	return all
}

// later are the kinds that describe what other packages do.
var later = []string{"delegation", "emission", "registration", "schedule", "sim", "weights"}

func TestFixtures(t *testing.T) {
	dir := fixtureDir(t)
	checks := map[string]func(*testing.T, json.RawMessage) int{
		"epoch":     checkEpochCase,
		"sequence":  checkSequenceCase,
		"generator": checkGeneratorCase,
		"math":      checkMathCase,
	}
	cases, steps, skipped := map[string]int{}, map[string]int{}, map[string]int{}
	for _, raw := range readFixtures(t, dir) {
		var h header
		if err := json.Unmarshal(raw, &h); err != nil {
			t.Fatal(err)
		}
		check, known := checks[h.Kind]
		switch {
		case known:
			cases[h.Kind]++
			t.Run(h.Kind+"/"+h.Name, func(t *testing.T) { steps[h.Kind] += check(t, raw) })
		case slices.Contains(later, h.Kind):
			skipped[h.Kind]++
		default:
			t.Errorf("%s: kind %q is unknown", h.Name, h.Kind)
		}
	}
	for _, kind := range []string{"epoch", "sequence", "generator", "math"} {
		t.Logf("checked %-10s %3d cases, %4d steps", kind, cases[kind], steps[kind])
	}
	for _, kind := range later {
		t.Logf("skipped %-12s %3d cases: not the epoch's", kind, skipped[kind])
	}
	if len(cases) == 0 {
		t.Fatalf("%s holds no case of the epoch", dir)
	}
}
