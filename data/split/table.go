package split

// This file holds what people want to know of a split.

import (
	"fmt"
	"io"
	"math"

	"lode/data/chance"
)

// Got is what one client got.
type Got struct {
	Samples int     `json:"samples"`
	Labels  []int   `json:"labels"`       // examples of each label
	Entropy float64 `json:"entropy_bits"` // of the labels; 0: only one, or none
}

// Describe counts what each client got.
func Describe(all []Example, clients [][]int) []Got {
	labels := 0
	for _, e := range all {
		labels = max(labels, e.Label+1)
	}
	table := make([]Got, len(clients))
	for c, own := range clients {
		g := Got{Samples: len(own), Labels: make([]int, labels)}
		for _, i := range own {
			g.Labels[all[i].Label]++
		}
		g.Entropy = entropy(g.Labels, g.Samples)
		table[c] = g
	}
	return table
}

func entropy(counts []int, sum int) (bits float64) {
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(sum)
			bits -= float64(p * (chance.Log(p) / math.Ln2))
		}
	}
	return bits
}

// maxColumns bounds the labels that a printed table has columns for.
const maxColumns = 20

// Print writes a table, one line a client.
func Print(w io.Writer, table []Got) error {
	columns := 0
	if len(table) > 0 && len(table[0].Labels) <= maxColumns {
		columns = len(table[0].Labels)
	}
	line := fmt.Sprintf("%6s %8s %8s ", "client", "samples", "entropy")
	for l := range columns {
		line += fmt.Sprintf(" %5d", l)
	}
	for c, g := range table {
		line += fmt.Sprintf("\n%6d %8d %8.3f ", c, g.Samples, g.Entropy)
		for _, n := range g.Labels[:columns] {
			line += fmt.Sprintf(" %5d", n)
		}
	}
	_, err := io.WriteString(w, line+"\n")
	return err
}
