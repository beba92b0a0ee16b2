package torch

// This file tests engines of several processes against those of one.

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"lode/engine"
	"lode/engine/enginetest"
	"lode/engine/model"
	"lode/tensor"
)

// layered has sizes that neither two nor three processes share evenly, layers to gather one
// by one, and an embedding that is the head too.
func layered() model.Llama {
	return model.Llama{Dim: 10, Layers: 3, Heads: 5, KVHeads: 1, FFN: 13, Vocab: 11, Context: 16, RopeTheta: 10000, NormEps: 1e-5, Tied: true}
}

// Several processes that share the rows find what one does, also where there are fewer rows
// than processes.
func TestPythonTorchRanks(t *testing.T) {
	python := pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch")
	for name, opt := range map[string]Options{
		"whole, memory":   {Ranks: 2},
		"whole, apart":    {Ranks: 2, apart: true},
		"shards of two":   {Ranks: 2, Shard: true},
		"shards of three": {Ranks: 3, Shard: true},
	} {
		t.Run(name, func(t *testing.T) {
			opt.Python = python
			compare(t, layered(), opt)
		})
	}
}

// compare trains a model in one process and as opt says, some of it frozen and some free of
// decay, by both optimizers, and compares all that can be seen.
func compare(t *testing.T, m model.Model, opt Options) {
	t.Helper()
	l, err := model.Layout(m)
	if err != nil {
		t.Fatal(err)
	}
	opt.Device, opt.Frozen, opt.NoDecay = "cpu", make([]bool, l.NumTensors()), make([]bool, l.NumTensors())
	opt.Frozen[2], opt.NoDecay[3] = true, true
	one, err := New(m, Options{Python: opt.Python, Device: "cpu", Frozen: opt.Frozen, NoDecay: opt.NoDecay})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	many, err := New(m, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer many.Close()
	if opt.Shard && !strings.Contains(many.Device(), " 3 blocks and the rest over ") {
		t.Errorf("the device is %q", many.Device())
	}
	engines := []*Engine{one, many}
	for _, e := range engines {
		if err := model.Init(m, [32]byte{7}, e.Params()); err != nil {
			t.Fatal(err)
		}
	}
	both := func(what string, f func(e *Engine) (float64, error)) {
		t.Helper()
		var x [2]float64
		for i, e := range engines {
			if x[i], err = f(e); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if !(math.Abs(x[0]-x[1]) <= 1e-5*max(1, math.Abs(x[0]))) {
			t.Errorf("%s: %v in one process, %v in several", what, x[0], x[1])
		}
	}
	// A large epsilon makes steps proportional to the gradient.
	r := rand.New(rand.NewPCG(3, 4))
	for i, rows := range []int{4, 3, 1, 2, 5} {
		b := enginetest.Batch(r, m, rows, 9)
		h := engine.Hyper{Rate: 0.1, Epsilon: 10, WeightDecay: 0.1, ClipNorm: 0.5, Muon: i > 2}
		both("loss before", func(e *Engine) (float64, error) { return e.Loss(b) })
		both("gradient's loss", func(e *Engine) (float64, error) { return e.Gradient(b) })
		both("gradient", func(e *Engine) (float64, error) { return 0, alike(one, one.Grad(), e.Grad()) })
		both("step", func(e *Engine) (float64, error) { return e.Step(b, h) })
		both("loss after", func(e *Engine) (float64, error) { return e.Loss(b) })
		both("predictions", func(e *Engine) (sum float64, err error) {
			said, err := e.Predict(b)
			for i, x := range said {
				sum += float64(x) * float64(i%7)
			}
			return sum / float64(len(said)), err
		})
		both("grades", func(e *Engine) (sum float64, err error) {
			grades, err := e.Grade(b)
			for i, g := range grades {
				sum += g.Loss * float64(i%7)
			}
			return sum / float64(len(grades)), err
		})
		both("parameters", func(e *Engine) (float64, error) { return 0, alike(one, one.Params(), e.Params()) })
	}
	var state, same bytes.Buffer
	if err := errors.Join(many.WriteState(&state), one.WriteState(&same)); err != nil || state.Len() != same.Len() {
		t.Fatalf("states of %d and %d bytes, %v", state.Len(), same.Len(), err)
	}
	for i, x := range one.moments.First {
		if y := many.moments.First[i]; math.Abs(float64(x-y)) > 1e-5 {
			t.Fatalf("moment %d is %v in one process, %v in several", i, x, y)
		}
	}
	// What is written here is what counts, after all that was measured.
	if err := many.ReadState(&same); err != nil {
		t.Fatal(err)
	}
	if err := model.Init(m, [32]byte{8}, one.Params()); err != nil {
		t.Fatal(err)
	}
	if err := tensor.Copy(l, many.Params(), one.Params()); err != nil {
		t.Fatal(err)
	}
	b := enginetest.Batch(r, m, 3, 9)
	both("loss elsewhere", func(e *Engine) (float64, error) { return e.Loss(b) })
	both("step from there", func(e *Engine) (float64, error) {
		return e.Step(b, engine.Hyper{Rate: 1e-2, Epsilon: 1, Muon: true})
	})
	both("loss from there", func(e *Engine) (float64, error) { return e.Loss(b) })
	if peak, cpu, err := many.Usage(); err != nil || peak < 1<<20 || cpu <= 0 {
		t.Errorf("usage %d, %v, %v", peak, cpu, err)
	}
}

// alike compares two vectors of an engine's layout.
func alike(e *Engine, a, b tensor.Reader) error {
	x, y := make(tensor.Flat, e.layout.Len()), make(tensor.Flat, e.layout.Len())
	if err := errors.Join(tensor.Copy(e.layout, x, a), tensor.Copy(e.layout, y, b)); err != nil {
		return err
	}
	for i := range x {
		if !(math.Abs(float64(x[i]-y[i])) <= 1e-5) {
			return fmt.Errorf("value %d is %v in one process, %v in several", i, x[i], y[i])
		}
	}
	return nil
}

// children are the processes that one started.
func children(t *testing.T, of int) (pids []int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", of, of))
	if err != nil {
		t.Skip("this system does not say which process started which:", err)
	}
	for _, field := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// An engine that loses any of its processes is lost, and another one goes on.
func TestPythonTorchRanksKilled(t *testing.T) {
	python := pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch")
	for _, shard := range []bool{false, true} {
		lose(t, Options{Python: python, Ranks: 3, Shard: shard}, func(e *Engine) int {
			pids := children(t, e.ProcessID())
			if len(pids) != 2 {
				t.Fatalf("%d processes follow", len(pids))
			}
			return pids[1]
		})
	}
}

// lose kills a process while an engine trains.
func lose(t *testing.T, opt Options, which func(*Engine) int) {
	t.Helper()
	m := layered()
	opt.Device = "cpu"
	e, err := New(m, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := model.Init(m, [32]byte{7}, e.Params()); err != nil {
		t.Fatal(err)
	}
	before := make(tensor.Flat, e.layout.Len())
	if err := tensor.Copy(e.layout, before, e.Params()); err != nil {
		t.Fatal(err)
	}
	b := enginetest.Batch(rand.New(rand.NewPCG(3, 4)), m, 4, 9)
	h := engine.Hyper{Rate: 1e-2}
	want, err := e.Step(b, h)
	if err != nil {
		t.Fatal(err)
	}
	pid := which(e)
	done := make(chan error)
	go func() { // ends with the process
		for {
			if _, err := e.Step(b, h); err != nil {
				done <- err
				return
			}
		}
	}()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, engine.ErrLost) {
		t.Fatalf("with one of its processes killed: %v", err)
	}
	if err := errors.Join(e.Reopen(), tensor.Copy(e.layout, e.Params(), before)); err != nil {
		t.Fatal(err)
	}
	if got, err := e.Step(b, h); err != nil || got != want {
		t.Errorf("the loss is %v the second time, %v the first (%v)", got, want, err)
	}
}

// followers starts processes as another machine does, by torchrun. They share nothing with
// an engine but the network, and wait for one at the place it returns.
func followers(t *testing.T, python string, n int, flags ...string) (meet string, pid int) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	meet = free.Addr().String()
	free.Close()
	files, err := installed()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-m", "torch.distributed.run", "--standalone", "--nproc-per-node", strconv.Itoa(n), "-m", "lode.engine.follow", "--meet", meet}
	c := exec.Command(python, append(args, flags...)...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	c.Env = append(os.Environ(), "PYTHONPATH="+files, "OMP_NUM_THREADS=1")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // torchrun ends its own
		_ = c.Wait()                          // its output says it
		if t.Failed() {
			t.Logf("followers said:\n%s", said.String())
		}
	})
	return meet, c.Process.Pid
}

// Processes of another machine find what one process here does, and follow one engine after
// another.
func TestPythonTorchMachines(t *testing.T) {
	python := pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch")
	meet, torchrun := followers(t, python, 2)
	for _, opt := range []Options{{Ranks: 2, Shard: true}, {Ranks: 2}, {Ranks: 1, apart: true}} {
		opt.Python, opt.Meet = python, meet
		compare(t, layered(), opt)
	}
	lose(t, Options{Python: python, Meet: meet, Shard: true}, func(*Engine) int {
		return children(t, children(t, torchrun)[1])[0]
	})
}

// A module of a user's own in several processes: with layers in a list, a head that shares
// its weights with the embedding, and one that keeps lists of its own parameters.
const stack = `
from torch import nn


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(7)
        self.up, self.down = nn.Linear(7, 9), nn.Linear(9, 7)

    def forward(self, x):
        return x + self.down(self.up(self.norm(x)).relu())


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(11, 7)
        self.layers = nn.ModuleList(Layer() for _ in range(3))
        self.memory = nn.GRU(7, 7, batch_first=True)
        self.head = nn.Linear(7, 11, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids):
        x = self.words(ids)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.memory(x)[0])


def build():
    return Stack()


def wrong():
    m = Stack()
    m.head = nn.Linear(8, 11)
    return m


def single():
    m = Stack()
    m.scale = nn.Parameter(m.head.weight.new_tensor(1.0))
    return m
`

func TestPythonTorchRanksCustom(t *testing.T) {
	opt := Options{Python: pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch"), Device: "cpu"}
	describe := func(factory string) model.Custom {
		t.Helper()
		letters := engine.Port{Shape: []int{16}, Series: true, Limit: 11}
		m, err := Describe(factory, "", letters, letters, opt, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	t.Chdir(t.TempDir())
	put := func(code string) {
		if err := os.WriteFile("stack.py", []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(stack)
	m := describe("stack:build")
	opt.Ranks = 2
	wrong, err := New(describe("stack:wrong"), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	for range 2 { // all of them go on
		_, err := wrong.Loss(enginetest.Batch(rand.New(rand.NewPCG(3, 4)), m, 4, 9))
		if err == nil || errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), "cannot be multiplied") {
			t.Errorf("a model that fails: %v", err)
		}
	}
	opt.Ranks, opt.Shard = 2, true
	if _, err := New(describe("stack:single"), opt); err == nil || errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), "scale is a single number") {
		t.Errorf("what cannot be sharded: %v", err)
	}
	compare(t, m, opt)

	opt.Ranks = 1
	opt.Meet, _ = followers(t, opt.Python, 1, "--model", "stack:build")
	compare(t, m, opt)
	// The file is compared on the other machine as well: this one's has been read here.
	put(stack + "\n")
	other := describe("stack:build")
	put(stack)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	put(stack + "\n")
	if _, err := New(other, opt); err == nil || errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), "in process 1: "+here) || !strings.Contains(err.Error(), "is not the file this run trains") {
		t.Errorf("another file there: %v", err)
	}
	opt.Meet, _ = followers(t, opt.Python, 1)
	if _, err := New(other, opt); err == nil || errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), "say --model stack:build") {
		t.Errorf("a model that may not be run there: %v", err)
	}
}

// Shards in mixed precision begin where one process does, and learn, whatever models take.
func TestPythonTorchShardMixed(t *testing.T) {
	python := pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch")
	for _, m := range []model.Model{
		layered(), model.LeNet(12, 12, 4),
		model.MLP{Input: []int{6}, Hidden: []int{9, 7}, Activation: model.GELU, Outputs: 2},
	} {
		b := enginetest.Batch(rand.New(rand.NewPCG(3, 4)), m, 5, 9)
		var first, last [2]float64
		for i, opt := range []Options{{}, {Ranks: 2, Shard: true}} {
			opt.Python, opt.Device, opt.Precision = python, "cpu", "bf16"
			e, err := New(m, opt)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if err := model.Init(m, [32]byte{7}, e.Params()); err != nil {
				t.Fatal(err)
			}
			for step := range 20 {
				if last[i], err = e.Step(b, engine.Hyper{Rate: 1e-2}); err != nil {
					t.Fatalf("%s: %v", m.Family(), err)
				}
				if step == 0 {
					first[i] = last[i]
				}
			}
		}
		// bf16 has 8 bits; shards keep values between layers in it too.
		if math.Abs(first[0]-first[1]) > 0.02*first[0] || last[1] > 0.8*first[1] || math.Abs(last[0]-last[1]) > 0.2*first[0] {
			t.Errorf("%s: from losses %v to %v", m.Family(), first, last)
		}
	}
}
