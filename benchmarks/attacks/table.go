package main

// This file holds the tables: a row for each rule, a column for each attack.

import (
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
)

// table is the runs of one way of sending and one number of liars.
type table struct {
	setting
	rules  []rule
	seeds  int
	rights [][][]float64 // [rule][attack][seed], shares of the test digits
}

// fill does the runs, as many at a time as there are cores.
func (t *table) fill(ctx context.Context, all digits) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	t.rights = make([][][]float64, len(t.rules))
	for i, r := range t.rules {
		t.rights[i] = make([][]float64, len(attacks))
		for j, a := range attacks {
			t.rights[i][j] = make([]float64, t.seeds)
			for k := range t.seeds {
				s := t.setting
				s.rule, s.attack, s.seed = r, a, uint64(k+1)
				g.Go(func() (err error) { // ends with its run; Wait waits for it
					if err = ctx.Err(); err != nil {
						return err
					}
					if t.rights[i][j][k], err = train(s, all); err != nil {
						return fmt.Errorf("%s under %s: %w", r.name, a.name, err)
					}
					return nil
				})
			}
		}
	}
	return g.Wait()
}

// print writes the mean of each cell in percent, and in the last column the most
// that an attack costs against none.
func (t *table) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s, %d of %d lie, alpha %v, %d rounds of %d steps, mean of %d\n\n| rule |",
		t.send, t.liars, t.workers, t.alpha, t.rounds, t.steps, t.seeds)
	for _, a := range attacks {
		fmt.Fprintf(out, " %s |", a.name)
	}
	fmt.Fprintf(out, " most lost |\n|---|%s---|\n", strings.Repeat("---|", len(attacks)))
	spread := 0.0
	for i, r := range t.rules {
		fmt.Fprintf(out, "| %s |", r.name)
		none, most := 0.0, math.Inf(-1)
		for j, a := range attacks {
			m, s := meanOfRuns(t.rights[i][j])
			spread = max(spread, s)
			if a.name == "none" {
				none = m
			}
			most = max(most, none-m)
			fmt.Fprintf(out, " %.1f |", 100*m)
		}
		fmt.Fprintf(out, " %.1f |\n", 100*most)
	}
	if t.seeds > 1 {
		fmt.Fprintf(out, "\nStandard deviations of single runs: up to %.1f.\n", 100*spread)
	}
}

// meanOfRuns returns mean and standard deviation.
func meanOfRuns(vs []float64) (mean, deviation float64) {
	for _, v := range vs {
		mean += v / float64(len(vs))
	}
	for _, v := range vs {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(max(len(vs)-1, 1)))
}
