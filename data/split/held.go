package split

// This file holds what is set aside to measure with.

import (
	"fmt"

	"lode/data/chance"
	"lode/protocol"
)

// HeldOut divides examples 0 to num−1 into those to train on and those held out for
// all: the share, from 0 and below 1, rounded to the nearest number.
func HeldOut(num int, share float64, seed protocol.Digest) (rest, held []int, err error) {
	if !(share >= 0 && share < 1) {
		return nil, nil, fmt.Errorf("%w: a held-out share of %v, want 0 and more, below 1", ErrRule, share)
	}
	order := chance.New("split held out", seed).Permuted(num, num)
	n := rounded(num, share)
	return order[n:], order[:n], nil
}

// KeepBack divides what each client has in the same way; who has one example keeps
// it to train on.
func KeepBack(clients [][]int, share float64) (train, held [][]int, err error) {
	if !(share >= 0 && share < 1) {
		return nil, nil, fmt.Errorf("%w: a share of %v kept back, want 0 and more, below 1", ErrRule, share)
	}
	train, held = make([][]int, len(clients)), make([][]int, len(clients))
	for c, own := range clients {
		// Examples of one label may stand together: those kept back are spread over all.
		n := min(rounded(len(own), share), max(len(own)-1, 0))
		next := 0
		for i, e := range own {
			if next < n && i == (2*next+1)*len(own)/(2*n) {
				held[c] = append(held[c], e)
				next++
			} else {
				train[c] = append(train[c], e)
			}
		}
	}
	return train, held, nil
}

func rounded(n int, share float64) int { return int(float64(float64(n)*share) + 0.5) }
