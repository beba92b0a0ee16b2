package main

// This file holds what lode bench federated reports, as far as it is drawn.

import (
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
)

// federated is a report: one object for several runs.
type federated struct {
	Epochs int
	Runs   []struct {
		Split, Method string
		Rounds        []struct {
			Round  int
			Global *struct{ Accuracy float64 }
		}
	}
}

// results returns the runs, named by method, split and epochs. What is drawn is
// accuracy in percent, where it was measured, from the first round on.
func (f federated) results() (all []result) {
	for _, run := range f.Runs {
		var r result
		r.Setting.Name = fmt.Sprintf("%s, %s, E=%d", run.Method, run.Split, f.Epochs)
		for _, at := range run.Rounds {
			if at.Global != nil && at.Round > 0 {
				r.Points = append(r.Points, point{Steps: at.Round, HeldOut: 100 * at.Global.Accuracy})
			}
		}
		all = append(all, r)
	}
	return all
}

// federatedStyle gives runs of one method, or of one number of epochs where there is
// one method alone, the same colour, and those of one split the same dashes.
func federatedStyle(names []string, name string) style {
	part := func(k int) (values []string) {
		for _, n := range names {
			if p := strings.Split(n, ", "); k < len(p) && !slices.Contains(values, p[k]) {
				values = append(values, p[k])
			}
		}
		return values
	}
	place := func(k int) int { return max(slices.Index(part(k), strings.Split(name+", , ", ", ")[k]), 0) }
	colour := place(0)
	if len(part(0)) == 1 {
		colour = place(2)
	}
	dashes := [][]vg.Length{nil, {vg.Points(5), vg.Points(2)}, {vg.Points(1.5), vg.Points(1.5)}}
	return style{colours[(colour+1)%len(colours)], dashes[place(1)%len(dashes)]}
}
