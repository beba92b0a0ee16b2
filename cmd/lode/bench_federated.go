package main

// This file holds lode bench federated: classic federated learning on examples that
// clients keep to themselves.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lode/data/examples"
	"lode/data/split"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/protocol"
	"lode/sim/federated"
)

// federatedBench are the choices of lode bench federated.
type federatedBench struct {
	data, target    string
	numbers         bool // targets are
	skipBad         bool
	splits, models  []string
	methods         []string
	clients         []int
	hidden, filters []int // of models

	held, kept             float64 // shares
	fraction, rate         float64
	rounds, every          int
	epochs, batch, engines int
	maxSamples             uint32
	seed                   uint64

	plot                string
	table, asJSON       bool
	out, progress, errs io.Writer
}

func benchFederatedCommand() *cobra.Command {
	var f federatedBench
	c := &cobra.Command{
		Use:   "federated --data PATH",
		Short: "Train on examples that clients keep to themselves, by FedAvg, FedProx, FedAdam",
		Long: `Classic federated learning in one process: the examples are dealt to clients, a
share of the clients trains in each round, and their updates are merged, in integers,
by numbers of samples. After each round the model is measured on examples that no
client has, and on those that each client keeps back of its own. --split, --clients,
--model and --method take several values with commas between; all their combinations
are run one after another. docs/federated.md says more.

--data is a folder or file of one of these kinds:

  IDX   images and labels as of MNIST, also with .gz
  PNG   a folder with a folder for each class
  CSV   a line that names the columns, then numbers and a label

--split is how examples are dealt:

` + indented(split.Forms) + `

--method is how the server merges; a number after a colon replaces the usual one:

` + indented(federated.Methods),
		Example: `  lode bench federated --data mnist --clients 10 --split dirichlet:0.1
  lode bench federated --data mnist --clients 100 --fraction 0.1 --epochs 5 \
      --split iid,dirichlet:0.1 --method fedavg,fedprox:1,fedadam --plot accuracy.svg
  lode bench federated --data table.csv --target price --numbers --model mlp`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f.out, f.progress, f.errs = c.OutOrStdout(), c.OutOrStdout(), c.ErrOrStderr()
			if f.asJSON {
				f.progress = f.errs
			}
			return f.run(c.Context())
		},
	}
	f.flags(c)
	return c
}

func indented(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

func (f *federatedBench) flags(c *cobra.Command) {
	n := c.Flags()
	n.StringVar(&f.data, "data", "", "examples: an IDX or CSV file, or a folder of such, or of PNGs")
	n.StringVar(&f.target, "target", "", "column of a table to predict (default: label, or else the last)")
	n.BoolVar(&f.numbers, "numbers", false, "targets are numbers, not labels; then there is no accuracy")
	n.BoolVar(&f.skipBad, "skip-bad", false, "leave out files and records that are bad, and name them, instead of refusing all")
	n.StringSliceVar(&f.splits, "split", []string{"iid"}, "how examples are dealt to clients")
	n.IntSliceVar(&f.clients, "clients", []int{10}, "how many clients there are")
	n.StringSliceVar(&f.models, "model", []string{"mlp"}, "mlp or cnn")
	n.IntSliceVar(&f.hidden, "hidden", []int{64}, "widths of the model's fully connected hidden layers")
	n.IntSliceVar(&f.filters, "filters", []int{8, 16}, "of a cnn's convolutions, each 5×5 and followed by a 2×2 pool")
	n.StringSliceVar(&f.methods, "method", []string{"fedavg"}, "how the server merges, and what clients add to their loss")
	n.Uint32Var(&f.maxSamples, "max-samples", math.MaxUint32, "samples of one client that count at most; 1: all clients weigh alike")
	n.Float64Var(&f.fraction, "fraction", 1, "share of the clients that train in a round")
	n.IntVar(&f.rounds, "rounds", 20, "rounds")
	n.IntVar(&f.every, "every", 1, "measure the model after so many rounds, and at the end")
	n.IntVar(&f.epochs, "epochs", 1, "times a client goes through its examples in a round")
	n.IntVar(&f.batch, "batch", 20, "examples in a batch; 0: all that a client has")
	n.Float64Var(&f.rate, "rate", 0.1, "learning rate of the clients, who take steps of plain gradient descent")
	n.Float64Var(&f.held, "held-out", 0.2, "share of all examples that no client gets")
	n.Float64Var(&f.kept, "keep-back", 0.1, "share of its examples that each client keeps back to measure with")
	n.Uint64Var(&f.seed, "seed", 1, "seed of the split, the model's first parameters, and all that is drawn")
	n.IntVar(&f.engines, "parallel", runtime.GOMAXPROCS(0), "clients that train at the same time; the results are the same")
	n.BoolVar(&f.table, "table", false, "print what each client got")
	n.StringVar(&f.plot, "plot", "", "file to draw held-out accuracy by round into, as SVG")
	n.BoolVar(&f.asJSON, "json", false, "print one JSON object, and progress to standard error")
}

// learning is examples ready to learn from.
type learning struct {
	set   *examples.Set // standardised, in memory
	all   []split.Example
	rest  []int
	held  []int
	scale examples.Scale
	seed  protocol.Digest
}

func (f *federatedBench) run(ctx context.Context) error {
	settings, err := f.settings()
	if err != nil {
		return err
	}
	l, err := f.open()
	if err != nil {
		return err
	}
	report := f.newReport(l)
	for _, s := range settings {
		r, err := f.play(ctx, l, s)
		if r != nil && len(r.Rounds) > 0 {
			report.Runs = append(report.Runs, r)
		}
		if err != nil {
			if ctx.Err() != nil && len(report.Runs) > 0 { // what there is, before it ends
				return errors.Join(err, f.finish(report))
			}
			return err
		}
	}
	return f.finish(report)
}

// setting is what one run is asked for.
type setting struct {
	Split   string `json:"split"`
	Clients int    `json:"clients"`
	Model   string `json:"model"`
	Method  string `json:"method"`
	rule    split.Rule
	method  federated.Method
}

// settings returns all combinations, those of one panel of a plot together.
func (f *federatedBench) settings() (all []setting, err error) {
	if f.data == "" {
		return nil, usagef("--data names no examples")
	}
	for _, m := range f.models {
		if m != "mlp" && m != "cnn" {
			return nil, usagef("--model %s: there are mlp and cnn", m)
		}
		for _, clients := range f.clients {
			for _, sp := range f.splits {
				rule, err := split.ParseRule(sp)
				if err != nil {
					return nil, usagef("--split: %v", err)
				}
				for _, name := range f.methods {
					method, err := federated.ParseMethod(name)
					if err != nil {
						return nil, usagef("--method: %v", err)
					}
					method.Merge.MaxSamples = f.maxSamples
					all = append(all, setting{rule.String(), clients, m, name, rule, method})
				}
			}
		}
	}
	return all, nil
}

// open reads the examples, holds some out and brings all to one scale.
func (f *federatedBench) open() (*learning, error) {
	began := time.Now()
	s, err := openExamples(f.data, examples.Options{Skip: f.skipBad, Target: f.target, Numbers: f.numbers}, f.errs)
	if err != nil {
		return nil, err
	}
	l := &learning{all: s.Examples(), seed: protocol.Hash("seed", fmt.Append(nil, f.seed))}
	if l.rest, l.held, err = split.HeldOut(s.Len(), f.held, l.seed); err != nil {
		return nil, usagef("--held-out: %v", err)
	}
	if l.scale, err = examples.Measure(s, l.rest); err != nil {
		return nil, err
	}
	if l.set, err = s.Standardise(l.scale); err == nil {
		l.set, err = l.set.Load(false)
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(f.progress, "%d examples of shape %v and %d classes from %s, %d for clients and %d held out; read in %.1f s\n",
		s.Len(), s.Shape(), len(s.Classes()), f.data, len(l.rest), len(l.held), time.Since(began).Seconds())
	return l, nil
}

// architecture returns the model that learns these examples.
func (f *federatedBench) architecture(name string, s *examples.Set) (model.Model, error) {
	outputs := 0
	if s.Classes() == nil {
		outputs = 1
	}
	if name == "mlp" {
		m := model.MLP{Input: s.Shape(), Hidden: f.hidden, Activation: model.ReLU, Classes: len(s.Classes()), Outputs: outputs}
		return m, m.Validate()
	}
	if outputs > 0 || len(s.Shape()) != 3 {
		return nil, fmt.Errorf("it is for pictures with labels; these examples have shape %v and %d classes", s.Shape(), len(s.Classes()))
	}
	m := model.CNN{
		Input: s.Shape(), Filters: f.filters, Kernel: 5, Padding: 2, Pool: 2, Hidden: f.hidden,
		Activation: model.ReLU, Classes: len(s.Classes()),
	}
	return m, m.Validate()
}

// play plays one run. After an error it returns what there is of it.
func (f *federatedBench) play(ctx context.Context, l *learning, s setting) (*federatedRun, error) {
	m, err := f.architecture(s.Model, l.set)
	if err != nil {
		return nil, usagef("--model %s: %v", s.Model, err)
	}
	layout, err := model.Layout(m)
	if err != nil {
		return nil, err
	}
	own, err := s.rule.Deal(l.all, l.rest, s.Clients, l.seed)
	if err != nil {
		return nil, usagef("--split %s: %v", s.Split, err)
	}
	train, kept, err := split.KeepBack(own, f.kept)
	if err != nil {
		return nil, usagef("--keep-back: %v", err)
	}
	r := &federatedRun{setting: s, Parameters: layout.Len(), Got: split.Describe(l.all, own)}
	began := time.Now()
	o := federated.Options{
		Set: l.set, Train: train, Kept: kept, Held: l.held,
		Open:    func() (federated.Engine, error) { return opened(m, l.seed) },
		Engines: f.engines, Method: s.method, Fraction: f.fraction, Epochs: f.epochs, Batch: f.batch, Rate: f.rate,
		Rounds: f.rounds, Every: f.every, Seed: l.seed,
		Each: func(round federated.Round) {
			r.Rounds = append(r.Rounds, round)
			r.Seconds = time.Since(began).Seconds()
			f.tell(r, round)
		},
	}
	if err := o.Validate(); err != nil {
		return nil, usagef("%v", err)
	}
	if err := f.announce(r); err != nil {
		return nil, err
	}
	_, err = federated.Run(ctx, o)
	return r, err
}

// opened returns an engine on one core with the model's first parameters.
func opened(m model.Model, seed protocol.Digest) (federated.Engine, error) {
	e, err := cpu.New(m, cpu.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	if err := model.Init(m, seed, e.Params()); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}
