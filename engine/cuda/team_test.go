package cuda

import (
	"bytes"
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
	"lode/gradient"
	"lode/tensor"
)

// Ways from card to card: NCCL, copies, copies through the host.
var between = []string{"", "nccl=0", "nccl=0 peers=0"}

// team opens a team for m on the stand-in.
func team(t *testing.T, card *cudatest.Card, m model.Model, opt Options, cards ...int) (*Team, error) {
	t.Helper()
	opt.Libraries, opt.workspace = card.Libraries, 1<<12
	e, err := NewTeam(m, opt, cards)
	if err == nil {
		t.Cleanup(func() { _ = e.Close() })
	}
	return e, err
}

// sameOnAll fails where cards differ in parameters, gradient, moments or steps.
func sameOnAll(t *testing.T, team *Team) {
	t.Helper()
	first := team.cards[0]
	for i, e := range team.cards[1:] {
		if e.steps != first.steps {
			t.Fatalf("card %d has taken %d steps, card 0 %d", i+1, e.steps, first.steps)
		}
		for name, of := range map[string]func(*program) buffer{
			"parameter": func(p *program) buffer { return p.params }, "gradient": func(p *program) buffer { return p.grads },
			"first moment": func(p *program) buffer { return p.first }, "second moment": func(p *program) buffer { return p.second },
		} {
			want, got := contents(t, first, of(first.program)), contents(t, e, of(e.program))
			for j, v := range got {
				if math.Float32bits(v) != math.Float32bits(want[j]) {
					t.Fatalf("%s %d of card %d is %v, of card 0 %v", name, j, i+1, v, want[j])
				}
			}
		}
	}
}

func contents(t *testing.T, e *Engine, b buffer) tensor.Flat {
	t.Helper()
	vals := make(tensor.Flat, b.bytes/4)
	if err := e.do(func() error { return e.download(vals, b.at(0)) }); err != nil {
		t.Fatal(err)
	}
	return vals
}

// stepped takes steps on batches of so many rows and returns losses and parameters.
func stepped(t *testing.T, e engine.Engine, m model.Model, h engine.Hyper, rows ...int) (losses []float64, params tensor.Flat) {
	t.Helper()
	if err := model.Init(m, [32]byte{1}, e.Params()); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 1))
	for _, n := range rows {
		loss, err := e.Step(enginetest.Batch(r, m, n, 9), h)
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, loss)
	}
	params = make(tensor.Flat, e.Layout().Len())
	if err := tensor.Copy(e.Layout(), params, e.Params()); err != nil {
		t.Fatal(err)
	}
	return losses, params
}

// TestCardsAgree: several cards do what one does, up to the order of sums, and all of them
// hold the same bits: rows that do not divide, fewer rows than cards, parts of a batch, passes
// that are recorded, frozen tensors, bf16, Muon.
func TestCardsAgree(t *testing.T) {
	text := model.Llama{Dim: 16, Layers: 1, Heads: 2, KVHeads: 1, FFN: 12, Vocab: 11, Context: 16, RopeTheta: 100, NormEps: 1e-5, Tied: true}
	for name, c := range map[string]struct {
		model model.Model
		opt   Options
		hyper engine.Hyper
		near  float64 // relative to the norm of the parameters
	}{
		"plain":  {small, Options{}, engine.Hyper{Rate: 1e-2, WeightDecay: 0.1, ClipNorm: 0.5}, 1e-5},
		"frozen": {small, Options{Frozen: []bool{false, true, false, false}}, engine.Hyper{Rate: 1e-2}, 1e-5},
		"parts":  {text, Options{MicroRows: 1}, engine.Hyper{Rate: 1e-3}, 1e-5},
		"Muon":   {text, Options{Muon: true}, engine.Hyper{Rate: 1e-3, Muon: true}, 1e-5},
		"bf16":   {text, Options{Half: true}, engine.Hyper{Rate: 1e-3}, 1e-3},
	} {
		t.Run(name, func(t *testing.T) {
			rows := []int{5, 5, 5, 1, 4}
			one, err := on(t, cudatest.Use(t, cudatest.Kernels(), "order=2"), c.model, c.opt)
			if err != nil {
				t.Fatal(err)
			}
			wantLosses, want := stepped(t, one, c.model, c.hyper, rows...)
			if err := one.Close(); err != nil {
				t.Fatal(err)
			}
			ways := between
			if c.opt.Muon || c.opt.Half { // to NCCL they are what parts are
				ways = between[1:]
			}
			var before tensor.Flat
			for i, way := range ways {
				card := cudatest.Use(t, cudatest.Kernels(), fmt.Sprintf("devices=3 order=%d %s", i+3, way))
				e, err := team(t, card, c.model, c.opt, 2, 0, 1)
				if err != nil {
					t.Fatal(err)
				}
				losses, got := stepped(t, e, c.model, c.hyper, rows...)
				sameOnAll(t, e)
				for j, l := range losses {
					if math.Abs(l-wantLosses[j]) > 10*c.near {
						t.Errorf("%s: loss %d is %v, on one card %v", e.Means(), j, l, wantLosses[j])
					}
				}
				norm, apart := 0.0, 0.0
				for j, v := range got {
					norm += float64(want[j]) * float64(want[j])
					apart += float64(v-want[j]) * float64(v-want[j])
				}
				if !(math.Sqrt(apart) <= c.near*math.Sqrt(norm)) {
					t.Errorf("%s: parameters are %v from those of one card, whose norm is %v", e.Means(), math.Sqrt(apart), math.Sqrt(norm))
				}
				if way == between[2] && !bytes.Equal(bytesOfFloats(got), bytesOfFloats(before)) {
					t.Error("copies through the host, in another order, leave other bits")
				}
				before = got
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func bytesOfFloats(x tensor.Flat) []byte { return fmt.Appendf(nil, "%x", x) }

// TestLossIsTheMean of the whole batch, whoever has how many of its rows.
func TestLossIsTheMean(t *testing.T) {
	for _, way := range between {
		e, err := team(t, cudatest.Use(t, cudatest.Kernels(), "devices=3 "+way), small, Options{Loads: []model.Load{{Rows: 7, Steps: 1}}}, 0, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := model.Init(small, [32]byte{1}, e.Params()); err != nil {
			t.Fatal(err)
		}
		for _, rows := range []int{1, 2, 7} {
			b := enginetest.Batch(rand.New(rand.NewPCG(1, 1)), small, rows, 1)
			loss, err := e.Loss(b)
			if err != nil {
				t.Fatal(err)
			}
			grades, err := e.Grade(b)
			if err != nil {
				t.Fatal(err)
			}
			mean := 0.0
			for _, g := range grades {
				mean += g.Loss / float64(rows)
			}
			if math.Abs(loss-mean) > 1e-7 {
				t.Errorf("%d rows: loss %v, mean of grades %v", rows, loss, mean)
			}
			if g, err := e.Gradient(b); err != nil || math.Abs(g-loss) > 1e-15*loss {
				t.Errorf("%d rows: loss %v with a gradient, %v without: %v", rows, g, loss, err)
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestEditsReachAll: whatever changes parameters or moments on the first card, the next step
// is the same on all.
func TestEditsReachAll(t *testing.T) {
	e, err := team(t, cudatest.Use(t, cudatest.Kernels(), "devices=2"), wideMLP, Options{Vectors: 2}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	residual, err := e.NewVector()
	if err != nil {
		t.Fatal(err)
	}
	start, err := e.NewVector()
	if err != nil {
		t.Fatal(err)
	}
	l, r := e.Layout(), rand.New(rand.NewPCG(1, 1))
	b := enginetest.Batch(r, wideMLP, 3, 1)
	if err := model.Init(wideMLP, [32]byte{1}, e.Params()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Step(b, engine.Hyper{Rate: 1e-3}); err != nil {
		t.Fatal(err)
	}
	var state bytes.Buffer
	if err := e.WriteState(&state); err != nil {
		t.Fatal(err)
	}
	p := gradient.Params{Codec: gradient.TopK, K: 64, Bits: 2, EMin: -40, EMax: -4}
	var u *gradient.Update
	for _, edit := range []struct {
		what string
		do   func() error
	}{
		{"a chunk", func() error { return e.Params().WriteChunk(tensor.Chunk{Len: 3}, []float32{1, 2, 3}) }},
		{"a compressed change", func() (err error) {
			u, err = engine.Compress(e, p, engine.Feedback{Decay: 1, Residual: residual, Start: start, Into: e.Params()})
			return err
		}},
		{"a step", func() error { return engine.Subtract(l, e.Params(), u, gradient.Unclipped) }},
		{"a copy", func() error { return engine.Copy(l, e.Params(), start) }},
		{"a pull", func() error { return e.Params().(engine.Remote).Pull(start, 0.5) }},
		{"moments", func() error { return e.ReadState(bytes.NewReader(state.Bytes())) }},
	} {
		if err := edit.do(); err != nil {
			t.Fatalf("%s: %v", edit.what, err)
		}
		if _, err := e.Step(b, engine.Hyper{Rate: 1e-3}); err != nil {
			t.Fatalf("%s: %v", edit.what, err)
		}
		sameOnAll(t, e)
	}
	if e.cards[1].steps != 2 {
		t.Errorf("%d steps after the state of one", e.cards[1].steps)
	}
}

// TestTeamIsLost as a whole, whichever card is lost at whatever call, or in the middle of a
// sum, and comes back as a whole.
func TestTeamIsLost(t *testing.T) {
	for _, way := range []string{"devices=2 ", "devices=2 nccl=0 "} {
		card := cudatest.Use(t, cudatest.Kernels(), way)
		open := func() *Team {
			t.Helper()
			card.Configure(way)
			e, err := team(t, card, small, Options{}, 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			card.Configure(way)
			return e
		}
		e := open()
		want, losses := trained(t, e)
		calls := card.Calls()
		if losses != 0 {
			t.Fatalf("%d losses", losses)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		faults := []string{}
		for at := 1; at <= calls; at += 1 + calls/16 {
			faults = append(faults, fmt.Sprintf("lose=%d", at))
		}
		if e.Means() == "NCCL 2.21.5" {
			faults = append(faults, "nccl_lose=2", "nccl_lose=3", "nccl_fail=3", "nccl_fail=4")
		}
		for _, fault := range faults {
			e := open()
			card.Configure(way + fault)
			got, losses := trained(t, e)
			if losses != 1 {
				t.Fatalf("%s%s of %d: %d losses", way, fault, calls, losses)
			}
			if !bytes.Equal(bytesOfFloats(got), bytesOfFloats(want)) {
				t.Errorf("%s%s: other parameters", way, fault)
			}
			sameOnAll(t, e)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTeamThatStaysLost says so and can be closed.
func TestTeamThatStaysLost(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "devices=2")
	e, err := team(t, card, small, Options{}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	card.Configure("devices=2 heals=0 nccl_lose=1")
	b := enginetest.Batch(rand.New(rand.NewPCG(1, 1)), small, 2, 1)
	_, step := e.Step(b, engine.Hyper{})
	_, loss := e.Loss(b)
	if err := e.Reopen(); err == nil || errors.Is(err, engine.ErrLost) || !strings.Contains(err.Error(), "start the program anew") {
		t.Errorf("Reopen: %v", err)
	}
	for what, err := range map[string]error{"Step": step, "Loss": loss, "a vector": e.Params().WriteChunk(tensor.Chunk{Len: 1}, []float32{1})} {
		if !errors.Is(err, engine.ErrLost) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := e.Step(b, engine.Hyper{}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := e.Reopen(); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestTeamPlans for the card that has the least, and says how the cards reach each other.
func TestTeamPlans(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "devices=2 nccl_init=2")
	loads := []model.Load{{Rows: 7, Steps: 1, Gradient: true}}
	other, err := on(t, card, wideMLP, Options{Card: 1, Loads: loads})
	if err != nil {
		t.Fatal(err)
	}
	e, err := team(t, card, small, Options{Loads: loads}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	p := e.Plan()
	if p.Positions != 4 || p.Cards != 2 || p.Limit > (1<<30-other.Plan().Total())/100*FreeShare || !strings.HasPrefix(p.String(), "each of 2 cards gives") {
		t.Errorf("plan %+v: %s", p, p)
	}
	if says := e.Means(); !strings.HasPrefix(says, "copies from card to card") || !strings.Contains(says, "system error") {
		t.Errorf("where NCCL fails: %s", says)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}

func TestTeamRefusals(t *testing.T) {
	for config, c := range map[string]struct {
		cards []int
		opt   Options
		says  string
	}{
		"devices=2":           {[]int{0}, Options{}, "want 2 to"},
		"devices=2 order=2":   {[]int{1, 1}, Options{}, "twice"},
		"devices=2 order=3":   {[]int{0, 2}, Options{}, "lode doctor"},
		"devices=2 unlike=1":  {[]int{0, 1}, Options{}, "not of one kind"},
		"devices=2 memory=9":  {[]int{0, 1}, Options{}, "at the least"},
		"devices=2 heals=0":   {[]int{0, 1}, Options{Frozen: []bool{true}}, "frozen"},
		"devices=2 blas=9000": {[]int{0, 1}, Options{}, driver.ErrTooOld.Error()},
	} {
		if _, err := team(t, cudatest.Use(t, cudatest.Kernels(), config), small, c.opt, c.cards...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// TestCardsThatDisagree are lost: what one has sent did not arrive at the other.
func TestCardsThatDisagree(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "devices=2 nccl=0")
	e, err := team(t, card, small, Options{}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	stepped(t, e, small, engine.Hyper{Rate: 0.01, Epsilon: 1e-8}, 3)
	last := queued{number: e.cards[0].steps}
	if err := e.agree(last); err != nil {
		t.Error(err)
	}
	norm := e.cards[1].queue.host.From(last.slot()*slotBytes + hyperBytes).Doubles()
	norm[0] = math.Nextafter(norm[0], 9)
	if err := e.agree(last); err == nil || !strings.Contains(err.Error(), "step 1: card 1") {
		t.Errorf("cards disagree: %v", err)
	}
	if norm[2] = 0; e.agree(last) == nil {
		t.Error("one moves, one does not")
	}
	var state bytes.Buffer
	if err := e.WriteState(&state); err != nil || e.StateLen() != int64(state.Len()) {
		t.Errorf("a state of %d bytes is said to have %d (%v)", state.Len(), e.StateLen(), err)
	}
}

// TestTeamClosesLost cards, also where the first is lost with nothing for the others to do.
func TestTeamClosesLost(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "devices=2")
	e, err := team(t, card, small, Options{}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	card.Configure("devices=2 lose=1 heals=0")
	if err := e.WriteState(new(bytes.Buffer)); !errors.Is(err, engine.ErrLost) {
		t.Fatalf("not lost: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
