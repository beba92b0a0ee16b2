package coordinator

// This file tests the publisher on a record of merged steps made by hand.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"lode/aggregation"
	"lode/checkpoints"
	"lode/coordinator/round"
	"lode/engine/model"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

var errStore = errors.New("no store today")

// moody is a store that fails while it is told to.
type moody struct {
	checkpoints.Store
	fails bool
	puts  int
}

func (m *moody) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if m.puts++; m.fails {
		return errStore
	}
	return m.Store.Put(ctx, name, r, size)
}

// shelf holds payloads by digest. It can end a context in the middle of a fetch.
type shelf struct {
	mu   sync.Mutex
	held map[protocol.Digest][]byte
	stop func()
}

func (s *shelf) Fetch(ctx context.Context, d protocol.Digest, most int64) ([]byte, error) {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	b, ok := s.held[d]
	s.mu.Unlock()
	if !ok || int64(len(b)) > most {
		return nil, protocol.Refuse(protocol.NotFound, "%s", d.Short())
	}
	return b, nil
}

// press makes merged rounds and publishers that follow them.
type press struct {
	rules *replica.Rules
	key   ed25519.PrivateKey
	store *moody
	shelf *shelf
	model *replica.Model
	made  []round.Summary
}

func newPress(t *testing.T) *press {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	id := protocol.NodeID(key.Public().(ed25519.PublicKey))
	rules, err := replica.NewRules(protocol.Manifest{
		Version: protocol.Version, Name: "press", Coordinator: id, Owner: id, Seed: protocol.Digest{7},
		Model:   protocol.Model{Config: string(model.Llama{Dim: 16, Layers: 1, Heads: 2, KVHeads: 1, FFN: 32, Vocab: 256, Context: 16, Tied: true, RopeTheta: 1e4, NormEps: 1e-5}.Config())},
		Data:    protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Bytes: 1 << 16, Piece: 256, HeldOut: protocol.Q16(0.1)},
		Train:   protocol.Train{InnerSteps: 2, Rows: 1, Steps: 8, Optimizer: "adamw", Rate: 0.01, Warmup: 1, Schedule: "constant", Beta1: 0.9, Beta2: 0.95, ClipNorm: 1},
		Update:  protocol.Update{Codec: "topk", Keep: 64, Bits: 2, Decay: protocol.Q16(0.95), MinExp: -40, MaxExp: -4, Boost: 1},
		Merge:   protocol.Merge{Rule: "mean", Optimizer: "sgd", Rate: protocol.Q16(1), StepBits: 8, Refuse: 4},
		Score:   protocol.Score{Rows: 1, HeldOut: 1, Window: 2, Overlap: 1 << 15, WorkMin: 1},
		Timing:  protocol.Timing{Train: 60 * protocol.Second, Phase: 30 * protocol.Second, Grace: protocol.Second},
		Members: protocol.Members{MinWorkers: 1, MinValidators: 1, MaxMembers: 4, OpenWorkers: true, Genesis: []protocol.Stake{{Node: id, Stake: 1}}},
		Economy: protocol.Economy{Ledger: protocol.LedgerYuma, Emission: 1e9, Cap: 21e15, Tempo: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := checkpoints.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &press{rules: rules, key: key, store: &moody{Store: dir}, shelf: &shelf{held: map[protocol.Digest][]byte{}}}
	if p.model, err = replica.NewModel(rules); err != nil {
		t.Fatal(err)
	}
	return p
}

// merge makes the next round.
func (p *press) merge(t *testing.T) round.Summary {
	t.Helper()
	n := p.model.Next
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	a := make(tensor.Flat, p.rules.Layout.Len())
	for i := range a {
		a[i] = float32(1e-3 * rng.NormFloat64())
	}
	u, err := gradient.Encode(p.rules.Layout, p.rules.Codec(n), a)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.model.Merge([]aggregation.Contribution{{Update: u, Clip: gradient.Unclipped}})
	if err != nil {
		t.Fatal(err)
	}
	wire := m.Step.Wire()
	p.shelf.mu.Lock()
	p.shelf.held[protocol.Sum(wire)] = wire
	p.shelf.mu.Unlock()
	rc := protocol.Receipt{
		Version: protocol.Version, Run: p.rules.Run, Round: n,
		Step: protocol.Sum(m.Step.Plain()), Payload: protocol.Sum(wire), Size: uint64(len(wire)), Model: m.Model, Outer: m.State,
	}
	if err := p.model.Adopt(m, rc); err != nil {
		t.Fatal(err)
	}
	s := round.Summary{Round: n, Receipt: rc, Root: protocol.Hash("root", protocol.Encode(n)), HeldOut: protocol.NanoNats(n+1) * 1e9}
	p.made = append(p.made, s)
	return s
}

// running is a publisher at work.
type running struct {
	*Publisher
	saved chan protocol.Published
	ended chan error
	stop  context.CancelFunc
}

// start starts a publisher that is told of every round made so far, as one is
// that a journal is replayed for.
func (p *press) start(t *testing.T, every protocol.Round) *running {
	t.Helper()
	pub, err := NewPublisher(PublisherConfig{Store: p.store, Key: p.key, Rules: p.rules, From: p.shelf, Every: every})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.made {
		pub.merged(s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{Publisher: pub, saved: make(chan protocol.Published, 64), ended: make(chan error, 1), stop: cancel}
	go func() { r.ended <- pub.run(ctx, r.saved, zerolog.Nop()) }() // ends with ctx
	return r
}

// announced returns the rounds announced by now.
func (r *running) announced() (out []protocol.Round) {
	synctest.Wait()
	for {
		select {
		case s := <-r.saved:
			out = append(out, s.Round)
		default:
			return out
		}
	}
}

func wantRounds(t *testing.T, what string, got []protocol.Round, want ...protocol.Round) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: rounds %v, want %v", what, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: rounds %v, want %v", what, got, want)
		}
	}
}

func (p *press) latest(t *testing.T) checkpoints.Manifest {
	t.Helper()
	m, err := checkpoints.Latest(t.Context(), p.store, p.rules.Run)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A checkpoint every so many rounds, one at the end, which the next publisher
// announces, and none twice.
func TestCadence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPress(t)
		r := p.start(t, 3)
		for range 7 {
			r.merged(p.merge(t))
		}
		wantRounds(t, "while it ran", r.announced(), 3, 6)
		r.stop()
		if err := <-r.ended; err != nil {
			t.Fatal(err)
		}
		m := p.latest(t)
		if m.Round != 7 || protocol.Digest(m.StateRoot) != p.made[6].Root || m.Info["held_out_loss_nats"] != "7.000000" {
			t.Errorf("the last checkpoint is of round %d, root %x, %v", m.Round, m.StateRoot[:4], m.Info)
		}
		again := p.start(t, 3)
		wantRounds(t, "after a restart", again.announced(), 7)
		again.merged(p.merge(t))
		again.merged(p.merge(t))
		wantRounds(t, "going on", again.announced(), 9)
		if next := p.latest(t); next.Parent != m.Digest() {
			t.Error("the next checkpoint does not continue the last one")
		}
		again.stop()
		if err := <-again.ended; err != nil {
			t.Fatal(err)
		}
	})
}

// A store that fails stops neither the record nor the publisher: the state is
// written when the store is back.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPress(t)
		r := p.start(t, 2)
		p.store.fails = true
		for range 5 {
			r.merged(p.merge(t))
			wantRounds(t, "while the store fails", r.announced())
		}
		if p.store.puts < 3 {
			t.Errorf("the store was tried %d times", p.store.puts)
		}
		p.store.fails = false
		r.merged(p.merge(t))
		wantRounds(t, "when it is back", r.announced(), 6)
		p.store.fails = true
		r.merged(p.merge(t))
		r.announced()
		r.stop()
		if err := <-r.ended; !errors.Is(err, errStore) {
			t.Errorf("the last checkpoint was lost without a word: %v", err)
		}
	})
}

// A coordinator that is stopped in the middle of a fetch leaves a checkpoint of
// everything that is final.
func TestStoppedWhileBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPress(t)
		for range 4 {
			p.merge(t)
		}
		r := &running{}
		p.shelf.stop = func() { r.stop() }
		started := make(chan struct{})
		stop := p.shelf.stop
		p.shelf.stop = func() { <-started; stop() }
		*r = *p.start(t, 100)
		close(started)
		if err := <-r.ended; err != nil {
			t.Fatal(err)
		}
		if m := p.latest(t); m.Round != 4 {
			t.Errorf("the last checkpoint is of round %d", m.Round)
		}
	})
}

// The files of the last checkpoint are to be had by digest, from any offset.
func TestShelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPress(t)
		r := p.start(t, 1)
		r.merged(p.merge(t))
		wantRounds(t, "cadence 1", r.announced(), 1)
		m := p.latest(t)
		files := map[protocol.Digest]int64{protocol.Sum(m.Encode()): int64(len(m.Encode()))}
		for _, f := range m.Files {
			files[f.SHA256] = f.Size
		}
		if len(files) < 3 {
			t.Fatalf("%d files", len(files))
		}
		for d, size := range files {
			in, n, ok := r.Open(t.Context(), d)
			if !ok || n != size {
				t.Fatalf("file %s: %v, %d bytes of %d", d.Short(), ok, n, size)
			}
			whole, err := io.ReadAll(in)
			if err != nil || protocol.Sum(whole) != d {
				t.Fatalf("file %s: %d bytes, %v", d.Short(), len(whole), err)
			}
			for _, at := range []int64{0, size / 2, size - 1, size} {
				if _, err := in.Seek(at, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				part, err := io.ReadAll(in)
				if err != nil || !bytes.Equal(part, whole[at:]) {
					t.Errorf("from %d: %d bytes, %v", at, len(part), err)
				}
			}
			if at, err := in.Seek(-3, io.SeekEnd); err != nil || at != size-3 {
				t.Errorf("from the end: %d, %v", at, err)
			}
			if _, err := in.Seek(-size-1, io.SeekCurrent); err == nil {
				t.Error("a seek before the beginning")
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, _, ok := r.Open(t.Context(), protocol.Digest{1}); ok {
			t.Error("a file that is not there")
		}
		r.stop()
		<-r.ended
	})
}
