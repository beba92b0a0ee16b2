package study

// This file holds the situations: who weighs whom in which epoch.

import "fmt"

// Situation is what validators do, epoch by epoch.
type Situation struct {
	Name, Title string // Title says what is special, in a few words
	Validators  []string
	Servers     []string
	Steps       []Step
	// Watched is the validator that the situation is about.
	Watched int
}

// Step is one epoch: a stake for each validator, and its row of weights, one for
// each server.
type Step struct {
	Stake   []float64
	Weights [][]float64
}

// WeightCopier has two honest validators with 0.4 of the stake each, who always
// name the better of two servers, which is the other one every third epoch, and one
// with 0.2 who repeats what they said lag epochs ago. Commit-reveal is what makes a
// copier late.
func WeightCopier(lag, epochs int) Situation {
	s := Situation{
		Name: "copier", Title: fmt.Sprintf("copies %d epochs late", lag), Watched: 2,
		Validators: []string{"honest 0.4", "honest 0.4 too", "copier 0.2"}, Servers: []string{"server 1", "server 2"},
	}
	if lag == 1 {
		s.Title = "copies 1 epoch late"
	}
	better := func(epoch int) []float64 {
		if max(epoch, 0)/3%2 == 0 {
			return []float64{1, 0}
		}
		return []float64{0, 1}
	}
	for e := range epochs {
		honest := better(e)
		s.Steps = append(s.Steps, Step{[]float64{0.4, 0.4, 0.2}, [][]float64{honest, honest, better(e - lag)}})
	}
	return s
}

// Cabal has two honest validators, who nearly agree on two servers, and one with
// the given share of all stake that says the same for a quarter of the epochs and
// then gives own of its weight to a server nobody else names. Both lie in [0, 1].
func Cabal(stake, own float64, epochs int) Situation {
	s := Situation{
		Name: "cabal", Title: fmt.Sprintf("stake %.1f, gives itself %.1f", stake, own), Watched: 2,
		Validators: []string{"honest", "honest too", "cabal"}, Servers: []string{"server 1", "server 2", "cabal's server"},
	}
	honest := 1 - stake
	for e := range epochs {
		given := own
		if e < epochs/4 {
			given = 0
		}
		s.Steps = append(s.Steps, Step{
			[]float64{honest * 7 / 12, honest * 5 / 12, stake},
			[][]float64{{0.5455, 0.4545, 0}, {0.5636, 0.4364, 0}, {0.55 * (1 - given), 0.45 * (1 - given), given}},
		})
	}
	return s
}

// Switch says who notices first that another server has become the better one.
type Switch uint8

// The published orders: the validator with 0.8 of the stake moves before, between or
// after two with 0.1 each, or all move at once.
const (
	BigFirst Switch = iota
	BigSecond
	BigThird
	Together
)

// Switching has one validator with 0.8 of the stake and two with 0.1 each, who all
// name server 1 and then, from the second epoch on, one after the other server 2.
func Switching(order Switch, epochs int) Situation {
	moves := map[Switch]struct {
		title   string
		at      []int // epoch in which each validator moves
		watched int
	}{
		BigFirst:  {"the big one moves first", []int{1, 2, 3}, 2},
		BigSecond: {"the big one moves second", []int{2, 1, 3}, 1},
		BigThird:  {"the big one moves third", []int{3, 1, 2}, 1},
		Together:  {"all move at once", []int{1, 1, 1}, 0},
	}[order]
	s := Situation{
		Name: "switch", Title: moves.title, Watched: moves.watched,
		Validators: []string{"big 0.8", "small 0.1", "small 0.1 too"}, Servers: []string{"server 1", "server 2"},
	}
	for e := range epochs {
		step := Step{Stake: []float64{0.8, 0.1, 0.1}}
		for _, at := range moves.at {
			row := []float64{1, 0}
			if e >= at {
				row = []float64{0, 1}
			}
			step.Weights = append(step.Weights, row)
		}
		s.Steps = append(s.Steps, step)
	}
	return s
}

// Study is a family of situations that differ in one thing.
type Study struct {
	Name, Title string
	Epochs      int // as published
	Situations  func(epochs int) []Situation
}

// Studies returns the published questions: what copying weights earns, what a cabal
// earns, and who gains when validators switch one after the other.
func Studies() []Study {
	return []Study{
		{"copier", "A validator with 0.2 of the stake copies weights", 12, func(epochs int) (all []Situation) {
			for lag := range 3 {
				all = append(all, WeightCopier(lag, epochs))
			}
			return all
		}},
		{"cabal", "A cabal turns to a server of its own after a quarter of the epochs", 40, func(epochs int) (all []Situation) {
			for _, x := range [][2]float64{{0.4, 0.2}, {0.4, 0.5}, {0.4, 1}, {0.6, 0.5}} {
				all = append(all, Cabal(x[0], x[1], epochs))
			}
			return all
		}},
		{"switch", "Validators switch to another server, one after the other", 40, func(epochs int) (all []Situation) {
			for order := BigFirst; order <= Together; order++ {
				all = append(all, Switching(order, epochs))
			}
			return all
		}},
	}
}
