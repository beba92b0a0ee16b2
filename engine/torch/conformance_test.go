package torch

import (
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

// As on several devices, each of which has a shard of everything.
func TestPythonTorchShardConforms(t *testing.T) {
	conform(t, Options{Python: pythonWith(t, "LODE_TORCH_PYTHON", "PyTorch"), Device: "cpu", Ranks: 2, Shard: true})
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
