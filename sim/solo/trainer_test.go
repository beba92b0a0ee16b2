package solo

import (
	"bytes"
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/protocol"
)

// Same seed, same bits, also on more threads; another seed, others.
func TestSameSeedSameBits(t *testing.T) {
	for _, apart := range []bool{false, true} {
		s := newStage(t, nil)
		want := stateOf(t, trainer(t, s.config(3, apart), 4))
		if !bytes.Equal(stateOf(t, trainer(t, s.config(3, apart), 4)), want) {
			t.Errorf("apart %v: the same training ends elsewhere", apart)
		}
		threads := s.config(3, apart)
		threads.Engine = func() (engine.Engine, error) { return cpu.New(s.rules.Model, cpu.Options{Threads: 3}) }
		if !bytes.Equal(stateOf(t, trainer(t, threads, 4)), want) {
			t.Errorf("apart %v: three threads end elsewhere", apart)
		}
		other := newStage(t, func(m *protocol.Manifest) { m.Seed[0]++ })
		if slices.Equal(paramsOf(t, trainer(t, other.config(3, apart), 4)), paramsOf(t, trainer(t, s.config(3, apart), 4))) {
			t.Errorf("apart %v: another seed ends at the same parameters", apart)
		}
	}
}

// Both ways learn, on the same tokens.
func TestBothLearn(t *testing.T) {
	s := newStage(t, nil)
	sample := sampleOf(t, s)
	var batches []map[int][]engine.Batch
	for _, apart := range []bool{false, true} {
		cfg := s.config(3, apart)
		duties := &seen{s.text, map[int][]engine.Batch{}}
		cfg.Duties = duties
		tr := trainer(t, cfg, 0)
		before := lossOf(t, tr, sample)
		train(t, tr, 15)
		if after := lossOf(t, tr, sample); after > 0.6*before {
			t.Errorf("apart %v: loss %v, then %v", apart, before, after)
		}
		if tr.Rounds() != 15 || tr.Tokens() != 15*3*3*2*16 {
			t.Errorf("apart %v: %d rounds on %d tokens", apart, tr.Rounds(), tr.Tokens())
		}
		if sent := tr.done.Up > 0 && tr.done.Down > 0; sent != apart {
			t.Errorf("apart %v: %d bytes up, %d down", apart, tr.done.Up, tr.done.Down)
		}
		batches = append(batches, duties.batches)
	}
	if !reflect.DeepEqual(batches[0], batches[1]) {
		t.Error("the two ways train on different text")
	}
}

// One worker that sends everything in full, applied at rate 1, is that worker alone.
func TestOneWorkerApartIsTogether(t *testing.T) {
	s := newStage(t, func(m *protocol.Manifest) {
		m.Update.Codec, m.Update.Keep, m.Update.Bits, m.Merge.StepBits = "dense", 0, 32, 24
	})
	one, other := paramsOf(t, trainer(t, s.config(1, true), 4)), paramsOf(t, trainer(t, s.config(1, false), 4))
	for i := range one {
		if d := math.Abs(float64(one[i] - other[i])); d > 2e-3 { // vectors travel in 8 bits
			t.Fatalf("parameter %d is %v apart and %v together", i, one[i], other[i])
		}
	}
}

// train.proximal holds both ways of training near where a round began.
func TestProximal(t *testing.T) {
	moved := func(apart bool, mu float64) float64 {
		s := newStage(t, func(m *protocol.Manifest) {
			m.Update.Codec, m.Update.Keep, m.Update.Bits, m.Merge.StepBits = "dense", 0, 32, 24
			m.Train.Proximal = mu
		})
		tr := trainer(t, s.config(2, apart), 0)
		before := paramsOf(t, tr)
		train(t, tr, 1)
		most := 0.0
		for i, v := range paramsOf(t, tr) {
			most = max(most, math.Abs(float64(v-before[i])))
		}
		return most
	}
	for _, apart := range []bool{true, false} {
		if free, held := moved(apart, 0), moved(apart, 1e4); free == 0 || held > free/20 {
			t.Errorf("apart %v: a round moves parameters by %v where nothing holds them, by %v with a µ of 10000", apart, free, held)
		}
	}
}

// A joint step is one step on all batches.
func TestTogetherIsOneBatch(t *testing.T) {
	s := newStage(t, nil)
	cfg := s.config(2, false)
	duties := &seen{s.text, map[int][]engine.Batch{}}
	cfg.Duties = duties
	got := paramsOf(t, trainer(t, cfg, 1))
	e, err := cfg.Engine()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := model.Init(s.rules.Model, s.rules.Manifest.Seed, e.Params()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := e.Step(engine.Join(duties.batches[0][i], duties.batches[1][i]), s.rules.Hyper(0)); err != nil {
			t.Fatal(err)
		}
	}
	if want := paramsOf(t, &Trainer{cfg: cfg, way: &together{cfg: cfg, e: e}}); !slices.Equal(got, want) {
		t.Error("other parameters")
	}
}

// A training that was stopped and taken up ends with the same bits as one that was
// not, whatever it has to remember.
func TestTakenUpIsUninterrupted(t *testing.T) {
	for name, change := range rulesThatKeepMore {
		s := newStage(t, change)
		for _, apart := range []bool{false, true} {
			whole := stateOf(t, trainer(t, s.config(2, apart), 5))
			half := stateOf(t, trainer(t, s.config(2, apart), 2))
			again := trainer(t, s.config(2, apart), 1) // which forgets what it has learnt
			r := bytes.NewReader(append(half, 9))
			if err := again.ReadState(r); err != nil || r.Len() != 1 {
				t.Fatalf("%s, apart %v: %v, %d bytes left", name, apart, err, r.Len())
			}
			if !bytes.Equal(stateOf(t, again), half) {
				t.Errorf("%s, apart %v: a state is not what was read", name, apart)
			}
			train(t, again, 3)
			if !bytes.Equal(stateOf(t, again), whole) {
				t.Errorf("%s, apart %v: interrupted, it ends elsewhere", name, apart)
			}
		}
	}
}

func TestStatesThatAreRefused(t *testing.T) {
	s := newStage(t, nil)
	for _, apart := range []bool{false, true} {
		good := stateOf(t, trainer(t, s.config(2, apart), 1))
		for at := 0; at < len(good); at += 1 + len(good)/200 {
			bad := bytes.Clone(good)
			bad[at] ^= 1
			if err := trainer(t, s.config(2, apart), 0).ReadState(bytes.NewReader(bad)); !errors.Is(err, ErrState) {
				t.Fatalf("apart %v: byte %d of %d changed: %v", apart, at, len(good), err)
			}
			if err := trainer(t, s.config(2, apart), 0).ReadState(bytes.NewReader(good[:at])); !errors.Is(err, ErrState) {
				t.Fatalf("apart %v: cut at %d of %d: %v", apart, at, len(good), err)
			}
		}
		other := newStage(t, func(m *protocol.Manifest) { m.Train.Rate = 0.01 })
		for name, cfg := range map[string]Config{"workers": s.config(3, apart), "way": s.config(2, !apart), "rules": other.config(2, apart)} {
			if err := trainer(t, cfg, 0).ReadState(bytes.NewReader(good)); !errors.Is(err, ErrState) {
				t.Errorf("apart %v, other %s: %v", apart, name, err)
			}
		}
	}
}

func FuzzReadState(f *testing.F) {
	s := newStage(f, nil)
	for _, apart := range []bool{false, true} {
		f.Add(apart, stateOf(f, trainer(f, s.config(1, apart), 1)))
	}
	f.Fuzz(func(t *testing.T, apart bool, b []byte) {
		tr := trainer(t, s.config(1, apart), 0)
		r := bytes.NewReader(b)
		if err := tr.ReadState(r); err == nil && !bytes.Equal(stateOf(t, tr), b[:len(b)-r.Len()]) {
			t.Error("a state is not what was read")
		}
	})
}

func TestTrainersThatAreRefused(t *testing.T) {
	s := newStage(t, nil)
	larger := newStage(t, func(m *protocol.Manifest) { m.Train.Only = []string{"*mlp*"} })
	broken := errors.New("broken")
	for name, change := range map[string]func(*Config){
		"no worker":     func(c *Config) { c.Workers = 0 },
		"many workers":  func(c *Config) { c.Workers = MaxWorkers + 1 },
		"other engine":  func(c *Config) { c.Engine = larger.config(1, false).Engine },
		"broken engine": func(c *Config) { c.Engine = func() (engine.Engine, error) { return nil, broken } },
	} {
		cfg := s.config(2, true)
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What goes wrong in a step ends the round.
func TestRoundsThatFail(t *testing.T) {
	s := newStage(t, nil)
	for _, apart := range []bool{false, true} {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := trainer(t, s.config(2, apart), 0).Round(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("apart %v: stopped: %v", apart, err)
		}
		tr := trainer(t, s.config(2, apart), 1)
		for _, e := range tr.engines {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := tr.Round(t.Context()); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("apart %v: engines are gone: %v", apart, err)
		}
	}
}
