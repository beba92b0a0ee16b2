package lode_test

// This file holds the arrows: which package may import which, and what pure
// packages may not do.

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "lode"

// A floor's number is ten times the one in the sketch in doc.go; aggregation and
// engine stand half a floor above gradient, replica half a floor above the
// machines.
var floors = map[int][]string{
	10: {"protocol", "tensor"},
	20: {
		"python",
		"gradient", "gradient/column", "gradient/kernel", "privacy", "yuma", "yuma/economy", "yuma/study", "yuma/casefile",
		"checkpoints/...", "transport", "data", "data/chance", "data/split", "data/examples", "coordinator/journal",
		"data/tokenizer", "data/documents", "data/shards",
	},
	25: {"aggregation", "engine/..."},
	30: {"validator/score", "yuma/ledger", "yuma/ledger/tree", "yuma/ledger/ask"},
	40: {"coordinator/round"},
	45: {"replica"},
	50: {"coordinator", "worker", "validator"},
	60: {"sim", "sim/federated", "sim/solo"},
	70: {"cmd/...", "benchmarks/..."},
}

var (
	shells = []string{"coordinator", "worker", "validator"}
	// kernels may spread work over cores.
	kernels = []string{"tensor", "gradient", "gradient/column", "gradient/kernel", "aggregation"}
	pure    = append([]string{"protocol", "privacy", "yuma", "yuma/economy", "yuma/study", "yuma/casefile", "yuma/ledger", "yuma/ledger/tree", "yuma/ledger/ask", "validator/score", "coordinator/round"}, kernels...)
)

// isKit says whether the folder holds a test kit: one that ends in "test" beside
// what it tests. It stands on the floor of what it tests, and only tests use it.
func isKit(folder string) bool {
	return strings.HasSuffix(folder, "test") && strings.Contains(folder, "/")
}

// floorOf returns the folder's floor, 0 if it has none.
func floorOf(folder string) int {
	if isKit(folder) {
		folder = path.Dir(folder)
	}
	for floor, patterns := range floors {
		for _, p := range patterns {
			if tree, ok := strings.CutSuffix(p, "/..."); ok && (folder == tree || strings.HasPrefix(folder, tree+"/")) || folder == p {
				return floor
			}
		}
	}
	return 0
}

func room(folder string) string { first, _, _ := strings.Cut(folder, "/"); return first }

// arrowFault says why folder from may not import folder to, "" if it may.
func arrowFault(from, to string) string {
	a, b := floorOf(from), floorOf(to)
	switch {
	case b == 0:
		return to + " stands on no floor"
	case isKit(to) && !isKit(from):
		return "a test kit is for tests"
	case room(to) == "cmd" && room(from) != "cmd":
		return "nothing imports cmd"
	case slices.Contains(pure, from) && !slices.Contains(pure, to):
		return "a pure package imports pure ones only"
	case slices.Contains(shells, from) && to == "transport":
		return "shells do not know the transport"
	case a == b && room(from) == room(to) && !slices.Contains(shells, from):
		return ""
	case b >= a:
		return fmt.Sprintf("imports run down only, this one goes from floor %v to floor %v", float64(a)/10, float64(b)/10)
	}
	return ""
}

func TestArrows(t *testing.T) {
	num := 0
	for _, s := range sources(t) {
		if s.folder() == "." || s.isTest() {
			continue
		}
		if floorOf(s.folder()) == 0 {
			t.Errorf("%s: its folder stands on no floor: give it a line in arrows_test.go and a sentence in doc.go", s.path)
			continue
		}
		for _, spec := range s.file.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			to, inside := strings.CutPrefix(p, module+"/")
			if !inside {
				continue
			}
			num++
			if fault := arrowFault(s.folder(), to); fault != "" {
				t.Errorf("%s imports %s: %s", s.at(spec), to, fault)
			}
		}
	}
	if num == 0 {
		t.Error("no package imports another: the walk is wrong")
	}
}

// Every folder with Go files is in the sketch.
func TestSketchNamesEveryFolder(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.FieldsFunc(string(doc), func(r rune) bool { return !(r == '/' || r == '_' || r >= 'a' && r <= 'z') })
	for folder := range packages(sources(t)) {
		if tree := room(folder); slices.ContainsFunc(floors[floorOf(folder)], func(p string) bool { return p == tree+"/..." }) {
			folder = tree
		}
		if folder != "." && !isKit(folder) && !slices.Contains(words, folder) {
			t.Errorf("doc.go does not speak of %s", folder)
		}
	}
}

func TestPurity(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sources(t) {
		if !slices.Contains(pure, s.folder()) || s.isTest() {
			continue
		}
		seen[s.folder()] = true
		for _, fault := range s.impurities(slices.Contains(kernels, s.folder())) {
			t.Error(fault)
		}
	}
	if !seen["protocol"] || !seen["tensor"] {
		t.Errorf("only %v were looked at: the walk is wrong", slices.Sorted(maps.Keys(seen)))
	}
}

// impureTrees are paths whose whole trees pure packages may not import.
var (
	impureTrees = []string{
		"time", "net", "os", "io/fs", "io/ioutil", "log", "math/rand", "crypto/rand", "syscall",
		"plugin", "testing", "path/filepath", "embed", "golang.org/x/sys", "golang.org/x/term", "github.com/rs/zerolog",
	}
	// pureLeaves are paths in those trees that only compute.
	pureLeaves = []string{"math/rand/v2", "net/url"}
	// kernelLeaves are what kernels may ask the processor: with any answer they
	// give the same bits.
	kernelLeaves = []string{"golang.org/x/sys/cpu"}
	// kernelTrees are those that spreading work over cores needs.
	kernelTrees = []string{"sync", "runtime", "golang.org/x/sync"}
	// randNames are the names of math/rand/v2 that have no state of their own.
	randNames = []string{"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "PCG", "ChaCha8", "Zipf"}
	// runtimeNames are what kernels may ask the runtime.
	runtimeNames = []string{"GOMAXPROCS", "NumCPU"}
)

func inTree(p string) func(string) bool {
	return func(tree string) bool { return p == tree || strings.HasPrefix(p, tree+"/") }
}

// impurities returns what a file of a pure package may not do but does.
func (s source) impurities(kernel bool) (faults []string) {
	fault := func(n ast.Node, format string, args ...any) {
		faults = append(faults, s.at(n)+": pure packages "+fmt.Sprintf(format, args...))
	}
	for _, spec := range s.file.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		switch {
		case spec.Name != nil && spec.Name.Name == ".":
			fault(spec, "import nothing under a dot")
		case slices.Contains(pureLeaves, p), kernel && slices.Contains(kernelLeaves, p):
		case slices.ContainsFunc(impureTrees, inTree(p)), !kernel && slices.ContainsFunc(kernelTrees, inTree(p)):
			fault(spec, "do not import %s", p)
		}
	}
	names := s.importNames()
	only := func(sel *ast.SelectorExpr, pkg string, allowed []string) {
		id, ok := sel.X.(*ast.Ident)
		if ok && names[pkg] == id.Name && !slices.Contains(allowed, sel.Sel.Name) {
			fault(sel, "do not use %s.%s", pkg, sel.Sel.Name)
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if !kernel {
				fault(n, "start no goroutine")
			}
		case *ast.SelectorExpr:
			only(n, "math/rand/v2", randNames)
			only(n, "runtime", runtimeNames)
		}
		return true
	})
	return faults
}

// The rules above must notice what they forbid.
func TestArrowRulesBite(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"aggregation", "gradient", true},
		{"aggregation", "gradient/column", true},
		{"gradient", "gradient/column", true},
		{"engine", "gradient", true},
		{"engine/cpu", "engine/kernel", true},
		{"yuma/casefile", "yuma/study", true},
		{"yuma/ledger", "yuma/economy", true},
		{"coordinator/round", "validator/score", true},
		{"validator", "validator/score", true},
		{"data", "protocol", true},
		{"sim", "coordinator", true},
		{"cmd/lode", "transport", true},
		{"benchmarks/rounds", "sim", true},
		{"aggregation/ruletest", "aggregation", true},
		{"sim/simtest", "engine/enginetest", true},
		{"aggregation", "aggregation/ruletest", false},
		{"sim", "engine/enginetest", false},
		{"cmd/lode", "nowhere/kittest", false},
		{"gradient", "aggregation", false},
		{"gradient", "engine", false},
		{"engine", "aggregation", false},
		{"data", "engine", false},
		{"protocol", "tensor", false},
		{"data", "checkpoints", false},
		{"coordinator", "coordinator/journal", true},
		{"coordinator/round", "coordinator/journal", false},
		{"transport", "data", false},
		{"validator/score", "engine", false}, // an edge, though on a lower floor
		{"coordinator", "transport", false},
		{"coordinator", "worker", false},
		{"yuma/ledger", "validator/score", false},
		{"yuma", "yuma/ledger", false},
		{"sim", "cmd/lode", false},
		{"benchmarks", "cmd/lode", false},
		{"protocol", "nowhere", false},
		{"cmd/lode", "data/deeper", false},
	} {
		if fault := arrowFault(c.from, c.to); (fault == "") != c.ok {
			t.Errorf("%s → %s: got %q", c.from, c.to, fault)
		}
	}
	for name, c := range map[string]struct {
		text   string
		kernel bool
		faults int
	}{
		"clean":             {`import ("fmt"; "math/rand/v2"); var _ = fmt.Sprint(rand.New(rand.NewPCG(1, 2)))`, false, 0},
		"clock":             {`import _ "time"`, true, 1},
		"network":           {`import (_ "net"; _ "net/http")`, false, 2},
		"disk":              {`import (_ "os"; _ "os/exec"; _ "io/fs")`, false, 3},
		"logger":            {`import (_ "log/slog"; _ "github.com/rs/zerolog")`, false, 2},
		"old chance":        {`import (_ "math/rand"; _ "crypto/rand")`, true, 2},
		"global chance":     {`import "math/rand/v2"; var _ = rand.IntN(3)`, true, 1},
		"renamed chance":    {`import dice "math/rand/v2"; var _ = dice.Uint64`, false, 1},
		"dotted":            {`import . "math/rand/v2"; var _ = IntN(3)`, false, 1},
		"lock":              {`import (_ "sync"; _ "sync/atomic")`, false, 2},
		"lock in a kernel":  {`import (_ "sync"; _ "sync/atomic")`, true, 0},
		"goroutine":         {`func f() { go f() }`, false, 1},
		"goroutine, kernel": {`func f() { go f() }`, true, 0},
		"cores":             {`import "runtime"; var _ = runtime.GOMAXPROCS(0)`, true, 0},
		"cores, no kernel":  {`import "runtime"; var _ = runtime.GOMAXPROCS(0)`, false, 1},
		"memory":            {`import "runtime"; func f() { runtime.GC() }`, true, 1},
		"similar path":      {`import _ "osmosis"`, false, 0},
	} {
		s, err := parse("tensor/x.go", []byte("package x; "+c.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.impurities(c.kernel); len(got) != c.faults {
			t.Errorf("%s: got %q, want %d faults", name, got, c.faults)
		}
	}
}
