package cuda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/cuda/driver"
	"lode/engine/enginetest"
	"lode/engine/model"
	"lode/tensor"
)

var small = model.MLP{Input: []int{7}, Hidden: []int{9}, Activation: model.GELU, Classes: 3}

// on opens an engine for m on the stand-in.
func on(t testing.TB, card *cudatest.Card, m model.Model, opt Options) (*Engine, error) {
	t.Helper()
	opt.Libraries, opt.workspace = card.Libraries, 1<<12
	e, err := New(m, opt)
	if err == nil {
		t.Cleanup(func() { _ = e.Close() })
	}
	return e, err
}

// trained takes three steps from drawn parameters, going on after losses, and returns
// the parameters and how often the card was lost.
func trained(t *testing.T, e engine.Engine) (params tensor.Flat, losses int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	kept := make(tensor.Flat, e.Layout().Len())
	if err := model.Init(small, [32]byte{1}, kept); err != nil {
		t.Fatal(err)
	}
	var state []byte
	restore := func() error { // as a worker does: what it knows of the last step
		if err := tensor.Copy(e.Layout(), e.Params(), kept); err != nil {
			return err
		}
		if state == nil {
			return nil
		}
		return e.ReadState(bytes.NewReader(state))
	}
	insist := func(f func() error) {
		t.Helper()
		if err := engine.Insist(context.Background(), e, func(error) { losses++ }, restore, f); err != nil {
			t.Fatal(err)
		}
	}
	insist(restore)
	for range 3 {
		b := enginetest.Batch(r, small, 5, 1)
		insist(func() error {
			if _, err := e.Step(b, engine.Hyper{Rate: 1e-2}); err != nil {
				return err
			}
			after := make(tensor.Flat, len(kept))
			if err := tensor.Copy(e.Layout(), after, e.Params()); err != nil {
				return err
			}
			var next bytes.Buffer
			if err := e.WriteState(&next); err != nil {
				return err
			}
			kept, state = after, next.Bytes()
			return nil
		})
	}
	return kept, losses
}

// TestLostAtAnyCall: wherever the card is lost, it is opened again and the result is the
// same.
func TestLostAtAnyCall(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "")
	e, err := on(t, card, small, Options{})
	if err != nil {
		t.Fatal(err)
	}
	card.Configure("")
	want, losses := trained(t, e)
	calls := card.Calls()
	if losses != 0 || calls < 50 {
		t.Fatalf("%d losses in %d calls", losses, calls)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for at := 1; at <= calls; at += 1 + calls/25 {
		card.Configure("")
		e, err := on(t, card, small, Options{})
		if err != nil {
			t.Fatal(err)
		}
		card.Configure(fmt.Sprintf("lose=%d", at))
		got, losses := trained(t, e)
		if losses != 1 {
			t.Fatalf("lost at call %d of %d: %d losses", at, calls, losses)
		}
		for i, v := range got {
			if math.Float32bits(v) != math.Float32bits(want[i]) {
				t.Fatalf("lost at call %d: parameter %d is %v, want %v", at, i, v, want[i])
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLostForGood says so at every call, and that the program must start anew.
func TestLostForGood(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "")
	e, err := on(t, card, small, Options{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := e.NewVector()
	if err != nil {
		t.Fatal(err)
	}
	card.Configure("lose=1 heals=0")
	b := enginetest.Batch(rand.New(rand.NewPCG(1, 1)), small, 2, 1)
	_, step := e.Step(b, engine.Hyper{})
	_, loss := e.Loss(b)
	reopen := e.Reopen()
	if reopen == nil || errors.Is(reopen, engine.ErrLost) || !strings.Contains(reopen.Error(), "start the program anew") {
		t.Errorf("Reopen: %v", reopen)
	}
	for what, err := range map[string]error{"Step": step, "Loss": loss, "a vector": v.WriteChunk(tensor.Chunk{Len: 1}, []float32{1})} {
		if !errors.Is(err, engine.ErrLost) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestMemory is planned before it is taken: as much as batches need, less where it is
// short, and none beyond what was given.
func TestMemory(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "")
	wide := model.MLP{Input: []int{64}, Hidden: []int{512}, Activation: model.ReLU, Classes: 3}
	loads := []model.Load{{Rows: 1000, Steps: 1, Gradient: true}, {Rows: 10, Steps: 1}}
	e, err := on(t, card, wide, Options{Loads: loads, Vectors: 2})
	if err != nil {
		t.Fatal(err)
	}
	whole := e.Plan()
	if whole.Positions != 1000 || whole.Limit != 1<<30/100*FreeShare || whole.Total() <= whole.Vectors {
		t.Errorf("plan %+v", whole)
	}
	if e, err = on(t, card, wide, Options{Loads: loads, MaxBytes: whole.Total() / 2}); err != nil {
		t.Fatal(err)
	}
	half := e.Plan()
	if half.Total() > whole.Total()/2 || half.Positions >= 1000 || half.Positions < 100 {
		t.Errorf("with half of it: %+v", half)
	}
	b := enginetest.Batch(rand.New(rand.NewPCG(1, 1)), wide, 1000, 1)
	if _, err := e.Gradient(b); err != nil {
		t.Error(err)
	}
	for i := 0; ; i++ {
		if _, err := e.NewVector(); err != nil {
			if !errors.Is(err, driver.ErrMemory) || !strings.Contains(err.Error(), "--card-memory") || e.used() > half.Limit || i == 0 {
				t.Errorf("after %d vectors: %v", i, err)
			}
			break
		}
	}
	if _, err := e.Gradient(b); err != nil {
		t.Errorf("after a vector was refused: %v", err)
	}
	if _, err := on(t, card, wide, Options{MaxBytes: whole.Fixed / 2}); !errors.Is(err, driver.ErrMemory) || !strings.Contains(err.Error(), "at the least") {
		t.Errorf("with next to nothing: %v", err)
	}
	card.Configure(fmt.Sprintf("memory=%d", e.used()+1<<12)) // of which the second engine has most
	if _, err := on(t, card, wide, Options{}); !errors.Is(err, driver.ErrMemory) {
		t.Errorf("on a card that others have: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "")
	for what, c := range map[string]struct {
		model model.Model
		opt   Options
		says  string
	}{
		"wide heads":      {model.Llama{Dim: 260, Layers: 1, Heads: 1, KVHeads: 1, FFN: 8, Vocab: 8, Context: 8, RopeTheta: 100, NormEps: 1e-5}, Options{}, "there is no kernel for attention with heads of 260 values, only up to 256 yet"},
		"all frozen":      {small, Options{Frozen: []bool{true, true, true, true}}, "frozen"},
		"another mask":    {small, Options{NoDecay: []bool{true}}, "decay"},
		"negative rows":   {small, Options{MicroRows: -1}, "at least 0"},
		"a card too many": {small, Options{Card: 1}, "lode doctor"},
	} {
		if _, err := on(t, card, c.model, c.opt); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The layout of a Run is that of optimizer.cu: the kernels' own test would not see
// a field too much.
func TestRunsAreLaidOutAsInC(t *testing.T) {
	if b := bytesOf([]run{{1, 2, 3, true, false}, {4, 5, 6, false, true}}); len(b) != 2*runBytes || b[0] != 1 || b[8] != 2 || b[16] != 3 || b[20] != 1 || b[24] != 0 || b[runBytes+24] != 1 {
		t.Errorf("%v", b)
	}
}
