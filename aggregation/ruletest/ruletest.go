package ruletest

// This file holds the conformance kit of merge rules.

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"lode/aggregation"
	"lode/tensor"
)

const (
	rounds   = 200
	maxRows  = 9
	maxValue = int64(1) << 44 // largest magnitude of a term
)

// Conform fails t unless the rule's result does not depend on the order of rows,
// stays within the largest magnitude, is what all rows agree on, is zero where
// all are, and unless it leaves the rows alone and repeats itself.
func Conform(t *testing.T, rule aggregation.Rule) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		n := 1 + r.IntN(tensor.ChunkLen)
		rows := drawRows(r, n)
		before := cloneRows(rows)
		got := combine(rule, n, rows)
		if !reflect.DeepEqual(rows, before) {
			t.Fatal("the rule changes its rows")
		}
		checkBounds(t, got, rows)
		if !slices.Equal(combine(rule, n, rows), got) {
			t.Fatal("the rule does not repeat itself")
		}
		r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		if !slices.Equal(combine(rule, n, rows), got) {
			t.Fatal("the result depends on the order of rows")
		}
		checkUnanimous(t, rule, n, rows[0], len(rows))
	}
}

func combine(rule aggregation.Rule, n int, rows []aggregation.Row) []int64 {
	dst := make([]int64, n)
	rule.Combine(dst, rows)
	return dst
}

// drawRows draws sparse and dense rows, small and extreme values, zeros, and
// rows that name nothing.
func drawRows(r *rand.Rand, n int) []aggregation.Row {
	rows := make([]aggregation.Row, 1+r.IntN(maxRows))
	for w := range rows {
		rate := 1 + r.IntN(20)
		limit := int64(1) << r.IntN(45)
		for i := range n {
			if r.IntN(rate) == 0 {
				v := r.Int64N(2*limit+1) - limit
				rows[w] = append(rows[w], aggregation.Term{Pos: uint16(i), Value: min(max(v, -maxValue), maxValue)})
			}
		}
	}
	return rows
}

func cloneRows(rows []aggregation.Row) []aggregation.Row {
	c := make([]aggregation.Row, len(rows))
	for i, row := range rows {
		c[i] = slices.Clone(row)
	}
	return c
}

func checkBounds(t *testing.T, got []int64, rows []aggregation.Row) {
	t.Helper()
	top := make([]int64, len(got))
	for _, row := range rows {
		for _, term := range row {
			top[term.Pos] = max(top[term.Pos], term.Value, -term.Value)
		}
	}
	for i, v := range got {
		if v > top[i] || v < -top[i] {
			t.Fatalf("place %d: %d, the largest magnitude there is %d", i, v, top[i])
		}
	}
}

func checkUnanimous(t *testing.T, rule aggregation.Rule, n int, row aggregation.Row, num int) {
	t.Helper()
	want := make([]int64, n)
	for _, term := range row {
		want[term.Pos] = term.Value
	}
	if got := combine(rule, n, slices.Repeat([]aggregation.Row{row}, num)); !slices.Equal(got, want) {
		t.Fatalf("%d equal rows do not give themselves", num)
	}
}
