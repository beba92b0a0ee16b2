package torch

// This file tests models of a user's own, by the worked example of docs/pytorch.md.

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/enginetest"
	"lode/engine/model"
	"lode/tensor"
)

// example is the page with it; tests change the working directory.
var example, errExample = os.ReadFile(filepath.Join("..", "..", "docs", "pytorch.md"))

// nano writes the example's file to a folder of its own, where it is found.
func nano(t *testing.T, change ...string) {
	t.Helper()
	if errExample != nil {
		t.Fatal(errExample)
	}
	code := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(example)
	if code == nil {
		t.Fatal("docs/pytorch.md has no example")
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("nano.py", []byte(strings.NewReplacer(change...).Replace(string(code[1]))), 0o600); err != nil {
		t.Fatal(err)
	}
}

var text = engine.Port{Shape: []int{64}, Series: true, Limit: 256}

// The example trains what it says it does, and what is known of it without Python is
// what the process finds.
func TestPythonTorchCustom(t *testing.T) {
	opt := Options{Python: pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch"), Device: "cpu"}
	nano(t)
	m, err := Describe("nano:build", "nano:loss", text, text, opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := model.ParseConfig(m.Config())
	if err != nil {
		t.Fatal(err)
	}
	l, err := model.Layout(parsed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cpu.New(parsed, cpu.Options{}); err == nil || !strings.Contains(err.Error(), "--engine torch") {
		t.Errorf("the engine in Go: %v", err)
	}
	for i := range l.NumTensors() {
		low := false
		for _, p := range []string{"head.down.*", "head.up.*"} {
			is, err := path.Match(p, l.Spec(i).Name)
			low = low || is && err == nil
		}
		opt.Frozen = append(opt.Frozen, !low)
	}
	e, err := New(parsed, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := model.Init(parsed, [32]byte{3}, e.Params()); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	before, first, last := read(t, e), 0.0, 0.0
	for i := range 15 {
		if last, err = e.Step(enginetest.Batch(r, parsed, 2, 16), engine.Hyper{Rate: 3e-2}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = last
		}
	}
	if _, err := e.Grade(enginetest.Batch(r, parsed, 2, 16)); !errors.Is(err, engine.ErrNoGrades) {
		t.Errorf("grades of a loss of the user's own: %v", err)
	}
	if last > first-0.02 {
		t.Errorf("loss went from %v to %v", first, last)
	}
	after, moved := read(t, e), map[string]bool{}
	for c := range e.Layout().Chunks() {
		for i := range c.Len {
			if before[c.Offset+i] != after[c.Offset+i] {
				moved[e.Layout().Spec(c.Tensor).Name] = true
			}
		}
	}
	if len(moved) != 2 || !moved["head.down.weight"] || !moved["head.up.weight"] {
		t.Errorf("moved: %v", moved)
	}
}

func read(t *testing.T, e engine.Engine) []float32 {
	t.Helper()
	x := make([]float32, e.Layout().Len())
	for c := range e.Layout().Chunks() {
		if err := e.Params().ReadChunk(c, x[c.Offset:c.Offset+c.Len]); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

// What is wrong with a model is said in words.
func TestPythonTorchCustomRefuses(t *testing.T) {
	opt := Options{Python: pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch"), Device: "cpu"}
	for says, c := range map[string]struct {
		factory, loss string
		change        []string
	}{
		"no Python module 'micro'": {factory: "micro:build"},
		"has no 'make'":            {factory: "nano:make"},
		"is no function":           {factory: "nano:kind", change: []string{"def build", "kind = 3\n\n\ndef build"}},
		"a dict, not a torch":      {factory: "nano:build", change: []string{"return model", "return {}"}},
		"running statistics":       {factory: "nano:build", change: []string{"return model\n\n", "return nn.BatchNorm1d(3)"}},
		"must be in the module":    {factory: "nano:build", loss: "micro:loss"},
		"has no 'cost'":            {factory: "nano:build", loss: "nano:cost"},
		"ZeroDivisionError":        {factory: "nano:build", change: []string{"return model\n\n", "return 1 / 0"}},
		"one row was tried":        {factory: "nano:build", change: []string{"return model\n\n", "return nn.Linear(3, 3)\n\n"}},
		"gives 100 logits":         {factory: "nano:build", change: []string{"return model\n\n", "return nn.Embedding(256, 100)\n\n"}},
		"tensors are none":         {factory: "nano:build", change: []string{"return model\n\n", "return nn.ReLU()"}},
	} {
		nano(t, c.change...)
		if _, err := Describe(c.factory, c.loss, text, text, opt, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %q", err, says)
		}
	}
	nano(t)
	m, err := Describe("nano:build", "", text, text, opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	nano(t, "from torch import nn", "open('trace', 'w').close()\nfrom torch import nn")
	if _, err := New(m, opt); err == nil || !strings.Contains(err.Error(), "is not the file this run trains") {
		t.Errorf("another file: %v", err)
	}
	if _, err := os.Stat("trace"); err == nil {
		t.Error("another file was run")
	}
	if _, err := Describe("nano:build", "", text, text, opt, nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("trace"); err != nil {
		t.Errorf("a file that runs leaves its trace: %v", err)
	}
}

// A module in a package is found without running the package.
func TestPythonTorchCustomPackage(t *testing.T) {
	opt := Options{Python: pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch"), Device: "cpu"}
	nano(t)
	for _, err := range []error{
		os.Mkdir("pack", 0o700), os.Rename("nano.py", "pack/nano.py"),
		os.WriteFile("pack/__init__.py", []byte("open('trace', 'w').close()\n"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Describe("pack.nano:build", "pack.nano:loss", text, text, opt, nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("trace"); err == nil {
		t.Error("the package was run")
	}
}

// What Describe gives are the values of the module's state_dict, bit by bit, whatever
// types and places they have.
func TestPythonTorchCustomValues(t *testing.T) {
	opt := Options{Python: pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch"), Device: "cpu"}
	nano(t, "    return model\n", `    model.words.to(torch.bfloat16)
    model.head.base.weight.data = torch.randn(64, 256).t()  # not contiguous
    model.scale = nn.Parameter(torch.tensor(-0.0))
    model.tied = model.words.weight
    open("want", "wb").write(b"".join(p.detach().float().contiguous().numpy().tobytes() for p in model.parameters()))
    return model
`)
	var got []byte
	m, err := Describe("nano:build", "nano:loss", text, text, opt, func(l tensor.Layout, params tensor.Flat) error {
		var b bytes.Buffer
		err := tensor.Stream(&b, l, params)
		got = b.Bytes()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("want")
	if err != nil || len(want) == 0 {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d, or other bits", len(got), len(want))
	}
	named := 0
	for _, p := range m.Tensors {
		if p.Name == "scale" || p.Name == "tied" || p.Name == "words.weight" { // the last two are one
			named++
		}
	}
	if named != 2 {
		t.Errorf("the module is another: %v", m.Tensors)
	}
	lost := errors.New("no room")
	if _, err := Describe("nano:build", "", text, text, opt, func(tensor.Layout, tensor.Flat) error { return lost }); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
}

// arming makes the example's loss one that, on a batch that begins with 7, has the next
// copy to the device fail.
const arming = `    if inputs[0, 0] == 7:
        copy = torch.Tensor.copy_

        def refuse(*_):
            torch.Tensor.copy_ = copy
            raise ValueError("no copy")

        torch.Tensor.copy_ = refuse
    return F.cross`

// What was written here is not lost where a call is refused before the process took it,
// and neither is what was trained before.
func TestPythonTorchRefusedCall(t *testing.T) {
	opt := Options{Python: pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch"), Device: "cpu", apart: true}
	nano(t, "    return F.cross", arming)
	m, err := Describe("nano:build", "nano:loss", text, text, opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(m, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := model.Init(m, [32]byte{3}, e.Params()); err != nil {
		t.Fatal(err)
	}
	batch := func(first int32) engine.Batch { return engine.Tokens(1, 2, []int32{first, 1}, []int32{1, 1}) }
	for name, call := range map[string]func(engine.Batch) error{
		"gradient": func(b engine.Batch) error { _, err := e.Gradient(b); return err },
		"step":     func(b engine.Batch) error { _, err := e.Step(b, engine.Hyper{Rate: 1e-2}); return err },
		"loss":     func(b engine.Batch) error { _, err := e.Loss(b); return err },
	} {
		if _, err := e.Step(batch(7), engine.Hyper{Rate: 1e-2}); err != nil { // no read follows: the process has newer values
			t.Fatal(err)
		}
		want := make([]float32, e.Layout().Len())
		for i := range want {
			want[i] = float32(i % 5)
		}
		copy(e.params, want) // all of them, so that nothing need be asked for
		e.ahead["params"], e.behind = true, false
		if err := call(batch(1)); err == nil || !strings.Contains(err.Error(), "no copy") {
			t.Fatalf("%s that cannot be: %v", name, err)
		}
		if !slices.Equal(read(t, e), want) {
			t.Errorf("%s was refused, and parameters are not as they were written", name)
		}
		if _, err := e.Loss(batch(1)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(read(t, e), want) {
			t.Errorf("%s was refused, and later parameters are not as they were written", name)
		}
	}
}
