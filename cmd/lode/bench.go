package main

// This file holds lode bench train: a whole run in one process, to measure what
// rules do.

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/plan"
	"lode/coordinator/round"
	"lode/protocol"
	"lode/sim"
	"lode/worker"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "bench", Short: "Measure: what a run's rules do to learning and pay; what training and arithmetic cost here", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(benchTrainCommand(), benchEngineCommand(), benchGradientCommand(), benchMergeCommand(), benchYumaCommand(), benchFederatedCommand())
	return c
}

// trainBench are the choices of lode bench train.
type trainBench struct {
	data          dataFlags
	workers       string
	rounds, every uint64
	validators    int
	set           []string
}

func benchTrainCommand() *cobra.Command {
	var f trainBench
	c := &cobra.Command{
		Use:   "train",
		Short: "Train in one process under given rules; print learning, scores and pay",
		Long: `Run a whole run in one process, with function calls for a network, and print how
it learns, what validators measured of each worker and what it was paid. Any field
of a run.yaml can be set, apart from who takes part: all those of --workers and
--validators take part from the start.`,
		Example: `  lode bench train --rounds 100 --set merge.rate=1.5 --set update.keep=64
  lode bench train --workers honest,honest,honest,noise,copycat --validators 2`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c.Context(), c.OutOrStdout()) },
	}
	f.data.add(c, "the Go standard library's sources")
	c.Flags().StringVar(&f.workers, "workers", "honest,honest,honest,honest", "conduct of each worker")
	c.Flags().IntVar(&f.validators, "validators", 1, "validators; each measures every update and merges every round, so a round takes as long as all of them")
	c.Flags().Uint64Var(&f.rounds, "rounds", 40, "rounds to run")
	c.Flags().Uint64Var(&f.every, "every", 10, "print one round in so many")
	c.Flags().StringArrayVar(&f.set, "set", nil, "field of the run as in a run.yaml, such as train.inner_steps=5; may be given several times")
	return c
}

func (f *trainBench) run(ctx context.Context, out io.Writer) error {
	if f.rounds == 0 || f.every == 0 || f.validators < 1 {
		return usagef("--rounds, --every and --validators must be above 0")
	}
	conducts, err := f.conducts()
	if err != nil {
		return err
	}
	p, err := f.plan(len(conducts))
	if err != nil {
		return err
	}
	if f.data.path != "" {
		p.DataPath = f.data.path
	}
	p.Tokenizer = cmp.Or(f.data.tokenizer, p.Tokenizer)
	of, err := newMaterial(ctx, &p, !says(f.set, "model.vocab"), f.data.textFlags, os.Stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lode-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(out, "%d workers and %d validators in one process train a model of %.2f M parameters on %s (%.1f MB) for %d rounds; one round in %d is printed\n",
		len(conducts), f.validators, float64(of.rules.Layout.Len())/1e6, of.corpus.Name, float64(of.corpus.Index.Bytes)/1e6, f.rounds, f.every)
	w := &benchWatch{out: out, every: f.every, last: f.rounds - 1, began: time.Now(), seen: map[protocol.NodeID]*measured{}}
	m, err := sim.Run(ctx, sim.Options{
		Manifest: of.rules.Manifest, Initial: of.rules.Initial, Source: of.corpus.Source, Index: of.corpus.Index, Dir: dir, Validators: f.validators,
		Conducts: conducts, Rounds: f.rounds,
		Log: zerolog.New(os.Stderr).Level(zerolog.ErrorLevel), Each: w.round, Sheets: w.sheets,
	})
	if err != nil {
		return err
	}
	w.report(m, conducts)
	return nil
}

// conducts reads --workers.
func (f *trainBench) conducts() ([]string, error) {
	names := strings.Split(f.workers, ",")
	for i, name := range names {
		if names[i] = strings.TrimSpace(name); !slices.Contains(worker.Conducts(), names[i]) {
			return nil, usagef("--workers holds %q; it is a list like honest,honest,noise of %s", name, strings.Join(worker.Conducts(), ", "))
		}
	}
	return names, nil
}

// taking are the fields that say who takes part, and the flag that says it here.
var taking = map[string]string{
	"members.min_workers": "--workers", "members.min_validators": "--validators", "members.genesis": "--validators",
}

// plan is the run that --set describes, with so many workers.
func (f *trainBench) plan(workers int) (plan.Plan, error) {
	for _, s := range f.set {
		path, _, _ := strings.Cut(s, "=")
		if flag := taking[path]; flag != "" {
			return plan.Plan{}, usagef("--set %s: %s says who takes part here; leave it out", path, flag)
		}
	}
	p, err := plan.Parse(yamlOf(append(slices.Clone(f.set),
		fmt.Sprintf("members.min_workers=%d", workers), fmt.Sprintf("members.min_validators=%d", f.validators))))
	if err != nil {
		return p, usagef("--set: %v", err)
	}
	return p, nil
}

// yamlOf turns field=value pairs into the nested form of a run.yaml.
func yamlOf(set []string) []byte {
	var b strings.Builder
	sections := map[string][]string{}
	for _, s := range set {
		path, value, _ := strings.Cut(s, "=")
		section, field, nested := strings.Cut(path, ".")
		if !nested {
			fmt.Fprintf(&b, "%s: %s\n", path, value)
			continue
		}
		sections[section] = append(sections[section], fmt.Sprintf("  %s: %s\n", field, value))
	}
	for _, section := range slices.Sorted(maps.Keys(sections)) {
		fmt.Fprintf(&b, "%s:\n%s", section, strings.Join(sections[section], ""))
	}
	return []byte(b.String())
}

// measured is what validators saw of one worker.
type measured struct {
	rows, audits, examined, positive int
	first, paired, work, overlap     float64
	reasons                          map[protocol.Reason]int
}

type benchWatch struct {
	out         io.Writer
	every, last uint64
	began       time.Time
	tokens      uint64
	seen        map[protocol.NodeID]*measured
}

func (w *benchWatch) of(n protocol.NodeID) *measured {
	m := w.seen[n]
	if m == nil {
		m = &measured{reasons: map[protocol.Reason]int{}}
		w.seen[n] = m
	}
	return m
}

func (w *benchWatch) round(_ *round.Machine, s round.Summary) {
	var up, kept uint64
	for _, o := range s.Outcomes {
		up += o.Commit.Size
		kept += o.Commit.Kept
		w.tokens += o.Commit.Tokens
		w.of(o.Worker).reasons[o.Verdict.Reason]++
	}
	if n := uint64(s.Round); n%w.every != 0 && n != w.last {
		return
	}
	fmt.Fprintf(w.out, "round %4d  %5.2f Mtok  %6.1f s  loss %.4f → %.4f  held out %.4f  up %d B (%.2f bits/value)  down %d B\n",
		s.Round, float64(w.tokens)/1e6, time.Since(w.began).Seconds(), s.Before.Nats(), s.After.Nats(), s.HeldOut.Nats(),
		up, 8*float64(up)/math.Max(float64(kept), 1), s.Receipt.Size)
}

func (w *benchWatch) sheets(r *round.Round) {
	for i, c := range r.Candidates {
		m := w.of(c.Worker)
		for k := range r.Seats {
			if s := r.Seats[k].Sheet; s != nil {
				m.add(s.Rows[i])
			}
		}
	}
}

func (m *measured) add(r protocol.Row) {
	m.rows++
	m.first += r.First.Nats()
	m.overlap += float64(r.Overlap) / 65536
	if r.Audited {
		m.audits++
		m.paired += r.Paired.Nats()
	}
	if r.Examined {
		m.examined++
		m.work += r.Work.Nats()
		if r.Work > 0 {
			m.positive++
		}
	}
}

func (w *benchWatch) report(m *round.Machine, conducts []string) {
	pays := m.Manifest().Economy.Pays()
	fmt.Fprintf(w.out, "\n%-12s %8s %8s %8s %10s %8s", "worker", "first", "paired", "work", "work > 0", "overlap")
	if pays {
		fmt.Fprintf(w.out, " %8s", "coins")
	}
	fmt.Fprintf(w.out, "  %s\n", "verdicts")
	for i, conduct := range conducts {
		n := sim.NodeID("worker", i)
		x := w.of(n)
		per := func(sum float64, n int) float64 { return sum / math.Max(float64(n), 1) }
		fmt.Fprintf(w.out, "%-12s %8.4f %8.4f %8.4f %5d/%-4d %8.3f", conduct,
			per(x.first, x.rows), per(x.paired, x.audits), per(x.work, x.examined), x.positive, x.examined, per(x.overlap, x.rows))
		if pays {
			fmt.Fprintf(w.out, " %8.3f", float64(m.Holding(n).Balance)/coin)
		}
		var reasons []string
		for _, r := range slices.Sorted(maps.Keys(x.reasons)) {
			reasons = append(reasons, fmt.Sprintf("%v %d", r, x.reasons[r]))
		}
		fmt.Fprintf(w.out, "  %s\n", strings.Join(reasons, ", "))
	}
}
