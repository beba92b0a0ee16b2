package lode_test

// This file holds docs/dependencies.md to the truth.

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// requirement is a line of go.mod.
type requirement struct {
	module   string
	indirect bool
}

// readModule returns what the go.mod at path requires, and its tools.
func readModule(t *testing.T, path string) (required []requirement, tools []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block := ""
	for line := range strings.Lines(string(text)) {
		line, comment, _ := strings.Cut(strings.TrimSpace(line), "//")
		fields := strings.Fields(line)
		verb := block
		switch {
		case len(fields) == 0:
			continue
		case len(fields) == 2 && fields[1] == "(":
			block = fields[0]
			continue
		case fields[0] == ")":
			block = ""
			continue
		case block == "":
			verb, fields = fields[0], fields[1:]
		}
		switch {
		case verb == "require" && len(fields) == 2:
			required = append(required, requirement{fields[0], strings.TrimSpace(comment) == "indirect"})
		case verb == "tool":
			tools = append(tools, fields[0])
		}
	}
	if len(required) == 0 {
		t.Fatalf("%s requires nothing: it was not understood", path)
	}
	return required, tools
}

// pinned returns the packages that python/requirements.txt names, with versions.
func pinned(t *testing.T) (packages []string) {
	t.Helper()
	text, err := os.ReadFile("python/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, _, exact := strings.Cut(line, "==")
		if !exact {
			t.Errorf("python/requirements.txt: %q names no exact version", line)
		}
		packages = append(packages, name)
	}
	return packages
}

// moduleOf returns the longest module path that p lies in, "" if none.
func moduleOf(p string, required []requirement) (module string) {
	for _, r := range required {
		if inTree(p)(r.module) && len(r.module) > len(module) {
			module = r.module
		}
	}
	return module
}

func TestEveryDependencyHasItsReason(t *testing.T) {
	text, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\|$").FindAllStringSubmatch(string(text), -1) {
		if len(m[2]) < 20 || slices.Contains(documented, m[1]) {
			t.Errorf("docs/dependencies.md: %s has no reason or stands there twice", m[1])
		}
		documented = append(documented, m[1])
	}
	required, tools := readModule(t, "go.mod")
	used := map[string]string{} // module to who uses it
	for _, r := range required {
		if !r.indirect {
			used[r.module] = "go.mod"
		}
	}
	for _, tool := range tools {
		used[moduleOf(tool, required)] = "go.mod's tools"
	}
	for _, s := range sources(t) {
		for p := range s.importNames() {
			if m := moduleOf(p, required); m != "" {
				used[m] = s.path
			}
		}
	}
	for _, p := range pinned(t) {
		used[p] = "python/requirements.txt"
	}
	if len(used) < 5 {
		t.Fatalf("only %v are used: the walk is wrong", used)
	}
	for m, by := range used {
		if !slices.Contains(documented, m) {
			t.Errorf("docs/dependencies.md has no line for %s, used by %s", m, by)
		}
	}
	nested, err := filepath.Glob("tools/*/go.mod")
	if err != nil || len(nested) == 0 {
		t.Fatalf("no modules below tools: %v", err)
	}
	for _, path := range nested {
		more, _ := readModule(t, path)
		for _, r := range more {
			if !r.indirect && r.module != module && !slices.Contains(documented, r.module) {
				t.Errorf("docs/dependencies.md has no line for %s, required by %s", r.module, path)
			}
		}
		required = append(required, more...)
	}
	for _, m := range documented {
		if moduleOf(m, required) != m && used[m] == "" {
			t.Errorf("docs/dependencies.md speaks of %s, which nothing requires", m)
		}
	}
}
