package torch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fxamacker/cbor/v2"

	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/enginetest"
	"lode/engine/model"
	"lode/tensor"
)

// The test's own binary may be the interpreter: a variable names what it does.
const role = "LODE_TEST_PYTHON"

func TestMain(m *testing.M) {
	if name := os.Getenv(role); name != "" {
		lie(name)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func small() model.Llama {
	return model.Llama{Dim: 8, Layers: 1, Heads: 2, KVHeads: 1, FFN: 12, Vocab: 11, Context: 16, RopeTheta: 10000, NormEps: 1e-5}
}

// lie plays a process that says what is not so.
func lie(name string) {
	say := func(message map[string]any) {
		b, err := cbor.Marshal(message)
		if err != nil {
			panic(err)
		}
		_, _ = os.Stdout.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...))
	}
	say(map[string]any{"hello": 1, "python": "3"})
	l, err := model.Layout(small())
	if err != nil {
		panic(err)
	}
	for n := uint64(1); ; n++ {
		var head [4]byte
		if _, err := io.ReadFull(os.Stdin, head[:]); err != nil {
			return
		}
		b := make([]byte, binary.LittleEndian.Uint32(head[:]))
		_, _ = io.ReadFull(os.Stdin, b)
		var tensors []spec
		for t := range l.NumTensors() {
			tensors = append(tensors, spec{Name: l.Spec(t).Name, Shape: l.Spec(t).Shape})
		}
		switch name {
		case "one tensor more":
			tensors = append(tensors, spec{Name: "extra", Shape: []int{1}})
		case "one tensor less":
			tensors = tensors[1:]
		case "another shape":
			tensors[0].Shape = []int{11, 9}
		case "another name":
			tensors[0].Name = "wte"
		case "a negative shape":
			tensors[0].Shape = []int{-11, -8}
		case "a huge shape":
			tensors[0].Shape = []int{math.MaxInt, 2}
		case "no shape":
			tensors[0].Shape = nil
		case "the same twice":
			tensors[1].Name = tensors[0].Name
		}
		result := any(opened{Tensors: tensors, Device: "none", Shared: true})
		switch {
		case n == 2:
			result = map[string]any{}
		case n > 2 && name == "NaN":
			result = map[string]any{"loss": math.NaN()}
		case n > 2 && name == "infinite":
			result = map[string]any{"loss": math.Inf(-1)}
		case n > 2:
			result = map[string]any{"loss": 2.5}
		}
		say(map[string]any{"id": n, "result": result})
	}
}

// open starts an engine, with the test's binary for an interpreter if it is to lie.
func open(t *testing.T, as string, opt Options) (*Engine, error) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no processes of ours on Windows")
	}
	if as != "" {
		t.Setenv(role, as)
		opt.Python = os.Args[0]
	}
	e, err := New(small(), opt)
	if err == nil {
		t.Cleanup(func() { _ = e.Close() })
	}
	return e, err
}

// A process with another model is refused, whatever it says of it.
func TestOtherModelsAreRefused(t *testing.T) {
	for name, says := range map[string]string{
		"one tensor more":  "in 13 tensors, ours",
		"one tensor less":  "in 11 tensors, ours",
		"another shape":    "or they differ in name or shape",
		"another name":     "or they differ in name or shape",
		"a negative shape": "out of range",
		"a huge shape":     "out of range",
		"no shape":         "0 dimensions",
		"the same twice":   "listed twice",
	} {
		if _, err := open(t, name, Options{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want one that says %q", name, err, says)
		}
	}
}

// A loss that is no number is an error, and no end.
func TestLossesAreChecked(t *testing.T) {
	b := enginetest.Batch(rand.New(rand.NewPCG(1, 2)), small(), 2, 5)
	for name, says := range map[string]string{"NaN": "loss is NaN", "infinite": "loss is -Inf"} {
		e, err := open(t, name, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := e.Loss(b); err == nil || errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		opt  Options
		says string
	}{
		{Options{Frozen: []bool{true}}, "told of 1 tensors"},
		{Options{Frozen: []bool{true, true, true, true, true, true, true, true, true, true, true, true}}, "every tensor is frozen"},
		{Options{Python: "/nowhere/python3"}, "no Python"},
	} {
		if _, err := New(small(), c.opt); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want one that says %q", c.opt, err, c.says)
		}
	}
}

func TestPythonRefusesOptions(t *testing.T) {
	python := pythonWith(t, "LODE_PYTHON", "numpy")
	for _, c := range []struct {
		opt  Options
		says string
	}{
		{Options{Numpy: true, Device: "cuda"}, `not on 'cuda'`},
		{Options{Numpy: true, Precision: "bf16"}, `no precision 'bf16'`},
	} {
		c.opt.Python = python
		if _, err := New(small(), c.opt); err == nil || errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want one that says %q", c.opt, err, c.says)
		}
	}
}

// A killed process is noticed, and another one goes on from the same state to the
// same bits.
func TestPythonKilled(t *testing.T) {
	python := pythonWith(t, "LODE_PYTHON", "numpy")
	e, err := New(small(), Options{Python: python, Numpy: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := model.Init(small(), [32]byte{7}, e.Params()); err != nil {
		t.Fatal(err)
	}
	vector, err := e.NewVector()
	if err != nil {
		t.Fatal(err)
	}
	train := func(n int) (last float64) {
		r := rand.New(rand.NewPCG(3, 4))
		for range n {
			if last, err = e.Step(enginetest.Batch(r, small(), 2, 9), engine.Hyper{Rate: 1e-2}); err != nil {
				t.Fatal(err)
			}
		}
		return last
	}
	train(3)
	params := make(tensor.Flat, e.Layout().Len())
	var state bytes.Buffer
	if err := errors.Join(tensor.Copy(e.Layout(), params, e.Params()), e.WriteState(&state)); err != nil {
		t.Fatal(err)
	}
	want := train(4)
	if err := e.Reopen(); err != nil { // not lost: changes nothing
		t.Fatal(err)
	}
	if e.moments.Steps != 7 {
		t.Fatalf("%d steps after reopening what was not lost", e.moments.Steps)
	}

	p, err := os.FindProcess(e.ProcessID())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	one, c := make([]float32, 1), tensor.Chunk{Len: 1}
	if _, err := e.Loss(enginetest.Batch(rand.New(rand.NewPCG(1, 2)), small(), 2, 5)); !errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), "signal: killed") {
		t.Fatalf("a killed process: %v", err)
	}
	_, another := e.NewVector()
	for i, err := range []error{
		e.Params().ReadChunk(c, one), e.Params().WriteChunk(c, one), e.Grad().ReadChunk(c, one), vector.ReadChunk(c, one),
		e.WriteState(io.Discard), e.ReadState(bytes.NewReader(state.Bytes())), another,
	} {
		if !errors.Is(err, engine.ErrLost) {
			t.Errorf("call %d on a lost engine: %v", i, err)
		}
	}

	if err := e.Reopen(); err != nil {
		t.Fatal(err)
	}
	if err := vector.ReadChunk(c, one); err != nil {
		t.Errorf("a vector from before: %v", err)
	}
	if err := errors.Join(tensor.Copy(e.Layout(), e.Params(), params), e.ReadState(&state)); err != nil {
		t.Fatal(err)
	}
	if got := train(4); got != want {
		t.Errorf("loss %v after going on, %v without a loss of the process", got, want)
	}
}

// An engine here and one in Go may take over from each other.
func TestPythonSharesStateWithGo(t *testing.T) {
	python := pythonWith(t, "LODE_PYTHON", "numpy")
	frozen := make([]bool, 12)
	frozen[0] = true
	a, err := New(small(), Options{Python: python, Numpy: true, Frozen: frozen})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := cpu.New(small(), cpu.Options{Frozen: frozen})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := model.Init(small(), [32]byte{7}, a.Params()); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	hand := func(from, to engine.Engine) {
		t.Helper()
		var state, same bytes.Buffer
		if err := errors.Join(tensor.Copy(a.Layout(), to.Params(), from.Params()), from.WriteState(&state)); err != nil {
			t.Fatal(err)
		}
		saved := bytes.Clone(state.Bytes())
		if err := errors.Join(to.ReadState(&state), to.WriteState(&same)); err != nil || !bytes.Equal(same.Bytes(), saved) {
			t.Fatal("another state came out than went in", err)
		}
	}
	for i := range 6 {
		h := engine.Hyper{Rate: 1e-2, WeightDecay: 0.1, ClipNorm: 1, Muon: i > 3}
		batch := enginetest.Batch(r, small(), 2, 9)
		hand(a, b)
		x, err := a.Step(batch, h)
		y, err2 := b.Step(batch, h)
		if err := errors.Join(err, err2); err != nil || math.Abs(x-y) > 1e-5 {
			t.Fatalf("step %d: losses %v and %v (%v)", i, x, y, err)
		}
		if i%2 == 0 {
			hand(b, a)
		}
	}
}

// The Python files are written once, and mended.
func TestInstall(t *testing.T) {
	cache := t.TempDir()
	files := fstest.MapFS{"a.py": {Data: []byte("a")}, "b/c.py": {Data: []byte("c")}}
	dir, err := install(cache, files)
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(dir, "b", "c.py")
	if err := os.WriteFile(damaged, []byte("d"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := install(cache, files)
	if err != nil || again != dir {
		t.Fatal(again, err)
	}
	if b, err := os.ReadFile(damaged); err != nil || string(b) != "c" {
		t.Errorf("a damaged file holds %q, %v", b, err)
	}
	files["a.py"] = &fstest.MapFile{Data: []byte("b")}
	if other, err := install(cache, files); err != nil || other == dir {
		t.Errorf("other files lie in the same folder %s, %v", other, err)
	}
	if _, err := install(damaged, files); err == nil {
		t.Error("a file was taken for a folder")
	}
}
