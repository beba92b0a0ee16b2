package engine

import (
	"context"
	"errors"
	"iter"
	"math"
	"reflect"
	"testing"

	"lode/tensor"
)

// counted is an engine whose loss is the number of steps before.
type counted struct {
	Engine
	steps int
	rate  float32
}

func (c *counted) Step(_ Batch, h Hyper) (float64, error) {
	c.steps, c.rate = c.steps+1, h.Rate
	return float64(c.steps - 1), nil
}

var errText = errors.New("text")

// words yields num batches of 6 tokens, then an error.
func words(num int) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for range num {
			if !yield(Tokens(2, 3, make([]int32, 6), make([]int32, 6)), nil) {
				return
			}
		}
		yield(Batch{}, errText)
	}
}

func TestTrain(t *testing.T) {
	c := &counted{}
	loss, targets, err := Train(t.Context(), c, Hyper{Rate: 3}, 4, words(5))
	if err != nil || loss != 1.5 || targets != 24 || c.steps != 4 || c.rate != 3 {
		t.Errorf("loss %v of %d targets after %d steps at %v, %v", loss, targets, c.steps, c.rate, err)
	}
	if _, _, err := Train(t.Context(), c, Hyper{}, 9, words(5)); !errors.Is(err, errText) {
		t.Errorf("text that cannot be had: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := Train(ctx, c, Hyper{}, 9, words(5)); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// late is counted, but tells losses when it is waited for; step bad has none.
type late struct {
	counted
	bad, queued int
	told        []func()
}

func (l *late) Queue(b Batch, h Hyper, said func(float64)) error {
	l.queued++
	one, _ := l.Step(b, h)
	l.told = append(l.told, func() { said(one) })
	return nil
}

func (l *late) Wait() error {
	told := l.told
	l.told = nil
	for i, f := range told {
		if l.bad > 0 && i == l.bad-1 {
			return ErrNotFinite
		}
		f()
	}
	return nil
}

// Losses come when they come; a failure of a step comes before what happened since.
func TestTrainQueues(t *testing.T) {
	l := &late{}
	loss, targets, err := Train(t.Context(), l, Hyper{Rate: 3}, 4, words(5))
	if err != nil || loss != 1.5 || targets != 24 || l.queued != 4 || l.rate != 3 {
		t.Errorf("loss %v of %d targets after %d steps at %v, %v", loss, targets, l.queued, l.rate, err)
	}
	if _, _, err := Train(t.Context(), l, Hyper{}, 9, words(5)); !errors.Is(err, errText) || l.told != nil {
		t.Errorf("text that cannot be had: %v, %d losses were not waited for", err, len(l.told))
	}
	l.bad = 2
	if _, _, err := Train(t.Context(), l, Hyper{}, 9, words(5)); !errors.Is(err, ErrNotFinite) {
		t.Errorf("a bad step: %v", err)
	}
}

func TestNorm(t *testing.T) {
	l, err := tensor.NewLayout(tensor.Spec{Name: "a", Shape: []int{tensor.ChunkLen + 1}})
	if err != nil {
		t.Fatal(err)
	}
	vals := make(tensor.Flat, l.Len())
	vals[0], vals[tensor.ChunkLen] = 3, -4
	if n, err := Norm(l, vals); err != nil || n != 5 {
		t.Errorf("norm %v, %v", n, err)
	}
	vals[7] = float32(math.NaN())
	if n, err := Norm(l, vals); err != nil || !math.IsNaN(n) {
		t.Errorf("norm %v, %v", n, err)
	}
}

func TestJoin(t *testing.T) {
	got := Join(Tokens(1, 2, []int32{1, 2}, []int32{2, 3}), Tokens(2, 2, []int32{4, 5, 6, 7}, []int32{5, 6, 7, 8}))
	if want := Tokens(3, 2, []int32{1, 2, 4, 5, 6, 7}, []int32{2, 3, 5, 6, 7, 8}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	pixels := Batch{Rows: 1, Inputs: Array{Shape: []int{2}, Reals: []float32{1, 2}}, Targets: Array{IDs: []int32{7}}}
	if both := Join(pixels, pixels); both.Rows != 2 || len(both.Inputs.Reals) != 4 || both.Inputs.IDs != nil || len(both.Targets.IDs) != 2 {
		t.Errorf("got %+v", both)
	}
}
