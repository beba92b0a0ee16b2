package main

// This file holds what lode bench federated prints and draws.

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"lode/cmd/lode/internal/chart"
	"lode/data/examples"
	"lode/data/split"
	"lode/sim/federated"
)

// federatedReport is all that --json prints.
type federatedReport struct {
	Data     string          `json:"data"`
	Shape    []int           `json:"shape"`
	Classes  []string        `json:"classes,omitempty"`
	Scale    examples.Scale  `json:"scale"` // of the values, measured on what clients have
	Dealt    int             `json:"dealt"`
	HeldOut  int             `json:"held_out"`
	KeepBack float64         `json:"keep_back"`
	Skipped  int             `json:"skipped"`
	Hidden   []int           `json:"hidden"`
	Filters  []int           `json:"filters"`
	Fraction float64         `json:"fraction"`
	Epochs   int             `json:"epochs"`
	Every    int             `json:"every"`
	Batch    int             `json:"batch"`
	Rate     float64         `json:"rate"`
	Seed     uint64          `json:"seed"`
	Runs     []*federatedRun `json:"runs"`
}

// federatedRun is one run.
type federatedRun struct {
	setting
	Parameters int               `json:"parameters"`
	Got        []split.Got       `json:"got"` // what each client got, that which it keeps back included
	Rounds     []federated.Round `json:"rounds"`
	Seconds    float64           `json:"seconds"`
}

func (f *federatedBench) newReport(l *learning) *federatedReport {
	_, skipped := l.set.Skipped()
	return &federatedReport{
		Data: f.data, Shape: l.set.Shape(), Classes: l.set.Classes(), Scale: l.scale, Dealt: len(l.rest), HeldOut: len(l.held),
		KeepBack: f.kept, Skipped: skipped, Hidden: f.hidden, Filters: f.filters, Fraction: f.fraction, Epochs: f.epochs, Every: f.every,
		Batch: f.batch, Rate: f.rate, Seed: f.seed,
	}
}

// announce says what begins.
func (f *federatedBench) announce(r *federatedRun) error {
	sizes := make([]int, len(r.Got))
	entropy := 0.0
	for i, g := range r.Got {
		sizes[i] = g.Samples
		entropy += g.Entropy / float64(len(r.Got))
	}
	slices.Sort(sizes)
	fmt.Fprintf(f.progress, "\n%s, %s of %d parameters, %d clients, %s: %d to %d samples each, half of them at most %d; labels of %.2f bits\n",
		r.Method, r.Model, r.Parameters, r.Clients, r.Split, sizes[0], sizes[len(sizes)-1], sizes[(len(sizes)-1)/2], entropy)
	if f.table {
		return split.Print(f.progress, r.Got)
	}
	return nil
}

// tell prints a round that was measured. Where targets are numbers nothing is right or
// wrong, and losses are all there is.
func (f *federatedBench) tell(r *federatedRun, round federated.Round) {
	if round.Global == nil {
		return
	}
	own := round.Own != nil && !f.numbers
	if round.Number == 0 {
		line := fmt.Sprintf("%5s %8s %8s %8s %10s", "round", "s", "samples", "train", "held out")
		if !f.numbers {
			line += fmt.Sprintf(" %10s", "accuracy")
		}
		if own {
			line += fmt.Sprintf(" %10s %8s %8s", "clients'", "worst", "±")
		}
		fmt.Fprintln(f.progress, line)
	}
	train := ""
	if round.Number > 0 {
		train = fmt.Sprintf("%.4f", round.Loss)
	}
	line := fmt.Sprintf("%5d %8.1f %8d %8s %10.4f", round.Number, r.Seconds, round.Samples, train, round.Global.Loss)
	if !f.numbers {
		line += fmt.Sprintf(" %8.2f %%", 100*round.Global.Accuracy)
	}
	if own {
		line += fmt.Sprintf(" %8.1f %% %6.1f %% %8.1f", 100*round.Own.Mean, 100*round.Own.Worst, 100*round.Own.Deviation)
	}
	fmt.Fprintln(f.progress, line)
}

// last returns the last round that was measured; the first always is.
func (r *federatedRun) last() federated.Round {
	for i := len(r.Rounds) - 1; ; i-- {
		if r.Rounds[i].Global != nil {
			return r.Rounds[i]
		}
	}
}

// finish prints the summary of all runs, and draws them.
func (f *federatedBench) finish(all *federatedReport) error {
	if len(all.Runs) > 1 {
		fmt.Fprintf(f.progress, "\n%-5s %8s %-20s %-14s %10s %10s %10s %8s\n", "model", "clients", "split", "method", "held out", "accuracy", "clients'", "worst")
		for _, r := range all.Runs {
			last := r.last()
			line := fmt.Sprintf("%-5s %8d %-20s %-14s %10.4f %8.2f %%", r.Model, r.Clients, r.Split, r.Method, last.Global.Loss, 100*last.Global.Accuracy)
			if o := last.Own; o != nil {
				line += fmt.Sprintf(" %8.1f %% %6.1f %%", 100*o.Mean, 100*o.Worst)
			}
			fmt.Fprintln(f.progress, line)
		}
	}
	if f.plot != "" {
		if err := f.draw(all); err != nil {
			return err
		}
	}
	if !f.asJSON {
		return nil
	}
	return json.NewEncoder(f.out).Encode(all)
}

// draw draws accuracy by round: a column for each split, a row for each model and
// number of clients, a line for each method.
func (f *federatedBench) draw(all *federatedReport) error {
	fig := chart.Figure{
		Title: "Accuracy on held-out examples", X: fmt.Sprintf("measured every %d rounds", f.every), Y: "%", Lines: f.methods, Top: 100,
		Note: fmt.Sprintf("%s: %d examples dealt to clients, %d held out; fraction %g, %d epochs of batches of %d, rate %g",
			f.data, all.Dealt, all.HeldOut, f.fraction, f.epochs, f.batch, f.rate),
	}
	fig.Columns = append(fig.Columns, f.splits...)
	for _, r := range all.Runs {
		title := fmt.Sprintf("%s, %d clients", r.Model, r.Clients)
		if n := len(fig.Rows); n == 0 || fig.Rows[n-1].Title != title {
			fig.Rows = append(fig.Rows, chart.Row{Title: title, Detail: fmt.Sprintf("%d parameters", r.Parameters)})
		}
		row := &fig.Rows[len(fig.Rows)-1]
		if n := len(row.Panels); n == 0 || len(row.Panels[n-1]) == len(f.methods) {
			row.Panels = append(row.Panels, nil)
		}
		var line []float64
		for _, round := range r.Rounds {
			if round.Global != nil {
				line = append(line, 100*round.Global.Accuracy)
			}
		}
		panel := &row.Panels[len(row.Panels)-1]
		*panel = append(*panel, line)
	}
	return drawnTo(f.plot, fig)
}

func drawnTo(name string, fig chart.Figure) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	w, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(fig.Write(w), w.Close())
}
