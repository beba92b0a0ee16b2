package main

// This file holds the table of results.

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"lode/engine/model"
)

// writeTable writes a row for each setting, its seeds together, in the order of
// steps and then of loss. Ratios are against 4 bytes a parameter and round.
func writeTable(out io.Writer, all []result) error {
	layout, err := model.Layout(model.Default())
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "| run | tokens | seeds | held-out loss | spread | rounds | up, bytes a round | × smaller than fp32 | down, bytes a round | CPU s |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|")
	for _, g := range grouped(all) {
		p := g[0].last()
		rounds := float64(max(p.Rounds, 1))
		mean, least, most, seconds := 0.0, math.Inf(1), math.Inf(-1), 0.0
		for _, r := range g {
			loss := r.last().HeldOut
			mean, seconds = mean+loss/float64(len(g)), seconds+r.last().CPU/float64(len(g))
			least, most = min(least, loss), max(most, loss)
		}
		spread := "—"
		if len(g) > 1 {
			spread = fmt.Sprintf("%.4f – %.4f", least, most)
		}
		loss := fmt.Sprintf("%.4f", mean)
		if g[0].Fault != "" {
			loss = "diverged: " + g[0].Fault
		}
		_, err = fmt.Fprintf(out, "| %s | %.2f M | %d | %s | %s | %d | %.0f | %.0f | %.0f | %.0f |\n", g[0].Setting.Name,
			float64(p.Tokens)/1e6, len(g), loss, spread, p.Rounds, p.Up/rounds,
			float64(4*layout.Len())*rounds/max(p.Up, 1), p.Down/rounds, seconds)
	}
	return err
}

// grouped returns results that differ in the seed alone together.
func grouped(all []result) (groups [][]result) {
	at := map[setting]int{}
	for _, r := range all {
		key := r.Setting
		key.Seed = 0
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	slices.SortStableFunc(groups, func(a, b []result) int {
		return cmp.Or(cmp.Compare(a[0].Setting.Steps, b[0].Setting.Steps),
			strings.Compare(a[0].Fault, b[0].Fault), cmp.Compare(a[0].last().HeldOut, b[0].last().HeldOut))
	})
	return groups
}
