package torch

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"lode/engine"
	"lode/engine/enginetest"
	"lode/engine/model"
)

// pythonWith returns the interpreter that an environment variable names.
func pythonWith(t *testing.T, variable, library string) string {
	t.Helper()
	python := os.Getenv(variable)
	if python == "" {
		t.Skipf("ENGINES IN PYTHON ARE NOT CHECKED WITH %s: %s names no Python that has it (see make python)", library, variable)
	}
	return python
}

func TestPythonNumpyConforms(t *testing.T) {
	conform(t, Options{Python: pythonWith(t, "LODE_PYTHON", "numpy"), Numpy: true})
}

func TestPythonTorchConforms(t *testing.T) {
	conform(t, Options{Python: pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch"), Device: "cpu"})
}

// As on a device, where tensors are copies.
func TestPythonTorchApartConforms(t *testing.T) {
	conform(t, Options{Python: pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch"), Device: "cpu", apart: true})
}

// Two processes that share the rows find what one does, also for a single row.
func TestPythonTorchRanks(t *testing.T) {
	python := pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch")
	m := small()
	var engines []*Engine
	for _, ranks := range []int{1, 2} {
		e, err := New(m, Options{Python: python, Device: "cpu", Ranks: ranks, apart: ranks == 2})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := model.Init(m, [32]byte{7}, e.Params()); err != nil {
			t.Fatal(err)
		}
		engines = append(engines, e)
	}
	// A large epsilon makes steps proportional to the gradient.
	r := rand.New(rand.NewPCG(3, 4))
	for _, rows := range []int{4, 3, 1, 2} {
		b := enginetest.Batch(r, m, rows, 9)
		var losses [2]float64
		for i, e := range engines {
			before, err := e.Loss(b)
			if err != nil {
				t.Fatal(err)
			}
			if losses[i], err = e.Step(b, engine.Hyper{Rate: 1, Epsilon: 10}); err != nil || math.Abs(losses[i]-before) > 1e-5 {
				t.Fatalf("%d rows: loss %v, then %v (%v)", rows, before, losses[i], err)
			}
		}
		if math.Abs(losses[0]-losses[1]) > 1e-5 {
			t.Errorf("%d rows: losses %v", rows, losses)
		}
	}
	one, two := read(t, engines[0]), read(t, engines[1])
	for i := range one {
		if math.Abs(float64(one[i]-two[i])) > 1e-4 {
			t.Fatalf("parameter %d is %v in one process, %v in two", i, one[i], two[i])
		}
	}
}

func conform(t *testing.T, opt Options) {
	opt.idle = new(idle)
	defer func() {
		for i, p := range opt.idle.processes {
			p.Close()
			_ = opt.idle.memories[i].Close()
		}
	}()
	open := func(m model.Model, frozen, noDecay []bool) (engine.Engine, error) {
		opt := opt
		opt.Frozen, opt.NoDecay = frozen, noDecay
		return New(m, opt)
	}
	enginetest.Run(t, open)
	t.Run("stages", func(t *testing.T) { enginetest.RunStages(t, open) })
}
