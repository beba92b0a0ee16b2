package main

// This file holds lode bench engine: how fast an engine trains on this machine.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/measure"
	"lode/engine/cuda"
	"lode/engine/model"
)

// engineBench are the choices of lode bench engine.
type engineBench struct {
	engineFlags
	size            string
	steps           int
	rows, sequence  int // of a batch; 0: the size's own
	scores          int // updates to score; 0: none are made
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
steps are not counted, the rates are those of the median step. Where memory is short
values are computed again and batches taken in parts; what was planned is printed.

Sizes: 1m (0.9 million parameters, tokens are bytes), 10m, 50m, 124m and 1b. The
largest needs 18 GB. With --export the model, its parameters and its batches are
written to a folder instead, for other programs to train on; parameters that are there
already stay. Of a card in bf16 the peak is its data sheet's. The engine torch uses the
Python that $LODE_PYTHON names, else python3, and the best device that PyTorch has; the
engine cuda is for models that have kernels (docs/gpu.md).`,
		Example: "  lode bench engine --size 10m --threads 2 --json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return f.run(c.Context(), c.OutOrStdout()) },
	}
	f.add(c)
	c.Flags().StringVar(&f.size, "size", "10m", "model: "+sizes)
	c.Flags().IntVar(&f.steps, "steps", 10, "steps that count")
	c.Flags().IntVar(&f.rows, "rows", 0, "rows of a batch (default: as the size has)")
	c.Flags().IntVar(&f.sequence, "sequence", 0, "tokens of a row (default: as the size has)")
	c.Flags().IntVar(&f.scores, "scores", 0, "then also time an update: making it, scoring so many, taking one off, hashing the parameters")
	c.Flags().IntVar(&f.microRows, "micro-rows", 0, "rows of a batch worked on at a time (engine cpu; default: as memory allows)")
	c.Flags().BoolVar(&f.recompute, "recompute", false, "keep less for the backward pass and compute it again (engine cpu)")
	c.Flags().StringVar(&f.blas, "blas", f.blas, "BLAS of the system that multiplies: off, auto (measure, take what is faster) or the file of a library (engine cpu; default $LODE_BLAS)")
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
	if f.steps < 1 || min(f.microRows, f.rows, f.sequence, f.scores) < 0 {
		return usagef("--steps must be above 0, --micro-rows, --rows, --sequence and --scores at least 0")
	}
	if err := f.check(); err != nil {
		return err
	}
	size := measure.Sizes()[i].Shaped(f.rows, f.sequence)
	if f.export != "" {
		return exportBench(f.export, size, f.steps)
	}
	r, err := f.measure(ctx, size)
	if err != nil {
		return err
	}
	if f.asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	printEngine(out, r)
	return nil
}

// benchBytes is what the program itself takes while it measures.
const benchBytes = 48 << 20

func (f *engineBench) measure(ctx context.Context, size measure.Size) (r measure.EngineResult, err error) {
	f.settle(size.Model)
	kind, threads, peak := engines[f.engine], threadsOr(f.threads), 0.0
	d := model.Demand{Loads: []model.Load{{Rows: size.Rows, Steps: size.Steps, Gradient: true}}, Beside: benchBytes}
	p, err := f.memoryFlags.plan(size.Model, d, model.Work{Threads: threads}, kind.counts(&f.engineFlags))
	if err != nil {
		return r, err
	}
	f.bind()
	if kind.peak != nil {
		peak = kind.peak(threads)
	}
	e, on, err := kind.open(&f.engineFlags, opening{model: size.Model, work: p.work, log: zerolog.Nop()})
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
	if r, err = measure.Engine(ctx, e, size, f.steps, kind.meter(e)); err != nil {
		return r, err
	}
	if f.scores > 0 {
		u, err := measure.Update(ctx, e, size, f.scores)
		if err != nil {
			return r, err
		}
		r.Update = &u
	}
	r.Engine, r.Threads = on, threads
	r.Plan, r.PlannedBytes = p.String(), p.bytes
	if f.passed != nil {
		r.Plan += "; no card is used: " + f.passed.Error()
	}
	if c, ok := e.(*cuda.Engine); ok {
		r.CardBytes, r.Plan = c.Plan().Total(), r.Plan+"; "+c.Plan().String()
		if f.precision == "bf16" {
			peak = cardPeak(c.Card().Name)
		}
	}
	r.PeakFlops = peak
	if peak > 0 {
		r.Utilisation = r.Flops / peak
	}
	return r, nil
}

func printEngine(w io.Writer, r measure.EngineResult) {
	fmt.Fprintln(w, r.Plan)
	fmt.Fprintf(w, "%-28s %6s %9s %9s %8s %12s %14s %9s %9s %10s %9s %9s\n", "engine", "size", "params", "batch", "threads",
		"tokens/s", "tokens/CPU-s", "GFLOP/s", "of peak", "memory", "loss", "at last")
	fmt.Fprintf(w, "%-28s %6s %8.2fM %9s %8d %12.0f %14.0f %9.1f %8.1f%% %10s %9.4f %9.4f\n", r.Engine, r.Size, float64(r.Params)/1e6,
		fmt.Sprintf("%d×%d", r.Rows, r.Steps), r.Threads, r.TokensPerSecond, r.TokensPerCPUSecond, r.Flops/1e9, 100*r.Utilisation,
		bytesText(uint64(r.PeakBytes)), r.LossFirst, r.LossLast)
	if u := r.Update; u != nil {
		fmt.Fprintf(w, "an update of %d values is made in %.1f ms, %s are scored in %.1f ms, one is taken off in %.1f ms, the parameters are hashed in %.1f ms\n",
			u.Kept, 1e3*u.EncodeSeconds, plural(u.Scores, "update"), 1e3*u.ScoresSeconds, 1e3*u.ApplySeconds, 1e3*u.RootSeconds)
	}
}
