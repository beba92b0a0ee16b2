package main

// This file holds the choice of what trains on this machine.

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/models"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/cuda/driver"
	"lode/engine/model"
	"lode/replica"
)

// engineFlags are the choices of a machine that trains.
type engineFlags struct {
	engine, python, device, precision string
	model                             string // of the user's own, which may be run
	blas                              string // BLAS of the system that multiplies
	threads, ranks                    int
	shard                             bool
	meet                              string // where processes of other machines join
	memoryFlags
	cardFlags
}

// precisions are what --precision may be.
var precisions = []string{"float32", "bf16"}

// newEngineFlags returns the choices that are made for who makes none.
func newEngineFlags() engineFlags {
	return engineFlags{engine: "cpu", precision: "float32", ranks: 1, blas: blasSetting()}
}

// engineNames are what --engine may be.
func engineNames() []string {
	return append([]string{autoEngine}, slices.Sorted(maps.Keys(engines))...)
}

func (f *engineFlags) add(c *cobra.Command) {
	*f = newEngineFlags()
	c.Flags().StringVar(&f.engine, "engine", f.engine, "what trains: cpu; cuda for an NVIDIA card (experimental, docs/gpu.md); torch for PyTorch, on a GPU if there is one; or auto, a card if one works, else cpu")
	c.Flags().IntVar(&f.threads, "threads", 0, "threads to train with (default: all processors)")
	c.Flags().StringVar(&f.python, "python", "", "with torch: a Python that has PyTorch (default $LODE_PYTHON, else python3)")
	c.Flags().StringVar(&f.device, "device", "", "with torch: cuda, cuda:1, mps or cpu (default: the best there is); with cuda: which card, such as cuda:1, or several that share the rows of a batch: cuda:0,1, cuda:0-3 or cuda:all")
	c.Flags().IntVar(&f.ranks, "ranks", f.ranks, "with torch: processes that share the rows of a batch, one for each GPU of this machine")
	c.Flags().BoolVar(&f.shard, "shard", false, "with torch: cut the model over the processes (FSDP2) instead of giving each the whole")
	c.Flags().StringVar(&f.meet, "meet", "", "with torch: HOST:PORT of this machine, where processes of other machines join (docs/pytorch.md)")
	c.Flags().StringVar(&f.precision, "precision", f.precision, "float32, or bf16 for mixed precision: with torch, with cuda, and with cpu where the processor has AMX")
	f.memoryFlags.add(c)
	f.cardFlags.add(c)
}

// addShared adds those of the flags that can be for many processes on one machine.
func (f *engineFlags) addShared(c *cobra.Command) {
	f.addFew(c, "what trains")
	c.Flags().Lookup("card-memory").Usage = strings.Replace(c.Flags().Lookup("card-memory").Usage, "may be taken", "all processes together may take", 1)
}

// addReader adds those of the flags that are for using a model.
func (f *engineFlags) addReader(c *cobra.Command) { f.addFew(c, "what computes") }

// addFew adds the flags that choose an engine, where and in which precision it works; does
// says what the engine is.
func (f *engineFlags) addFew(c *cobra.Command, does string) {
	*f = newEngineFlags()
	c.Flags().StringVar(&f.engine, "engine", f.engine, does+": cpu, cuda (an NVIDIA card, experimental), torch (PyTorch of $LODE_PYTHON), or auto, a card if one works, else cpu")
	c.Flags().StringVar(&f.device, "device", "", "with cuda: which card, such as cuda:1; with torch also mps or cpu")
	c.Flags().StringVar(&f.precision, "precision", f.precision, "float32, or bf16 for mixed precision")
	f.cardFlags.add(c)
}

// shared returns the flags that give a process these choices, and so many bytes of a card.
func (f *engineFlags) shared(card int64) []string {
	args := []string{"--engine", f.engine, "--precision", f.precision}
	if f.device != "" {
		args = append(args, "--device", f.device)
	}
	if card > 0 {
		args = append(args, "--card-memory", strconv.FormatInt(card, 10))
	}
	return args
}

// addModel adds the flag by which a user lets a run's own model be run.
func (f *engineFlags) addModel(c *cobra.Command) {
	c.Flags().StringVar(&f.model, "model", "", "with torch: run the Python model of this name, MODULE:FUNCTION, which the run trains")
}

// check refuses what cannot be before anything is opened.
func (f *engineFlags) check() error {
	if !slices.Contains(engineNames(), f.engine) {
		return usagef("--engine is %q, there are %s", f.engine, strings.Join(engineNames(), ", "))
	}
	if f.threads < 0 || f.threads > cpu.MaxThreads {
		return usagef("--threads is %d, it can be 1 to %d, or 0 for all processors", f.threads, cpu.MaxThreads)
	}
	if f.ranks < 1 || f.ranks > 64 || f.ranks > 1 && f.engine != "torch" {
		return usagef("--ranks is %d, it can be 1 to 64, with --engine torch", f.ranks)
	}
	if !slices.Contains(precisions, f.precision) {
		return usagef("--precision is %q, there are %s", f.precision, strings.Join(precisions, " and "))
	}
	if err := f.checkCard(); err != nil {
		return err
	}
	if f.device != "" && f.engine == "cpu" {
		return usagef("--device is for --engine torch and cuda")
	}
	for _, g := range []struct{ name, value string }{{"python", f.python}, {"model", f.model}, {"meet", f.meet}} {
		if f.engine != "torch" && g.value != "" {
			return usagef("--%s is for --engine torch", g.name)
		}
	}
	if f.engine != "torch" && f.shard {
		return usagef("--shard is for --engine torch")
	}
	return f.memoryFlags.check()
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

// plan says how the engine that was chosen will work for a run that asks for so much,
// and refuses what does not fit this machine. Nothing is allocated.
func (f *engineFlags) plan(r *replica.Rules, d model.Demand) (thrift, error) {
	if err := f.allows(r.Model); err != nil {
		return thrift{}, err
	}
	f.settle(r.Model)
	f.bind()
	return f.memoryFlags.plan(r.Model, d, model.Work{Threads: threadsOr(f.threads), Frozen: r.Frozen}, engines[f.engine].counts(f))
}

// open makes the engine that was chosen, for the model of a run, to work as planned.
func (f *engineFlags) open(r *replica.Rules, p thrift, log zerolog.Logger) (engine.Engine, error) {
	e, on, err := engines[f.engine].open(f, opening{model: r.Model, work: p.work, noDecay: r.NoDecay, log: log})
	if err != nil && f.chosen {
		return f.openInstead(r, p, err, log)
	}
	if err != nil {
		return nil, fmt.Errorf("--engine %s: %w", f.engine, err)
	}
	log.Info().Str("engine", on).Msg("the engine is ready")
	switch {
	case f.passed != nil:
		log.Warn().Str("because", f.passed.Error()).Msg("no card is used")
	case f.engine == "cpu" && driver.Present():
		log.Info().Msg("there is an NVIDIA card, which is not used: lode doctor says whether it could be")
	}
	return e, nil
}

// reader makes the engine that was chosen, for whoever uses a model row by row.
func (f *engineFlags) reader(m model.Model) (models.Engine, error) {
	inputs, _ := m.Takes()
	o := opening{model: m, work: model.Work{Threads: threadsOr(f.threads), Loads: []model.Load{{Rows: 1, Steps: 1}}}, log: zerolog.Nop()}
	if inputs.Series {
		o.work.Loads[0].Steps = inputs.Shape[0]
	}
	f.settle(m)
	e, _, err := engines[f.engine].open(f, o)
	if err != nil && f.chosen {
		f.pass(err)
		e, _, err = engines[f.engine].open(f, o)
	}
	if err != nil {
		return nil, fmt.Errorf("--engine %s: %w", f.engine, err)
	}
	return e.(models.Engine), nil // all are
}
