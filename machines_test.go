package lode_test

// This file holds what all nodes recompute to the same bits on every processor.

import (
	"bytes"
	"go/ast"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// recomputed is the folders with arithmetic that others must find bit for bit: the
// pure ones, and what begins, joins, follows and stores a model.
func recomputed(t *testing.T) []string {
	pkgs := packages(sources(t))
	there := func(folder string) bool { return pkgs[folder] != nil && !slices.Contains(forStudy, folder) }
	want := append(slices.Clone(pure), "data", "data/chance", "data/split", "engine", "engine/model", "replica", "checkpoints/safetensors")
	return slices.DeleteFunc(want, func(folder string) bool { return !there(folder) })
}

// forStudy are pure folders whose floats nobody else need find.
var forStudy = []string{"yuma/study"}

// forPeople are files in those folders by whose floats nothing is decided.
var forPeople = []string{"validator/score/rating.go"}

// fused is a fused multiply-add in an assembly listing, and where it comes from.
var fused = regexp.MustCompile(`\(([^()]+\.go):(\d+)\)\s+FN?M(?:ADD|SUB)[SD]\b`)

// listing compiles folders for arm64 and returns the assembly.
func listing(t *testing.T, folders ...string) []byte {
	t.Helper()
	args := []string{"build", "-gcflags=-S"}
	for _, f := range folders {
		args = append(args, "./"+f)
	}
	return goCommand(t, []string{"GOARCH=arm64"}, args...)
}

// goCommand runs the go command for Linux, without C, and returns all it prints.
func goCommand(t *testing.T, env []string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s go %s: %v\n%s", env, strings.Join(args, " "), err, out)
	}
	return out
}

// The compiler may turn x·y + z into one operation that rounds once, and does so for
// arm64 wherever it can; for amd64 from level v3 on. Where bits must agree it is never
// allowed to: each product there is converted explicitly.
func TestNothingFuses(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for another processor")
	}
	places := map[string]bool{}
	for _, m := range fused.FindAllSubmatch(listing(t, recomputed(t)...), -1) {
		if file := relative(t, string(m[1])); !slices.Contains(forPeople, file) {
			places[file+":"+string(m[2])] = true
		}
	}
	for place := range places {
		t.Errorf("%s: product and sum become one operation that rounds once: convert the product explicitly", place)
	}
	if len(fused.FindAll(listing(t, "engine/kernel"), -1)) == 0 {
		t.Error("nothing is fused in training's kernels either: the listing is not what it was")
	}
}

// exactMath is what IEEE 754 or integers define to the last bit. The other functions
// of package math differ between processors: some have assembly.
var exactMath = []string{
	"Abs", "Ceil", "Copysign", "Float32bits", "Float32frombits", "Float64bits", "Float64frombits", "Floor",
	"Frexp", "Inf", "IsInf", "IsNaN", "Ldexp", "Max", "Min", "RoundToEven", "Signbit", "Sqrt", "Trunc",
}

func TestExactMathAlone(t *testing.T) {
	folders, num := recomputed(t), 0
	for _, s := range sources(t) {
		if s.isTest() || !slices.Contains(folders, s.folder()) || slices.Contains(forPeople, s.path) {
			continue
		}
		names := s.importNames()
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := f.X.(*ast.Ident); ok && x.Name == names["math"] {
				num++
				if !slices.Contains(exactMath, f.Sel.Name) {
					t.Errorf("%s: math.%s has other last bits on other processors", s.at(n), f.Sel.Name)
				}
			}
			return true
		})
	}
	if num == 0 {
		t.Error("nobody calls package math: the walk is wrong")
	}
}

// relative returns a path below this folder as its sources are named.
func relative(t *testing.T, file string) string {
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	if rel, err := filepath.Rel(root, file); err == nil {
		return filepath.ToSlash(rel)
	}
	return file
}

// processor is something that runs Go programs.
type processor struct {
	arch, level string // level as GOAMD64 has it
	emulator    string // by which programs for it run elsewhere
}

var processors = []processor{
	{"amd64", "v1", "qemu-x86_64"},
	{"amd64", "v3", "qemu-x86_64"},
	{"arm64", "", "qemu-aarch64"},
}

func (p processor) isHere() bool { return runtime.GOOS == "linux" && runtime.GOARCH == p.arch }

// run returns the command that runs a program, or nil where there is no emulator.
func (p processor) run(program string, args ...string) *exec.Cmd {
	if p.isHere() {
		return exec.Command(program, args...)
	}
	for _, name := range []string{p.emulator, p.emulator + "-static"} {
		if found, err := exec.LookPath(name); err == nil {
			return exec.Command(found, append([]string{program}, args...)...)
		}
	}
	return nil
}

// golden is the tests that compare results with files, by folder.
var golden = map[string]string{
	"aggregation":       "TestRounds|TestGolden|TestVectors|TestRefusals",
	"coordinator/round": "TestScripts",
	"data/chance":       "TestGolden",
	"data/split":        "TestGolden",
	"engine":            "TestScheduleGolden",
	"engine/model":      "TestInitGolden|TestConfigGolden|TestConfigsOfExamples",
	"gradient":          "TestGolden|TestVectors|TestRefusals",
	"gradient/kernel":   "TestLengths",
	"protocol":          "TestGolden|TestToNanoNats|TestQ16",
	"tensor":            "TestTreeGolden",
}

// The kernels of training for arm64 compute what their plain forms do, as those of this
// processor are held to in their own folder.
func TestKernelsOfArm64(t *testing.T) {
	if testing.Short() {
		t.Skip("emulates another processor")
	}
	t.Parallel()
	p := processor{arch: "arm64", emulator: "qemu-aarch64"}
	bin := t.TempDir() + "/kernels"
	cmd := p.run(bin, "-test.v", "-test.run=Plain|Definition|PeakCounts")
	p.need(t, cmd)
	goCommand(t, []string{"GOARCH=" + p.arch}, "test", "-c", "-o", bin, "./engine/kernel")
	cmd.Dir = "engine/kernel"
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Count(out, []byte("\n--- PASS")) < 5 {
		t.Errorf("%v\n%s", err, out)
	}
}

// need skips a test for want of an emulator, or fails it where NEED_QEMU is set.
func (p processor) need(t *testing.T, cmd *exec.Cmd) {
	if cmd != nil {
		return
	}
	t.Helper()
	t.Logf("NOT CHECKED: what %s computes (no %s; on Debian: apt-get install qemu-user)", p.arch, p.emulator)
	if os.Getenv("NEED_QEMU") != "" {
		t.Fail()
	}
	t.SkipNow()
}

// Encoding, plain forms, norms, clip factors, residuals, merges, steps, states, models
// and their digests have the same bits on every processor, compiled for every level,
// on any number of cores and in any order of arrival: the golden files hold for all.
// NEED_QEMU in the environment makes a processor that cannot be had a failure.
func TestSameBitsEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for other processors and emulates them")
	}
	for _, p := range processors {
		t.Run(p.arch+p.level, func(t *testing.T) {
			t.Parallel()
			p.need(t, p.run(""))
			bin := t.TempDir() + "/"
			args := []string{"test", "-c", "-o", bin}
			for folder := range golden {
				args = append(args, "./"+folder)
			}
			goCommand(t, []string{"GOARCH=" + p.arch, "GOAMD64=" + p.level}, args...)
			for folder, tests := range golden {
				cores := "2"
				if p.isHere() && slices.Contains(kernels, folder) {
					cores = "1,2,5" // emulated it would take long
				}
				cmd := p.run(bin+path.Base(folder)+".test", "-test.v", "-test.cpu="+cores, "-test.run=^("+tests+")$")
				cmd.Dir = folder
				out, err := cmd.CombinedOutput()
				if want := len(strings.Split(cores, ",")) * len(strings.Split(tests, "|")); err != nil || bytes.Count(out, []byte("\n--- PASS")) < want {
					t.Errorf("%s: %v, want %d tests passed\n%s", folder, err, want, out)
				}
			}
		})
	}
}
