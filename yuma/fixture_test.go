package yuma_test

// This file holds the walk over the fixture files: every case of every kind is
// checked.

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lode/yuma"
	"lode/yuma/casefile"
)

// fixtureDir returns the folder of golden cases: the one that LODE_YUMA_FIXTURES
// names, or that of the shared files beside the project, without which the test is
// skipped loudly.
func fixtureDir(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("LODE_YUMA_FIXTURES"); dir != "" {
		return dir
	}
	shared := os.Getenv("LODE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared") // ../shared of the project root
	}
	dir := filepath.Join(shared, "fixtures", "yuma")
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		t.Skipf("NO GOLDEN CASES: folder %s is absent; set LODE_YUMA_FIXTURES", dir)
	}
	return dir
}

// readCases returns the cases of every file of the folder, in order.
func readCases(t *testing.T, dir string) (all []casefile.Case) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := casefile.Split(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, cases...)
	}
	return all
}

// checks has a function for every kind; it returns how many numbers, epochs or rows
// it compared.
var checks = map[string]func(*testing.T, casefile.Case) int{
	"epoch":        checkEpochs,
	"sequence":     checkEpochs,
	"sim":          checkSim,
	"generator":    func(t *testing.T, c casefile.Case) int { return yuma.CheckGeneratorCase(t, c.Raw) },
	"math":         func(t *testing.T, c casefile.Case) int { return yuma.CheckMathCase(t, c.Raw) },
	"delegation":   checkDelegation,
	"emission":     checkEmission,
	"registration": checkRegistration,
	"schedule":     checkSchedule,
	"weights":      checkWeights,
}

func TestFixtures(t *testing.T) {
	dir := fixtureDir(t)
	cases, steps := map[string]int{}, map[string]int{}
	for _, c := range readCases(t, dir) {
		check, known := checks[c.Kind]
		if !known {
			t.Errorf("%s: kind %q is unknown", c.Name, c.Kind)
			continue
		}
		cases[c.Kind]++
		t.Run(c.Kind+"/"+c.Name, func(t *testing.T) {
			n := check(t, c)
			if n == 0 {
				t.Error("nothing was compared")
			}
			steps[c.Kind] += n
		})
	}
	total := 0
	for _, kind := range slices.Sorted(maps.Keys(checks)) {
		t.Logf("checked %-12s %3d cases, %4d steps", kind, cases[kind], steps[kind])
		total += cases[kind]
	}
	if total == 0 {
		t.Fatalf("%s holds no case", dir)
	}
}

// decode reads a case's own form.
func decode(t *testing.T, c casefile.Case, into any) {
	t.Helper()
	if err := json.Unmarshal(c.Raw, into); err != nil {
		t.Fatal(err)
	}
}
