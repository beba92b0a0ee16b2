package main

// This file holds the choice of what trains on this machine.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/engine/torch"
	"lode/replica"
)

// engineFlags are the choices of a machine that trains.
type engineFlags struct {
	engine, python, device, precision string
	model                             string // of the user's own, which may be run
	threads, ranks                    int
}

// What --engine and --precision may be.
var (
	engines    = []string{"cpu", "torch"}
	precisions = []string{"float32", "bf16"}
)

func (f *engineFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.engine, "engine", "cpu", "what trains: cpu, or torch for PyTorch, on a GPU if there is one")
	c.Flags().IntVar(&f.threads, "threads", 0, "threads to train with (default: all processors)")
	c.Flags().StringVar(&f.python, "python", "", "with torch: a Python that has PyTorch (default $LODE_PYTHON, else python3)")
	c.Flags().StringVar(&f.device, "device", "", "with torch: cuda, cuda:1, mps or cpu (default: the best there is)")
	c.Flags().IntVar(&f.ranks, "ranks", 1, "with torch: processes that share the rows of a batch, one for each GPU of this machine")
	c.Flags().StringVar(&f.precision, "precision", "float32", "float32, or bf16 for mixed precision: with cpu where the processor has AMX")
}

// addModel adds the flag by which a user lets a run's own model be run.
func (f *engineFlags) addModel(c *cobra.Command) {
	c.Flags().StringVar(&f.model, "model", "", "with torch: run the Python model of this name, MODULE:FUNCTION, which the run trains")
}

// check refuses what cannot be before anything is opened.
func (f *engineFlags) check() error {
	if !slices.Contains(engines, f.engine) {
		return usagef("--engine is %q, there are %s", f.engine, strings.Join(engines, " and "))
	}
	if f.threads < 0 {
		return usagef("--threads is %d, it can be 1 and up, or 0 for all processors", f.threads)
	}
	if f.ranks < 1 || f.ranks > 64 || f.ranks > 1 && f.engine != "torch" {
		return usagef("--ranks is %d, it can be 1 to 64, with --engine torch", f.ranks)
	}
	if !slices.Contains(precisions, f.precision) {
		return usagef("--precision is %q, there are %s", f.precision, strings.Join(precisions, " and "))
	}
	for _, g := range []struct{ name, value string }{{"python", f.python}, {"device", f.device}, {"model", f.model}} {
		if f.engine != "torch" && g.value != "" {
			return usagef("--%s is for --engine torch", g.name)
		}
	}
	return nil
}

// allows reports whether the model may be run: Python of others runs only by name.
func (f *engineFlags) allows(m model.Model) error {
	o, own := m.(model.Outside)
	if !own {
		if f.model != "" {
			return usagef("--model is %s, but the run trains a built-in model of family %s", f.model, m.Family())
		}
		return nil
	}
	switch factory := o.Code().Factory; {
	case f.engine != "torch":
		return usagef("the run trains %s, a model in Python: get its file, read it, and say --engine torch --model %s", factory, factory)
	case f.model != factory:
		return usagef("the run trains %s, a model in Python: get its file, read it, and say --model %s", factory, factory)
	}
	return nil
}

// open makes the engine that was chosen, for the model of a run.
func (f *engineFlags) open(r *replica.Rules, log zerolog.Logger) (engine.Engine, error) {
	if err := f.allows(r.Model); err != nil {
		return nil, err
	}
	threads := threadsOr(f.threads)
	if f.engine == "cpu" {
		library, name, err := multiplier(blasSetting())
		if err != nil {
			return nil, err
		}
		if library != nil {
			log.Info().Str("library", name).Msg("matrices are multiplied by a BLAS of the system")
		}
		return cpu.New(r.Model, cpu.Options{Threads: threads, Frozen: r.Frozen, NoDecay: r.NoDecay, BLAS: library, Mixed: f.precision == "bf16"})
	}
	e, err := torch.New(r.Model, torch.Options{
		Python: f.python, Device: f.device, Precision: f.precision, Ranks: f.ranks, Threads: threads,
		Frozen: r.Frozen, NoDecay: r.NoDecay,
		Log: log.With().Str("engine", "torch").Logger(),
	})
	if err != nil {
		return nil, fmt.Errorf("--engine torch: %w", err)
	}
	log.Info().Str("device", e.Device()).Msg("PyTorch is ready")
	return e, nil
}
