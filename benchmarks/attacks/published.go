package main

// This file holds one run whose accuracies others publish.

import (
	"fmt"
	"io"
	"slices"
)

const publishedSeeds = 3

// published prints what ByzFL's example run (README.md at 69bd1ac) reaches here:
// three honest workers who share the digits, α = 0.5, and one liar that sends −3
// times their mean; one step of each per merge; clipping, mixing and the trimmed
// mean. Theirs is a convolutional network, ours has one hidden layer; they have eight
// times the digits, and clip to a norm of 2 where we clip to the median. Beside it
// stands the mean of the three without the liar.
func published(out io.Writer, all digits) error {
	steps := []int{100, 200, 500, 1000}
	theirs := []float64{0.6375, 0.8148, 0.9537, 0.9733}
	s := defaults()
	s.send, s.workers, s.liars, s.steps, s.alpha = "dense", 4, 1, 1, 0.5
	s.idle, s.rounds = true, slices.Max(steps)
	s.rule, s.attack = ruleNamed("clip, mixing, trimmed mean"), attack{make: innerProduct(3)}
	attacked, err := meanUntil(s, all, steps)
	if err != nil {
		return err
	}
	s.workers, s.liars, s.rule, s.attack = 3, 0, ruleNamed("mean"), attacks[0]
	free, err := meanUntil(s, all, steps)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "| steps | published | here, mean of %d | without a liar |\n|---|---|---|---|\n", publishedSeeds)
	for i, num := range steps {
		fmt.Fprintf(out, "| %d | %.4f | %.4f | %.4f |\n", num, theirs[i], attacked[i], free[i])
	}
	return nil
}

// meanUntil returns the mean over seeds of the shares after each of these rounds.
func meanUntil(s setting, all digits, rounds []int) ([]float64, error) {
	mean := make([]float64, len(rounds))
	for seed := range uint64(publishedSeeds) {
		s.seed = seed + 1
		rights, err := trainUntil(s, all, rounds...)
		if err != nil {
			return nil, err
		}
		for i, r := range rights {
			mean[i] += r / publishedSeeds
		}
	}
	return mean, nil
}
