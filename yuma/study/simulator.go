package study

// This file holds the epoch of the variants.

import (
	"fmt"
	"math"
)

const (
	epsilon   = 1e-6 // added to sums that something is divided by
	precision = 1e-5 // of the consensus
	levels    = 65535
)

// Simulator plays epochs by one rule and keeps bonds from one to the next.
type Simulator struct {
	p        Params
	epochs   int
	bonds    matrix
	previous matrix // weights of the epoch before
}

// New returns a simulator before its first epoch. It refuses rules out of range.
func New(p Params) (*Simulator, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	return &Simulator{p: p}, nil
}

// Outcome is what an epoch gave: Consensus and Incentive by server, Dividends by
// validator, Bonds by both. Dividends sum to 1 or to 0.
type Outcome struct {
	Consensus, Incentive, Dividends []float64
	Bonds                           [][]float64
}

// matrix has a row for each validator and a column for each server.
type matrix [][]float64

func newMatrix(rows, cols int) matrix {
	m := make(matrix, rows)
	for i := range m {
		m[i] = make([]float64, cols)
	}
	return m
}

// sums returns the sum of each column.
func (m matrix) sums() []float64 {
	out := make([]float64, len(m[0]))
	for _, row := range m {
		for j, x := range row {
			out[j] += x
		}
	}
	return out
}

// Epoch plays one epoch with a stake for each validator and a row of weights, one
// for each server. The shape must be that of the first epoch; stake and weights must
// be finite, not negative, and somebody must have stake.
func (s *Simulator) Epoch(stake []float64, weights [][]float64) (Outcome, error) {
	if err := s.check(stake, weights); err != nil {
		return Outcome{}, fmt.Errorf("study: epoch %d: %w", s.epochs, err)
	}
	share := normalized(stake)
	w := normalizedRows(weights)
	stated := w
	if s.p.Rule == Yuma2B && s.previous != nil {
		stated = s.previous
	}
	out := Outcome{Consensus: consensus(share, w, s.p.Kappa)}
	clipped := clip(stated, out.Consensus)
	out.Incentive = normalized(stakeSum(share, clipped))
	take := s.takes(w, out.Consensus)
	var held matrix // what dividends are paid by
	switch s.p.Rule {
	case Yuma1:
		s.bonds = divideColumns(s.average(divideColumns(s.purchase(share, stated, clipped), epsilon), take), epsilon)
		held = s.bonds
	case Yuma2, Yuma2B:
		s.bonds = s.average(divideColumns(s.purchase(share, stated, clipped), 0), take)
		held = s.bonds
	case Yuma2C:
		s.bonds = s.buyAbsolute(share, w)
		held = divideColumns(s.bonds, 0)
	case Yuma3:
		s.bonds = s.buyRelative(w, take)
		held = divideColumns(s.bonds, epsilon)
	}
	out.Dividends = s.dividends(share, held, out.Incentive)
	out.Bonds = s.bonds
	s.previous = w
	s.epochs++
	return out, nil
}

func (s *Simulator) check(stake []float64, weights [][]float64) error {
	if len(stake) != len(weights) || len(stake) == 0 || len(weights[0]) == 0 {
		return fmt.Errorf("%d stakes for %d rows of weights", len(stake), len(weights))
	}
	if s.bonds != nil && (len(s.bonds) != len(weights) || len(s.bonds[0]) != len(weights[0])) {
		return fmt.Errorf("%d by %d weights, before it were %d by %d", len(weights), len(weights[0]), len(s.bonds), len(s.bonds[0]))
	}
	good := func(v []float64) error {
		for _, x := range v {
			if !(x >= 0 && x <= 1e18) {
				return fmt.Errorf("%v is no stake or weight", x)
			}
		}
		return nil
	}
	for i, row := range weights {
		if len(row) != len(weights[0]) {
			return fmt.Errorf("row %d has %d weights, the first %d", i, len(row), len(weights[0]))
		}
		if err := good(row); err != nil {
			return err
		}
	}
	if err := good(stake); err != nil {
		return err
	}
	if total(stake) == 0 {
		return fmt.Errorf("nobody has stake")
	}
	return nil
}

// purchase is what this epoch adds to bonds that are shares of a column.
func (s *Simulator) purchase(share []float64, stated, clipped matrix) matrix {
	out := newMatrix(len(stated), len(stated[0]))
	for i, row := range out {
		for j := range row {
			row[j] = share[i] * ((1-s.p.BondsPenalty)*stated[i][j] + s.p.BondsPenalty*clipped[i][j])
		}
	}
	return out
}

// average mixes new bonds with those of the epoch before, if there was one.
func (s *Simulator) average(bonds, take matrix) matrix {
	if s.bonds == nil {
		return bonds
	}
	for i, row := range bonds {
		for j, x := range row {
			row[j] = take[i][j]*x + (1-take[i][j])*s.bonds[i][j]
		}
	}
	return bonds
}

// buyAbsolute is Yuma 2C, in units of the capacity of all stake.
func (s *Simulator) buyAbsolute(share []float64, w matrix) matrix {
	out := newMatrix(len(w), len(w[0]))
	for i, row := range out {
		for j := range row {
			old := s.old(i, j)
			bought := min(s.p.Purchase*share[i], max(share[i]-old, 0)) * w[i][j]
			row[j] = min((1-s.p.Decay)*old+bought, share[i])
		}
	}
	return out
}

// buyRelative is Yuma 3.
func (s *Simulator) buyRelative(w, take matrix) matrix {
	out := newMatrix(len(w), len(w[0]))
	for i, row := range out {
		for j := range row {
			kept := s.old(i, j) * (1 - take[i][j])
			row[j] = min(kept+take[i][j]*w[i][j], 1)
		}
	}
	return out
}

func (s *Simulator) old(i, j int) float64 {
	if s.bonds == nil {
		return 0
	}
	return s.bonds[i][j]
}

// dividends pays every validator by its bonds on what servers earn.
func (s *Simulator) dividends(share []float64, held matrix, incentive []float64) []float64 {
	out := make([]float64, len(held))
	for i, row := range held {
		for j, b := range row {
			out[i] += b * incentive[j]
		}
		if s.p.Rule == Yuma3 {
			out[i] *= share[i]
		}
	}
	sum := total(out) + epsilon
	for i := range out {
		out[i] /= sum
	}
	return out
}

// takes returns what each bond takes over of the new one.
func (s *Simulator) takes(w matrix, consensus []float64) matrix {
	out := newMatrix(len(w), len(w[0]))
	for i, row := range out {
		for j := range row {
			switch {
			case s.p.Liquid && s.bonds != nil:
				row[j] = s.p.liquid(w[i][j], s.bonds[i][j], consensus[j])
			case s.p.Rule == Yuma1:
				row[j] = 1
			default:
				row[j] = s.p.Take
			}
		}
	}
	return out
}

// liquid is fast where a validator leads the consensus or gives up a bond.
func (p Params) liquid(weight, bond, consensus float64) float64 {
	distance := weight - consensus
	if weight < bond {
		distance = bond - weight
	}
	distance = max(0, min(distance, 1))
	a := p.AlphaLow + (p.AlphaHigh-p.AlphaLow)/(1+math.Exp(-p.Steepness*(distance-0.5)))
	return max(p.AlphaLow, min(a, p.AlphaHigh))
}

// consensus returns for every server the weight at which stake stops passing kappa.
func consensus(share []float64, w matrix, kappa float64) []float64 {
	out := make([]float64, len(w[0]))
	for j := range out {
		low, high := 0.0, 1.0
		for high-low > precision {
			mid := (low + high) / 2
			var above float64
			for i, row := range w {
				if row[j] > mid {
					above += share[i]
				}
			}
			if above > kappa {
				low = mid
			} else {
				high = mid
			}
		}
		out[j] = high
	}
	sum := total(out)
	for j, c := range out {
		out[j] = math.Trunc(c/sum*levels) / levels
	}
	return out
}

func clip(w matrix, limit []float64) matrix {
	out := newMatrix(len(w), len(w[0]))
	for i, row := range w {
		for j, x := range row {
			out[i][j] = min(x, limit[j])
		}
	}
	return out
}

func stakeSum(share []float64, w matrix) []float64 {
	out := make([]float64, len(w[0]))
	for i, row := range w {
		for j, x := range row {
			out[j] += share[i] * x
		}
	}
	return out
}

// divideColumns divides every column by its sum plus eps; one without sum is zero.
func divideColumns(m matrix, eps float64) matrix {
	sums := m.sums()
	out := newMatrix(len(m), len(m[0]))
	for i, row := range m {
		for j, x := range row {
			if sums[j] > 0 {
				out[i][j] = x / (sums[j] + eps)
			}
		}
	}
	return out
}

func normalizedRows(weights [][]float64) matrix {
	out := newMatrix(len(weights), len(weights[0]))
	for i, row := range weights {
		sum := total(row) + epsilon
		for j, x := range row {
			out[i][j] = x / sum
		}
	}
	return out
}

// normalized divides v by its sum; zeros stay zeros.
func normalized(v []float64) []float64 {
	out := make([]float64, len(v))
	if sum := total(v); sum > 0 {
		for i, x := range v {
			out[i] = x / sum
		}
	}
	return out
}

func total(v []float64) (sum float64) {
	for _, x := range v {
		sum += x
	}
	return sum
}
