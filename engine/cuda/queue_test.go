package cuda

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/enginetest"
	"lode/engine/model"
	"lode/tensor"
)

// course is what steps leave.
type course struct {
	losses []float64
	params tensor.Flat
	state  []byte
}

func (c *course) read(t *testing.T, e *Engine) {
	t.Helper()
	c.params = make(tensor.Flat, e.layout.Len())
	if err := tensor.Copy(e.layout, c.params, e.Params()); err != nil {
		t.Fatal(err)
	}
	var state bytes.Buffer
	if err := e.WriteState(&state); err != nil {
		t.Fatal(err)
	}
	c.state = state.Bytes()
}

func (c *course) same(t *testing.T, what string, want course) {
	t.Helper()
	if !slices.Equal(c.losses, want.losses) {
		t.Errorf("%s: losses %v, want %v", what, c.losses, want.losses)
	}
	if !bytes.Equal(c.state, want.state) {
		t.Errorf("%s: another state of the optimizer", what)
	}
	for i, v := range c.params {
		if math.Float32bits(v) != math.Float32bits(want.params[i]) {
			t.Fatalf("%s: parameter %d is %v, want %v", what, i, v, want.params[i])
		}
	}
}

// TestQueue: steps that are queued leave the bits of steps that are waited for, whatever
// batches come, in parts and with Muon; and a step takes few calls.
func TestQueue(t *testing.T) {
	m := model.Llama{Dim: 16, Layers: 1, Heads: 2, KVHeads: 1, FFN: 12, Vocab: 11, Context: 16, RopeTheta: 100, NormEps: 1e-5, Tied: true}
	for _, muon := range []bool{false, true} {
		var want course
		for i, order := range []string{"order=1", "order=2", "order=3"} {
			card := cudatest.Use(t, cudatest.Kernels(), order)
			e, err := on(t, card, m, Options{MicroRows: 2})
			if err != nil {
				t.Fatal(err)
			}
			if err := model.Init(m, [32]byte{1}, e.Params()); err != nil {
				t.Fatal(err)
			}
			r, got, most, calls := rand.New(rand.NewPCG(5, 5)), course{}, 0, 0
			for at := range 10 {
				b := enginetest.Batch(r, m, 1+3*(at%2), 9) // two parts, or one
				h := engine.Hyper{Rate: 1e-2 / float32(1+at), WeightDecay: 0.1, ClipNorm: float32(at % 3), Muon: muon}
				calls -= card.Calls()
				if i == 0 {
					loss, err := e.Step(b, h)
					if err != nil {
						t.Fatal(err)
					}
					got.losses = append(got.losses, loss)
				} else if err := e.Queue(b, h, func(loss float64) { got.losses = append(got.losses, loss) }); err != nil {
					t.Fatal(err)
				}
				if calls += card.Calls(); at < 6 {
					calls = 0
				}
				most = max(most, len(e.queue.steps))
			}
			if err := e.Wait(); err != nil {
				t.Fatal(err)
			}
			if got.read(t, e); i == 0 {
				want = got
			}
			got.same(t, fmt.Sprintf("muon %v, %s", muon, order), want)
			if i > 0 && most != queueSlots {
				t.Errorf("%d steps were queued, want %d", most, queueSlots)
			}
			if calls > 4*20 {
				t.Errorf("%d calls for four recorded steps", calls)
			}
			if err := e.Queue(enginetest.Batch(r, m, 1, 9), engine.Hyper{}, func(float64) {}); err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil { // with a step in the queue
				t.Fatal(err)
			}
		}
	}
}

// wild is a batch of which a number is too much for a model with weights to take it in.
func wild() engine.Batch {
	b := enginetest.Batch(rand.New(rand.NewPCG(6, 6)), small, 2, 1)
	b.Inputs.Reals[3] = 3e38
	return b
}

// steep gives small's hidden layer one weight, and those behind it such that slopes are large.
func steep(t *testing.T, e *Engine, first float32) {
	t.Helper()
	for c, w := range map[tensor.Chunk][]float32{
		{Len: 7 * 9}:                  slices.Repeat([]float32{first}, 7*9),
		{Offset: 7*9 + 9, Len: 3 * 9}: slices.Repeat([]float32{100, -100, 1, 50}, 7)[:3*9],
	} {
		if err := e.Params().WriteChunk(c, w); err != nil {
			t.Fatal(err)
		}
	}
}

// TestQueueNotFinite: from a step on whose loss, or whose gradient alone, is not finite nothing
// moves, and once that was told steps go on.
func TestQueueNotFinite(t *testing.T) {
	for says, first := range map[string]float32{"the loss is NaN": 10, "the gradient's norm is +Inf": 0} {
		card, want := cudatest.Use(t, cudatest.Kernels(), ""), course{}
		for _, bad := range []bool{false, true} {
			e, err := on(t, card, small, Options{})
			if err != nil {
				t.Fatal(err)
			}
			steep(t, e, first)
			r, got := rand.New(rand.NewPCG(5, 5)), course{}
			h, said := engine.Hyper{Rate: 0}, func(loss float64) { got.losses = append(got.losses, loss) }
			queue := func(b engine.Batch, h engine.Hyper) {
				t.Helper()
				if err := e.Queue(b, h, said); err != nil {
					t.Fatal(err)
				}
			}
			for at := range 7 {
				if at == 3 && bad {
					queue(wild(), h)
					queue(enginetest.Batch(rand.New(rand.NewPCG(7, 7)), small, 2, 1), engine.Hyper{Rate: 1}) // is not taken
					if err := e.Wait(); !errors.Is(err, engine.ErrNotFinite) || !strings.Contains(err.Error(), "step 4: "+says) || len(got.losses) != 3 {
						t.Fatalf("%v after %d losses", err, len(got.losses))
					}
					if err := e.Wait(); err != nil {
						t.Fatalf("told twice: %v", err)
					}
				}
				if at == 3 {
					h.Rate = 1e-2
				}
				queue(enginetest.Batch(r, small, 3, 1), h)
			}
			if err := e.Wait(); err != nil {
				t.Fatal(err)
			}
			if got.read(t, e); !bad {
				want = got
			}
			got.same(t, says, want)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestQueueTells: who does not wait is told by the queue.
func TestQueueTells(t *testing.T) {
	e, err := on(t, cudatest.Use(t, cudatest.Kernels(), ""), small, Options{})
	if err != nil {
		t.Fatal(err)
	}
	steep(t, e, 10)
	for at := 1; ; at++ {
		err := e.Queue(wild(), engine.Hyper{}, func(loss float64) { t.Errorf("loss %v", loss) })
		if err == nil && at <= queueSlots {
			continue
		}
		if !errors.Is(err, engine.ErrNotFinite) || !strings.Contains(err.Error(), "step 1:") {
			t.Errorf("at step %d: %v", at, err)
		}
		break
	}
	if err := e.Wait(); err != nil || e.steps != 0 {
		t.Errorf("%d steps were taken, %v", e.steps, err)
	}
}

// TestHyperIsLaidOutAsInC: the kernels' own tests would not see a field too much.
func TestHyperIsLaidOutAsInC(t *testing.T) {
	b := hyperOf(engine.Hyper{Rate: 1, Beta1: 0.5, Beta2: 0.75, Epsilon: 3, WeightDecay: 2, ClipNorm: 4}, 1)
	if len(b) != hyperBytes {
		t.Fatalf("%d bytes", len(b))
	}
	want := []float32{1, 2, 4, 0.5, 0.75, 3, 2, 0}
	for i, w := range want {
		if got := math.Float32frombits(uint32(b[8+4*i]) | uint32(b[9+4*i])<<8 | uint32(b[10+4*i])<<16 | uint32(b[11+4*i])<<24); got != w {
			t.Errorf("value %d is %v, want %v", i, got, w)
		}
	}
}
