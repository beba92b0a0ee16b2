package main

// This file holds lode bench engine: how fast an engine trains on this machine.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/measure"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/kernel"
	"lode/engine/model"
	"lode/engine/torch"
)

// benchEngines are the engines that can be measured.
var benchEngines = map[string]benchEngine{
	"cpu": {
		open: func(m model.Model, f *engineBench) (engine.Engine, error) {
			library, name, err := multiplier(f.blas)
			if err != nil {
				return nil, err
			}
			if f.with = "cpu " + kernel.Name(); library != nil {
				f.with += " " + name
			}
			if f.precision == "bf16" {
				f.with += " bf16"
			}
			return cpu.New(m, cpu.Options{Threads: f.threads, MicroRows: f.microRows, Recompute: f.recompute, BLAS: library, Mixed: f.precision == "bf16"})
		},
		peak: measure.Peak, meter: func(engine.Engine) measure.Meter { return measure.Meter{Peak: ownPeak, CPU: ownCPU} },
	},
	"torch": {
		open: func(m model.Model, f *engineBench) (engine.Engine, error) {
			e, err := torch.New(m, torch.Options{Threads: f.threads, Precision: f.precision})
			if err != nil {
				return nil, err
			}
			f.with = "torch " + e.Device()
			return e, nil
		},
		meter: func(e engine.Engine) measure.Meter { return bothMeter(e.(*torch.Engine)) },
	},
}

// bothMeter adds up this process and the engine's own. One that fell silent counts as
// nothing: the next step says what became of it.
func bothMeter(e *torch.Engine) measure.Meter {
	return measure.Meter{
		Peak: func() int64 {
			peak, _, _ := e.Usage()
			return ownPeak() + peak
		},
		CPU: func() time.Duration {
			_, used, _ := e.Usage()
			return ownCPU() + used
		},
	}
}

type benchEngine struct {
	open  func(m model.Model, f *engineBench) (engine.Engine, error)
	peak  func(threads int) float64 // operations in a second at best; nil if not known
	meter func(engine.Engine) measure.Meter
}

// engineBench are the choices of lode bench engine.
type engineBench struct {
	engine, size    string
	threads, steps  int
	microRows       int
	recompute       bool
	blas, precision string
	with            string // what the engine uses of the machine, once it is open
	export, profile string
	asJSON          bool
}

func benchEngineCommand() *cobra.Command {
	var f engineBench
	sizes := strings.Join(sizeNames(), ", ")
	c := &cobra.Command{
		Use:   "engine",
		Short: "Tokens a second, use of the machine and memory of training",
		Long: `Train a Llama of a given size for some steps and print tokens a second, how much of
what the machine could do at most that is, and the most memory the process held. The
peak is measured before: multiply-adds in registers on as many threads. The first two
steps are not counted, the rates are those of the median step.

Sizes: 1m (0.9 million parameters, tokens are bytes), 10m, 50m, 124m and 1b. The
largest needs 18 GB. With --export the model, its parameters and its batches are
written to a folder instead, for other programs to train on. The engine torch uses the
Python that $LODE_PYTHON names, else python3, and the best device that PyTorch has.`,
		Example: "  lode bench engine --size 10m --threads 2 --json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return f.run(c.Context(), c.OutOrStdout()) },
	}
	c.Flags().StringVar(&f.engine, "engine", "cpu", "engine: "+strings.Join(slices.Sorted(maps.Keys(benchEngines)), ", "))
	c.Flags().StringVar(&f.size, "size", "10m", "model: "+sizes)
	c.Flags().IntVar(&f.threads, "threads", runtime.NumCPU(), "threads")
	c.Flags().IntVar(&f.steps, "steps", 10, "steps that count")
	c.Flags().IntVar(&f.microRows, "micro-rows", 0, "rows of a batch worked on at a time; 0 takes all (engine cpu)")
	c.Flags().BoolVar(&f.recompute, "recompute", false, "keep less for the backward pass and compute it again (engine cpu)")
	c.Flags().StringVar(&f.precision, "precision", "float32", "float32, or bf16 for mixed precision")
	c.Flags().StringVar(&f.blas, "blas", blasSetting(), "BLAS of the system that multiplies: off, auto (measure, take what is faster) or the file of a library (engine cpu; default $LODE_BLAS)")
	c.Flags().StringVar(&f.export, "export", "", "write model and batches to this folder and train nothing")
	c.Flags().StringVar(&f.profile, "profile", "", "write a CPU profile of the steps to this file")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print one JSON object")
	return c
}

func sizeNames() (names []string) {
	for _, s := range measure.Sizes() {
		names = append(names, s.Name)
	}
	return names
}

func (f *engineBench) run(ctx context.Context, out io.Writer) error {
	i := slices.Index(sizeNames(), f.size)
	if i < 0 {
		return usagef("--size is %q, want one of %s", f.size, strings.Join(sizeNames(), ", "))
	}
	if f.steps < 1 || f.threads < 1 || f.threads > cpu.MaxThreads || f.microRows < 0 {
		return usagef("--steps must be above 0, --threads 1 to %d, --micro-rows at least 0", cpu.MaxThreads)
	}
	if !slices.Contains(precisions, f.precision) {
		return usagef("--precision is %q, want one of %s", f.precision, strings.Join(precisions, ", "))
	}
	size := measure.Sizes()[i]
	if f.export != "" {
		return exportBench(f.export, size, f.steps)
	}
	with, ok := benchEngines[f.engine]
	if !ok {
		return usagef("--engine is %q, want one of %s", f.engine, strings.Join(slices.Sorted(maps.Keys(benchEngines)), ", "))
	}
	r, err := f.measure(ctx, with, size)
	if err != nil {
		return err
	}
	if f.asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	printEngine(out, r)
	return nil
}

func (f *engineBench) measure(ctx context.Context, with benchEngine, size measure.Size) (r measure.EngineResult, err error) {
	peak := 0.0
	if with.peak != nil {
		peak = with.peak(f.threads)
	}
	e, err := with.open(size.Model, f)
	if err != nil {
		return r, err
	}
	defer e.Close()
	if f.profile != "" {
		to, err := os.Create(f.profile)
		if err != nil {
			return r, err
		}
		defer to.Close()
		if err := pprof.StartCPUProfile(to); err != nil {
			return r, err
		}
		defer pprof.StopCPUProfile()
	}
	if r, err = measure.Engine(ctx, e, size, f.steps, with.meter(e)); err != nil {
		return r, err
	}
	r.Engine, r.Threads, r.PeakFlops = f.with, f.threads, peak
	if peak > 0 {
		r.Utilisation = r.Flops / peak
	}
	return r, nil
}

func printEngine(w io.Writer, r measure.EngineResult) {
	fmt.Fprintf(w, "%-28s %6s %9s %9s %8s %12s %14s %9s %9s %10s %9s %9s\n", "engine", "size", "params", "batch", "threads",
		"tokens/s", "tokens/CPU-s", "GFLOP/s", "of peak", "memory", "loss", "at last")
	fmt.Fprintf(w, "%-28s %6s %8.2fM %9s %8d %12.0f %14.0f %9.1f %8.1f%% %10s %9.4f %9.4f\n", r.Engine, r.Size, float64(r.Params)/1e6,
		fmt.Sprintf("%d×%d", r.Rows, r.Steps), r.Threads, r.TokensPerSecond, r.TokensPerCPUSecond, r.Flops/1e9, 100*r.Utilisation,
		bytesText(uint64(r.PeakBytes)), r.LossFirst, r.LossLast)
}
