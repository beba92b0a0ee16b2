package main

// This file holds lode train: flags, and the training that they describe.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/plan"
	"lode/engine"
	"lode/protocol"
	"lode/sim/solo"
)

// trainFlags are the choices for training on one machine.
type trainFlags struct {
	engineFlags
	dir, data, tokenizer    string
	steps                   int
	tokens                  int64
	rate, warmup            string
	schedule, optimizer     string
	seed, from              string
	only, noDecay, set      []string
	workers                 int
	local, federated, both  bool
	resume, json            bool
	measure, keep, evaluate int
	command                 *cobra.Command // whose flags these are
}

// changed reports whether a flag was given on the command line.
func (f *trainFlags) changed(flag string) bool { return f.command.Flags().Changed(flag) }

func trainCommand() *cobra.Command {
	var f trainFlags
	c := &cobra.Command{
		Use:   "train [run.yaml]",
		Short: "Train a run's model on this machine alone, and compare with a run",
		Long: `Train a model on this machine alone, without a network, by the rules of a run.yaml
(model, data, train; the default without one). With --local, which is the default,
each step takes the batches of --workers together as one large batch. With
--federated the workers train apart, as in a run: inner steps of each, compressed
updates, a merge. Both train on the same tokens; --compare does one after the other
and prints both curves.

A folder gets model.safetensors and config.json, which lode generate and other
programs read, the learning curve as curve.jsonl and curve.csv, and the state from
which --resume goes on, with the same bits as without a stop. Ctrl-C ends after the
round in progress and keeps what was learnt.`,
		Example: `  lode train --data book.txt --steps 1000 --schedule cosine -o model
  lode train run.yaml --compare --tokens 2000000 -o compared
  lode train --from model --data other.txt -o tuned
  lode train --resume -o model --steps 2000`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f.command = c
			return f.run(c.Context(), strings.Join(args, ""), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f.add(c)
	return c
}

func (f *trainFlags) add(c *cobra.Command) {
	c.Flags().StringVarP(&f.dir, "output", "o", "trained", "folder for the model, the curve and the state")
	c.Flags().BoolVar(&f.local, "local", false, "one large batch of each step (the default)")
	c.Flags().BoolVar(&f.federated, "federated", false, "workers apart, whose updates are compressed and merged as in a run")
	c.Flags().BoolVar(&f.both, "compare", false, "first --local, then --federated, and a table of both")
	c.Flags().IntVar(&f.workers, "workers", 4, "workers whose batches make a step, or who train apart")
	c.Flags().IntVar(&f.steps, "steps", 0, "optimizer steps of each worker, a multiple of train.inner_steps (default train.rounds, or 50 rounds)")
	c.Flags().Int64Var(&f.tokens, "tokens", 0, "tokens of all workers together, instead of --steps; rounded up to whole rounds")
	c.Flags().StringVar(&f.data, "data", "", "text to train on, or what lode data prepare made (data.path; default: the Go standard library's sources)")
	c.Flags().StringVar(&f.tokenizer, "tokenizer", "", "bytes or a tokenizer.json (data.tokenizer; prepared data brings its own); model.vocab becomes its size unless a run.yaml or --set says it")
	c.Flags().StringVar(&f.rate, "rate", "", "learning rate at its peak (train.rate)")
	c.Flags().StringVar(&f.warmup, "warmup", "", "rounds of warm-up (train.warmup); with --schedule and no run.yaml at most a tenth of the training")
	c.Flags().StringVar(&f.schedule, "schedule", "", "constant, linear, cosine or wsd (train.schedule); over the whole training unless train.rounds says otherwise")
	c.Flags().StringVar(&f.optimizer, "optimizer", "", "adamw or muon (train.optimizer)")
	c.Flags().StringVar(&f.seed, "seed", "", "text or number that first parameters and batches follow from (seed)")
	c.Flags().StringVar(&f.from, "from", "", "parameters to begin with: a folder that lode pull or lode train left, one of Hugging Face, or a safetensors file (model.from)")
	c.Flags().StringArrayVar(&f.only, "only", nil, "pattern of tensors that are trained (train.only); may be given several times")
	c.Flags().StringArrayVar(&f.noDecay, "no-decay", nil, "pattern of matrices that do not decay (train.no_decay); may be given several times")
	c.Flags().StringArrayVar(&f.set, "set", nil, "any field of a run.yaml, such as train.inner_steps=5; may be given several times")
	f.engineFlags.add(c)
	f.engineFlags.addModel(c)
	c.Flags().IntVar(&f.measure, "eval-every", 0, "steps between two points of the curve (default: 20 points)")
	c.Flags().IntVar(&f.evaluate, "eval-tokens", 16384, "least held-out tokens that each point is measured on")
	c.Flags().IntVar(&f.keep, "save-every", 0, "steps between two saves (default: as --eval-every)")
	c.Flags().BoolVar(&f.resume, "resume", false, "go on with the training in the folder, to --steps or --tokens if given")
	c.Flags().BoolVar(&f.json, "json", false, "print a summary as JSON, and nothing else")
}

// settled are the flags that may not be given with --resume: the folder says them.
var settled = []string{
	"local", "federated", "compare", "workers", "data", "tokenizer", "rate", "warmup", "schedule", "optimizer", "seed", "from", "only", "no-decay", "set",
	"eval-every", "eval-tokens", "save-every",
}

// training is what a folder remembers of its training, beside its run.yaml.
type training struct {
	Ways    []string // "local", "federated"
	Workers int
	Rounds  int // in all
	Measure int // rounds between two points
	Keep    int // rounds between two saves
	Sample  int // held-out tokens, at least
	// Engine is the flags about the engine that were given, by name. Other ones may be
	// given to go on: they hold for that call.
	Engine map[string]string
}

// ofEngine are the flags about the engine.
var ofEngine = []string{"engine", "threads", "python", "device", "ranks", "shard", "meet", "precision", "model", "max-memory", "card-memory"}

// engineGiven returns those of them that were given.
func (f *trainFlags) engineGiven() map[string]string {
	given := map[string]string{}
	for _, name := range ofEngine {
		if f.changed(name) {
			given[name] = f.command.Flags().Lookup(name).Value.String()
		}
	}
	return given
}

// engineAgain takes those of an earlier call, unless an engine is named now.
func (f *trainFlags) engineAgain(given map[string]string) error {
	if f.changed("engine") {
		return nil
	}
	for _, name := range ofEngine {
		value, ok := given[name]
		if !ok || f.changed(name) {
			continue
		}
		if err := f.command.Flags().Set(name, value); err != nil {
			return fmt.Errorf("%s: --%s: %w", trainingName, name, err)
		}
	}
	return f.engineFlags.check()
}

// The ways to train, as [solo.Config] tells them apart.
const (
	localWay     = "local"
	federatedWay = "federated"
)

func (f *trainFlags) run(ctx context.Context, path string, out, stderr io.Writer) error {
	if err := f.check(path); err != nil {
		return err
	}
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return err
	}
	p, job, err := f.describe(path, dir)
	if err != nil {
		return err
	}
	m, err := newMaterial(ctx, &p, path == "" && !f.resume && !says(f.set, "model.vocab"), asText, stderr)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer unlock()
	level := "warn"
	if f.engine != "cpu" {
		level = "info" // says what card it is, and what is taken of it
	}
	log, err := newLog(stderr, level)
	if err != nil {
		return err
	}
	s := &session{material: m, job: job, dir: dir, engine: f.engineFlags, log: log, out: out, json: f.json, resumed: f.resume}
	s.remember = sync.OnceValue(func() error { return remember(dir, p, job) })
	return s.run(ctx)
}

// check refuses flags that cannot be meant.
func (f *trainFlags) check(path string) error {
	if err := f.engineFlags.check(); err != nil {
		return err
	}
	ways := 0
	for _, on := range []bool{f.local, f.federated, f.both} {
		if on {
			ways++
		}
	}
	switch {
	case f.dir == "":
		return usagef("-o is empty: name a folder")
	case ways > 1:
		return usagef("--local, --federated and --compare exclude each other")
	case f.changed("steps") && f.changed("tokens"):
		return usagef("--steps and --tokens say the same thing twice: leave one out")
	case f.workers < 1 || f.workers > solo.MaxWorkers:
		return usagef("--workers is %d, it can be 1 to %d", f.workers, solo.MaxWorkers)
	case f.resume && path != "":
		return usagef("--resume goes on by the rules in the folder: leave %s out", path)
	}
	for name, v := range map[string]int64{"steps": int64(f.steps), "tokens": f.tokens, "eval-every": int64(f.measure), "save-every": int64(f.keep), "eval-tokens": int64(f.evaluate)} {
		if f.changed(name) && v < 1 {
			return usagef("--%s is %d, it must be above 0", name, v)
		}
	}
	return nil
}

// describe returns the rules and the course of the training that is meant.
func (f *trainFlags) describe(path, dir string) (p plan.Plan, job training, err error) {
	found, err := recall(dir)
	switch {
	case err != nil:
		return p, job, err
	case f.resume && found == nil:
		return p, job, fmt.Errorf("%s holds no training to go on with", f.dir)
	case f.resume:
		return f.goOn(dir, *found)
	case found != nil:
		return p, job, fmt.Errorf("%s holds a training: go on with it by --resume, or name another folder with -o", f.dir)
	}
	if err := emptyFolder(dir, f.dir); err != nil {
		return p, job, err
	}
	if p, err = f.plan(path); err != nil {
		return p, job, err
	}
	if job, err = f.job(p); err != nil {
		return p, job, err
	}
	if path == "" && f.schedule != "" && !f.changed("warmup") && !says(f.set, "train.warmup") { // the default's is for longer trainings
		p.Run.Train.Warmup = min(p.Run.Train.Warmup, uint32(job.Rounds/10))
	}
	p, err = f.scheduled(p, job.Rounds)
	return p, job, err
}

// goOn returns what the folder says.
func (f *trainFlags) goOn(dir string, job training) (p plan.Plan, _ training, err error) {
	for _, name := range settled {
		if f.changed(name) {
			return p, job, usagef("--%s was settled when the training in %s began: leave it out; --steps and --tokens may be given to train longer", name, f.dir)
		}
	}
	if err := f.engineAgain(job.Engine); err != nil {
		return p, job, err
	}
	if p, err = readPlan(filepath.Join(dir, planName)); err != nil {
		return p, job, err
	}
	if f.changed("steps") || f.changed("tokens") {
		job.Rounds, err = f.rounds(p, job.Workers)
	}
	return p, job, err
}

// plan returns the run.yaml at path with what flags change, apart from the schedule.
func (f *trainFlags) plan(path string) (plan.Plan, error) {
	p, err := readPlan(path)
	if err != nil {
		return p, err
	}
	set := slices.Clone(f.set)
	for _, s := range []struct{ field, value string }{
		{"train.rate", f.rate},
		{"train.warmup", f.warmup},
		{"train.optimizer", f.optimizer},
		{"seed", strconv.QuoteToASCII(f.seed)},
		{"model.from", strconv.QuoteToASCII(f.from)},
		{"train.only", quoted(f.only)},
		{"train.no_decay", quoted(f.noDecay)},
	} {
		if flag := strings.ReplaceAll(s.field[strings.LastIndexByte(s.field, '.')+1:], "_", "-"); f.changed(flag) {
			set = append(set, s.field+"="+s.value)
		}
	}
	if p, err = override(p, set); err != nil {
		return p, err
	}
	if f.data != "" {
		p.DataPath = f.data
	}
	p.Tokenizer = cmp.Or(f.tokenizer, p.Tokenizer)
	for _, path := range []*string{&p.DataPath, &p.Tokenizer, &p.Model.From.Path, &p.Model.From.Config, &p.Model.Custom.Path} {
		if _, err := os.Stat(*path); err == nil { // the folder may be read from elsewhere
			if *path, err = filepath.Abs(*path); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// quoted writes a list as YAML does.
func quoted(list []string) string {
	var all []string
	for _, s := range list {
		all = append(all, strconv.QuoteToASCII(s))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// override returns the plan with fields set, each as field=value.
func override(p plan.Plan, set []string) (plan.Plan, error) {
	for _, s := range set {
		if _, _, ok := strings.Cut(s, "="); !ok {
			return p, usagef("--set %s: write it as field=value, such as train.inner_steps=5", s)
		}
	}
	out, err := p.With(yamlOf(set))
	if err == nil {
		return out, nil
	}
	var faults plan.Faults
	if !errors.As(err, &faults) {
		return p, usagef("%v", err)
	}
	var all []string
	for _, f := range faults {
		f.Line, f.Column = 0, 0 // of a text that nobody wrote
		all = append(all, f.String())
	}
	return p, usagef("%s", strings.Join(all, "; "))
}

// rounds returns how many rounds --steps or --tokens are.
func (f *trainFlags) rounds(p plan.Plan, workers int) (int, error) {
	t := p.Run.Train
	h := int(t.InnerSteps)
	switch {
	case f.changed("steps") && f.steps < h:
		return 0, usagef("--steps is %d, but a round has %d steps (train.inner_steps): take %d, or --set train.inner_steps=%d", f.steps, h, h, f.steps)
	case f.changed("steps") && f.steps%h != 0:
		return 0, usagef("--steps is %d, but a round has %d steps (train.inner_steps): take %d or %d", f.steps, h, f.steps/h*h, (f.steps/h+1)*h)
	case f.changed("steps"):
		return f.steps / h, nil
	case f.changed("tokens"):
		of := int64(h) * int64(t.Rows) * int64(t.Steps) * int64(workers)
		return int((f.tokens + of - 1) / of), nil
	case t.Rounds > 0:
		return int(t.Rounds), nil
	}
	return defaultRounds, nil
}

const (
	defaultRounds = 50
	defaultPoints = 20
)

// job returns the course of a training that begins.
func (f *trainFlags) job(p plan.Plan) (job training, err error) {
	job = training{Ways: []string{localWay}, Workers: f.workers, Sample: f.evaluate, Engine: f.engineGiven()}
	switch {
	case f.both:
		job.Ways = []string{localWay, federatedWay}
	case f.federated:
		job.Ways = []string{federatedWay}
	}
	if job.Rounds, err = f.rounds(p, f.workers); err != nil {
		return job, err
	}
	t, h := p.Run.Train, int(p.Run.Train.InnerSteps)
	if all := uint64(t.Rows) * uint64(t.Steps) * uint64(f.workers); all > engine.MaxIDs && job.Ways[0] == localWay {
		return job, usagef("--workers %d: their batches together have %d tokens, at most %d fit one step", f.workers, all, engine.MaxIDs)
	}
	job.Measure = (job.Rounds + defaultPoints - 1) / defaultPoints
	if f.measure > 0 {
		job.Measure = max(1, (f.measure+h-1)/h)
	}
	job.Keep = job.Measure
	if f.keep > 0 {
		job.Keep = max(1, (f.keep+h-1)/h)
	}
	return job, nil
}

// scheduled returns the plan with --schedule, over so many rounds unless the plan
// says how many.
func (f *trainFlags) scheduled(p plan.Plan, rounds int) (plan.Plan, error) {
	if f.schedule == "" {
		return p, nil
	}
	t := &p.Run.Train
	if t.Schedule = f.schedule; t.Schedule == engine.Constant {
		t.Rounds, t.FinalRate, t.DecayShare = 0, 0, 0
		return p, nil
	}
	if t.Rounds == 0 {
		t.Rounds, t.FinalRate = uint32(rounds), protocol.Q16(0.1)
	}
	if t.Schedule != engine.WSD {
		t.DecayShare = 0
	} else if t.DecayShare == 0 {
		t.DecayShare = protocol.Q16(0.2)
	}
	return override(p, nil)
}
