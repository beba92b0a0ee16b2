package main

// This file holds lode up: a whole run on one machine.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/corpora"
	"lode/engine/model"
	"lode/protocol"
	"lode/worker"
)

// upFlags are the choices for a run on one machine.
type upFlags struct {
	plan                string // path of a run.yaml; "": the default run
	dir, level          string
	data                dataFlags
	workers, validators int
	adversaries, ledger string
	seed                uint64
	rounds              uint64
	length              time.Duration
	json, anew          bool
	store               storeFlags
	memory              memoryFlags
	engine              engineFlags            // of every worker and validator
	changed             func(flag string) bool // given on the command line
}

// defaultLength is how long a run lasts that nobody gave a length.
const defaultLength = 3 * time.Minute

func upCommand() *cobra.Command {
	var f upFlags
	c := &cobra.Command{
		Use:   "up [RUN.YAML]",
		Short: "Try it all on this machine: a coordinator, validators, workers, a model",
		Long: `Start a coordinator, validators and workers as separate processes on this
machine, train a small language model on real text, pay the workers, and leave a
checkpoint. Prints a line a round. Stop with Ctrl-C at any time; the same command
goes on where it stopped.

With a RUN.YAML (lode coordinator init prints one) the run is the one it describes; how
many take part is for --workers and --validators to say. If
its data.mode is private, data.split says how what lies at data.path is dealt to the
workers, each of which trains on its own part: docs/federated.md shows it.`,
		Example: `  lode up
  lode up --workers 6 --adversaries noise=1,copycat=1
  lode up docs/mnist-private.yaml --data mnist --workers 5`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f.plan, f.changed = strings.Join(args, ""), c.Flags().Changed
			return f.run(c.Context(), c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&f.dir, "dir", "lode-run", "folder of the run")
	f.data.add(c, "the Go standard library's sources")
	c.Flags().IntVar(&f.workers, "workers", 4, "honest workers")
	c.Flags().IntVar(&f.validators, "validators", 2, "validators; two can be stopped by either, four or more bear a failure")
	c.Flags().StringVar(&f.adversaries, "adversaries", "", "workers that cheat, such as noise=1,freerider=1,copycat=1,inflate=1")
	c.Flags().StringVar(&f.ledger, "ledger", protocol.LedgerYuma, "yuma pays workers and validators; volunteer pays nobody")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the run: initial parameters and shards")
	c.Flags().Uint64Var(&f.rounds, "rounds", 0, "stop after so many more rounds; one in progress may still be finished")
	c.Flags().DurationVar(&f.length, "for", 0, "stop after so long, such as 90s (default 3m unless --rounds is given)")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON, one object a line")
	c.Flags().BoolVar(&f.anew, "new", false, "begin a new run even if the folder holds one")
	c.Flags().StringVar(&f.level, "log-level", "warn", "what the processes log to the folder's logs: debug, info, warn or error")
	f.memory.add(c)
	c.Flags().Lookup("max-memory").Usage = fmt.Sprintf("memory that all processes together may take, such as 6GB (default: %d %% of what is free)", freeShare)
	f.engine.addShared(c)
	f.store.add(c, "where checkpoints go: a folder or s3://bucket/prefix (default: store in --dir)")
	return c
}

// cast is who takes part besides the coordinator, by name.
type cast struct {
	Validators []string
	Workers    []string
	Conduct    map[string]string // of workers that cheat
}

// cast checks the numbers and names everybody.
func (f *upFlags) cast() (cast, error) {
	out := cast{Conduct: map[string]string{}}
	if f.workers < 1 || f.workers > 200 {
		return out, usagef("--workers is %d, it can be 1 to 200", f.workers)
	}
	if f.validators < 1 || f.validators > 50 {
		return out, usagef("--validators is %d, it can be 1 to 50", f.validators)
	}
	for i := range f.validators {
		out.Validators = append(out.Validators, fmt.Sprintf("validator-%d", i+1))
	}
	for i := range f.workers {
		out.Workers = append(out.Workers, fmt.Sprintf("worker-%d", i+1))
	}
	if f.adversaries == "" {
		return out, nil
	}
	for _, part := range strings.Split(f.adversaries, ",") {
		conduct, count, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(count)
		if count == "" {
			n, err = 1, nil
		}
		if err != nil || n < 0 || n > 100 || conduct == "honest" || !slices.Contains(worker.Conducts(), conduct) {
			return out, usagef("--adversaries holds %q; it is a list like noise=1,copycat=2 of %s", part, strings.Join(worker.Conducts()[1:], ", "))
		}
		for i := range n {
			name := fmt.Sprintf("%s-%d", conduct, i+1)
			out.Workers = append(out.Workers, name)
			out.Conduct[name] = conduct
		}
	}
	return out, nil
}

// run is lode up from start to end.
func (f *upFlags) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	if f.length < 0 || f.length == 0 && f.changed("for") {
		return usagef("--for is %v, it must be above 0", f.length)
	}
	if f.rounds == 0 && f.changed("rounds") {
		return usagef("--rounds is 0, it must be above 0")
	}
	if f.dir == "" {
		return usagef("--dir is empty: name a folder")
	}
	who, err := f.cast()
	if err != nil {
		return err
	}
	if f.ledger != protocol.LedgerYuma && f.ledger != protocol.LedgerVolunteer {
		return usagef("--ledger is %q, it can be %s or %s", f.ledger, protocol.LedgerYuma, protocol.LedgerVolunteer)
	}
	if _, err := newLog(io.Discard, f.level); err != nil {
		return err
	}
	if err := errors.Join(f.memory.check(), f.engine.check()); err != nil {
		return err
	}
	if path := f.data.path; path != "" && !corpora.IsAddress(path) { // before anything is made
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("corpus: %w", err)
		}
	}
	p, err := readPlan(f.plan) // before anything is made
	if err != nil {
		return err
	}
	if _, outside := p.Described().(model.Outside); outside {
		return usagef("%s: lode up runs no model.family torch: begin with lode coordinator, and lode worker and lode validator with --engine torch --model (docs/pytorch.md)", f.plan)
	}
	h, err := f.house(ctx, who, stderr)
	if err != nil {
		return err
	}
	defer h.unlock()
	out := newScreen(stdout, f.json)
	if h.state.Finished && !f.changed("rounds") && !f.changed("for") {
		more, err := offerMore(h, stdin, stdout, f.json)
		if err == nil && !more && h.moved {
			err = usagef("--store: nothing was written to %s; say how long to go on, with --rounds N or --for 90s", f.store.url)
		}
		if err != nil || !more {
			return err
		}
	}
	h.state.aim(f)
	how, err := h.shareMemory()
	if err != nil {
		return err
	}
	out.begin(h, how)
	start, before := time.Now(), h.state.Rounds
	watch, err := h.train(ctx, out, stderr)
	if err != nil {
		return err
	}
	took := time.Since(start)
	ctx = context.WithoutCancel(ctx)
	if err := h.rest(ctx, watch, out); err != nil {
		return err
	}
	if err := h.conclude(ctx, out, watch, took); err != nil {
		return err
	}
	if h.state.Finished && h.state.Rounds == before {
		return fmt.Errorf("no round was finished in %v: give it longer with --for, or see why in %s", took.Round(time.Second), filepath.Join(h.dir, "logs"))
	}
	return nil
}
