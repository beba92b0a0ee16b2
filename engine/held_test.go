package engine

import (
	"errors"
	"math"
	"testing"

	"lode/tensor"
)

// lazy is an engine whose steps take 1 off all parameters, which lie in memory, in sight
// or not.
type lazy struct {
	Engine
	l      tensor.Layout
	params tensor.Flat
	hidden bool
}

func (e *lazy) Layout() tensor.Layout { return e.l }

func (e *lazy) Params() Vector {
	if e.hidden {
		return struct{ Vector }{e.params}
	}
	return e.params
}

func (e *lazy) Step(Batch, Hyper) (float64, error) {
	for i := range e.params {
		e.params[i]--
	}
	return 0, nil
}

// After each step parameters come back a share of the way to where the round began, the
// last step's too; without steps nothing moves.
func TestHeld(t *testing.T) {
	l, err := tensor.NewLayout(tensor.Spec{Name: "a", Shape: []int{tensor.ChunkLen + 7}})
	if err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []bool{false, true} {
		e, start := &lazy{l: l, params: make(tensor.Flat, l.Len()), hidden: hidden}, make(tensor.Flat, l.Len())
		for i := range start {
			start[i] = float32(i % 5)
		}
		copy(e.params, start)
		if _, _, err := Train(t.Context(), e, Hyper{}, 3, Held(e, start, 0.25, words(3))); !errors.Is(err, errText) {
			t.Fatal(err)
		}
		away := 0.0 // as the definition has it
		for range 3 {
			away = (away - 1) * 0.75
		}
		for i, v := range e.params {
			if want := float64(start[i]) + away; math.Abs(float64(v)-want) > 1e-6 {
				t.Fatalf("hidden %v: parameter %d is %v, want %v", hidden, i, v, want)
			}
		}
		at := e.params[0]
		if _, _, err := Train(t.Context(), e, Hyper{}, 0, Held(e, start, 0.25, words(3))); err != nil || e.params[0] != at {
			t.Errorf("hidden %v: without a step parameters went from %v to %v, %v", hidden, at, e.params[0], err)
		}
		if _, _, err := Train(t.Context(), e, Hyper{}, 3, Held(e, bad{}, 0.25, words(3))); !errors.Is(err, errText) {
			t.Errorf("a start that cannot be read: %v", err)
		}
	}
}

// bad is a vector that cannot be read.
type bad struct{}

func (bad) ReadChunk(tensor.Chunk, []float32) error { return errText }

// Of queued steps one that was not taken is the end: nothing is pulled after it.
func TestHeldWaits(t *testing.T) {
	l := &late{bad: 1}
	if _, _, err := Train(t.Context(), l, Hyper{}, 3, Held(l, bad{}, 0.25, words(3))); !errors.Is(err, ErrNotFinite) || l.queued != 1 {
		t.Errorf("%v after %d steps", err, l.queued)
	}
}
