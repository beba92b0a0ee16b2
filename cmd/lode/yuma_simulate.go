package main

// This file holds lode yuma simulate: published studies, as tables, JSON and plots.

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/chart"
	"lode/yuma/study"
)

// simulation are the choices of lode yuma simulate.
type simulation struct {
	epochs int
	rules  []string
	plots  string
	asJSON bool
}

// maxEpochs bounds a study; the published ones have 40.
const maxEpochs = 10_000

func yumaSimulateCommand() *cobra.Command {
	var f simulation
	c := &cobra.Command{
		Use:   "simulate [STUDY...]",
		Short: "Play published studies of Yuma: weight copier, cabal, switching validators",
		Long: `Play published situations through the variants of Yuma consensus and print what
share of all dividends the validator in question gets, as the mean of all epochs:

` + studyList() + `
Rules yuma1 to yuma3-liquid are those of the simulator that Yuma 3 was argued with, in
float64; exact2, exact3 and exact3-liquid are what pays, in integers. With --plots a
plot for each study is drawn that a browser shows: dividends over stake by epoch.`,
		Example: `  lode yuma simulate
  lode yuma simulate copier --rules exact2,exact3 --epochs 12
  lode yuma simulate switch --plots plots --json`,
		ValidArgs: studyNames(),
		Args:      cobra.OnlyValidArgs,
		RunE:      func(c *cobra.Command, args []string) error { return f.run(c.OutOrStdout(), args) },
	}
	c.Flags().IntVar(&f.epochs, "epochs", 0, "epochs to play (default: as published)")
	c.Flags().StringSliceVar(&f.rules, "rules", nil, "rules to play by (default: all)")
	c.Flags().StringVar(&f.plots, "plots", "", "folder to draw plots into, as STUDY.svg")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print one JSON object a study, with every epoch")
	return c
}

func studyList() string {
	var b strings.Builder
	for _, s := range study.Studies() {
		fmt.Fprintf(&b, "  %-8s%s (%d epochs)\n", s.Name, s.Title, s.Epochs)
	}
	return b.String()
}

func studyNames() (names []string) {
	for _, s := range study.Studies() {
		names = append(names, s.Name)
	}
	return names
}

func (f *simulation) run(w io.Writer, names []string) error {
	variants, err := f.variants()
	if err != nil {
		return err
	}
	if f.epochs < 0 || f.epochs > maxEpochs {
		return usagef("--epochs is %d, it can be 1 to %d", f.epochs, maxEpochs)
	}
	for _, s := range study.Studies() {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		if f.epochs > 0 {
			s.Epochs = f.epochs
		}
		p, err := playAll(s, variants)
		if err != nil {
			return err
		}
		if err := f.show(w, p); err != nil {
			return err
		}
	}
	return nil
}

// variants returns those that were named, in their own order.
func (f *simulation) variants() ([]study.Variant, error) {
	all := study.Variants()
	if f.rules == nil {
		return all, nil
	}
	var picked []study.Variant
	for _, name := range f.rules {
		i := slices.IndexFunc(all, func(v study.Variant) bool { return v.Name == name })
		if i < 0 {
			return nil, usagef("--rules: no rule %q", name)
		}
		picked = append(picked, all[i])
	}
	return picked, nil
}

func (f *simulation) show(w io.Writer, p played) error {
	if f.asJSON {
		if err := json.NewEncoder(w).Encode(p); err != nil {
			return err
		}
	} else if err := p.print(w); err != nil {
		return err
	}
	if f.plots == "" {
		return nil
	}
	name := filepath.Join(f.plots, p.Study+".svg")
	if err := p.draw(name); err != nil {
		return err
	}
	if !f.asJSON {
		fmt.Fprintf(w, "drawn in %s\n\n", name)
	}
	return nil
}

// played is a study with its results, and its JSON form.
type played struct {
	Study      string            `json:"study"`
	Title      string            `json:"title"`
	Epochs     int               `json:"epochs"`
	Situations []playedSituation `json:"situations"`
}

type playedSituation struct {
	Title      string       `json:"title"`
	Validators []string     `json:"validators"`
	Servers    []string     `json:"servers"`
	Stake      [][]float64  `json:"stake"`   // by epoch and validator
	Watched    int          `json:"watched"` // the validator it is about
	Rules      []playedRule `json:"rules"`
}

type playedRule struct {
	Rule      string      `json:"rule"`
	Title     string      `json:"title"`
	Mean      []float64   `json:"mean_dividends"` // by validator
	Dividends [][]float64 `json:"dividends"`      // by epoch and validator
	Incentive [][]float64 `json:"incentive"`      // by epoch and server
}

func playAll(s study.Study, variants []study.Variant) (played, error) {
	p := played{Study: s.Name, Title: s.Title, Epochs: s.Epochs}
	for _, sit := range s.Situations(s.Epochs) {
		ps := playedSituation{Title: sit.Title, Validators: sit.Validators, Servers: sit.Servers, Watched: sit.Watched}
		for _, step := range sit.Steps {
			ps.Stake = append(ps.Stake, rounded(step.Stake))
		}
		for _, v := range variants {
			out, err := study.Play(sit, v)
			if err != nil {
				return p, err
			}
			ps.Rules = append(ps.Rules, playedBy(v, out, len(sit.Validators)))
		}
		p.Situations = append(p.Situations, ps)
	}
	return p, nil
}

func playedBy(v study.Variant, out []study.Outcome, validators int) playedRule {
	r := playedRule{Rule: v.Name, Title: v.Title, Mean: make([]float64, validators)}
	for _, o := range out {
		for i, d := range o.Dividends {
			r.Mean[i] += d / float64(len(out))
		}
		r.Dividends = append(r.Dividends, rounded(o.Dividends))
		r.Incentive = append(r.Incentive, rounded(o.Incentive))
	}
	r.Mean = rounded(r.Mean)
	return r
}

// rounded keeps six decimals, as the published figures do.
func rounded(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = math.Round(x*1e6) / 1e6
	}
	return out
}

// print writes a table: a line for each rule, a column for each situation.
func (p played) print(w io.Writer) error {
	fmt.Fprintf(w, "%s, %d epochs\n", p.Title, p.Epochs)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "mean share of dividends")
	for _, s := range p.Situations {
		fmt.Fprintf(t, "\t%s", s.Title)
	}
	fmt.Fprint(t, "\nof")
	for _, s := range p.Situations {
		fmt.Fprintf(t, "\t%s", s.Validators[s.Watched])
	}
	fmt.Fprint(t, "\nwith stake")
	for _, s := range p.Situations {
		fmt.Fprintf(t, "\t%.3f", s.Stake[0][s.Watched])
	}
	fmt.Fprintln(t)
	for k, r := range p.Situations[0].Rules {
		fmt.Fprint(t, r.Rule)
		for _, s := range p.Situations {
			fmt.Fprintf(t, "\t%.3f", s.Rules[k].Mean[s.Watched])
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintln(t)
	return t.Flush()
}

// mostShown is the largest ratio of dividends to stake that plots show: who alone
// holds bonds on a new server can have all dividends for an epoch.
const mostShown = 3

// draw plots dividends over stake: a row for each rule, a panel for each situation.
func (p played) draw(name string) error {
	f := chart.Figure{
		Title: p.Title, X: "epoch", Y: "dividends / stake", Level: 1, Lines: p.Situations[0].Validators,
		Note: fmt.Sprintf("1 is what stake alone would give; cut off at %d", mostShown),
	}
	var ratios []float64
	for _, s := range p.Situations {
		f.Columns = append(f.Columns, s.Title)
	}
	for k, r := range p.Situations[0].Rules {
		row := chart.Row{Title: r.Rule, Detail: r.Title}
		for _, s := range p.Situations {
			lines := s.ratios(s.Rules[k])
			row.Panels = append(row.Panels, lines)
			ratios = append(ratios, slices.Concat(lines...)...)
		}
		f.Rows = append(f.Rows, row)
	}
	f.Top = chart.Ceiling(mostShown, ratios...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := f.Write(out); err != nil {
		out.Close()
		return fmt.Errorf("draw %s: %w", name, err)
	}
	return out.Close()
}

// ratios returns dividends over stake by validator and epoch.
func (s playedSituation) ratios(r playedRule) [][]float64 {
	lines := make([][]float64, len(s.Validators))
	for e, dividends := range r.Dividends {
		for i, d := range dividends {
			if stake := s.Stake[e][i]; stake > 0 {
				lines[i] = append(lines[i], d/stake)
			}
		}
	}
	return lines
}
