package main

// This file holds the text: what is trained on, and what is held out.

import (
	"fmt"
	"math/rand/v2"
	"os"

	"lode/engine"
)

// text is a corpus of bytes in two parts.
type text struct{ train, held []byte }

func readText(path string) (text, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return text{}, fmt.Errorf("read text: %w", err)
	}
	const least = 1 << 16
	if len(b) < least {
		return text{}, fmt.Errorf("text %s has %d bytes, want at least %d", path, len(b), least)
	}
	cut := len(b) * 95 / 100
	return text{b[:cut], b[cut:]}, nil
}

// rows appends batches of one row each for the windows at starts.
func rows(part []byte, starts []int, seq int) engine.Batch {
	inputs, targets := make([]int32, 0, len(starts)*seq), make([]int32, 0, len(starts)*seq)
	for _, at := range starts {
		for i := range seq {
			inputs = append(inputs, int32(part[at+i]))
			targets = append(targets, int32(part[at+i+1]))
		}
	}
	return engine.Tokens(len(starts), seq, inputs, targets)
}

// draw returns where the windows of a worker's batch begin: the same for every
// method, so that methods differ in what they make of it alone.
func (t text) draw(s setting, worker, step int) []int {
	r := rand.New(rand.NewPCG(s.Seed, uint64(worker)<<32|uint64(step)))
	starts := make([]int, s.Rows)
	for i := range starts {
		starts[i] = r.IntN(len(t.train) - s.Seq)
	}
	return starts
}

// Size of the sample that held-out loss is measured on.
const (
	sampleBatches = 16
	sampleRows    = 64
	sampleSeq     = 64
)

// sample returns windows spread evenly over the held-out part; where that is
// short, they overlap.
func (t text) sample() []engine.Batch {
	const num = sampleBatches * sampleRows
	span := len(t.held) - sampleSeq - 1
	var batches []engine.Batch
	for b := range sampleBatches {
		starts := make([]int, sampleRows)
		for i := range starts {
			starts[i] = (b*sampleRows + i) * span / (num - 1)
		}
		batches = append(batches, rows(t.held, starts, sampleSeq))
	}
	return batches
}
