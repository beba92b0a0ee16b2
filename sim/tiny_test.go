package sim

// This file holds a run small enough for a matrix of faults: one worker, one
// validator, a model of a few thousand parameters. With one of each, whatever is
// killed and started again must leave the same receipts.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"lode/checkpoints"
	"lode/coordinator"
	"lode/coordinator/journal/journaltest"
	"lode/coordinator/round"
	"lode/data"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/protocol"
	"lode/replica"
	"lode/validator"
	"lode/worker"
)

// tiny is what all nodes of a tiny run share.
type tiny struct {
	rules   *replica.Rules
	source  data.Source
	index   *data.Index
	plan    data.Plan
	blobs   *checkpoints.Blobs
	journal *forgetful
	at      *place
	every   int // see worker.Config
	log     zerolog.Logger
}

func newTiny(t testing.TB, change ...func(*protocol.Manifest)) *tiny {
	t.Helper()
	path := filepath.Join(t.TempDir(), "corpus.txt")
	rng := rand.New(rand.NewPCG(1, 2))
	var text bytes.Buffer
	for text.Len() < 1<<14 {
		text.WriteString([]string{"gold ", "vein ", "lode ", "ore.\n"}[rng.IntN(4)])
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	corpus, err := data.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const piece = 256
	ix, err := corpus.Index(t.Context(), piece, nil)
	if err != nil {
		t.Fatal(err)
	}
	man := protocol.Manifest{
		Version: protocol.Version, Name: "tiny", Seed: protocol.Digest{1}, Owner: NodeID("owner", 0), Coordinator: NodeID("coordinator", 0),
		Model:  protocol.Model{Config: string(model.Llama{Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Vocab: 256, Context: 16, Tied: true, RopeTheta: 1e4, NormEps: 1e-5}.Config())},
		Data:   protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Index: ix.Digest(), Bytes: ix.Bytes, Piece: piece, HeldOut: protocol.Q16(0.1)},
		Train:  protocol.Train{InnerSteps: 2, Rows: 2, Steps: 8, Optimizer: "adamw", Rate: 5e-3, Warmup: 1, Schedule: "constant", Beta1: 0.9, Beta2: 0.95, WeightDecay: 0.01, ClipNorm: 1},
		Update: protocol.Update{Codec: "topk", Keep: 64, Bits: 2, Decay: protocol.Q16(0.95), MinExp: -40, MaxExp: -4, Boost: 1},
		Merge:  protocol.Merge{Rule: "mean", Optimizer: "sgd", Rate: protocol.Q16(1), StepBits: 8, Refuse: 64},
		Score:  protocol.Score{Rows: 4, HeldOut: 2, Threshold: 0, Window: 2, Project: 1, Overlap: 1 << 16, Audit: 1, Examine: 0, WorkGate: -3 << 16, WorkMin: 1},
		Timing: protocol.Timing{Train: 60 * protocol.Second, Phase: 30 * protocol.Second, Grace: protocol.Second},
		Members: protocol.Members{
			MinWorkers: 1, MinValidators: 1, MaxMembers: 8, OpenWorkers: true,
			Genesis: []protocol.Stake{{Node: NodeID("validator", 0), Stake: stake}},
		},
		Economy: protocol.Economy{Ledger: protocol.LedgerYuma, Emission: 1e9, Cap: 21e15, Tempo: 2},
	}
	for _, c := range change {
		c(&man)
	}
	y := &tiny{index: ix, log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.DebugLevel), journal: new(forgetful), at: newPlace()}
	if y.rules, err = replica.NewRules(man); err != nil {
		t.Fatal(err)
	}
	if y.source, err = data.NewLocal(corpus, ix); err != nil {
		t.Fatal(err)
	}
	if y.plan, err = data.NewPlan(ix, man.Data, man.Train); err != nil {
		t.Fatal(err)
	}
	if y.blobs, err = checkpoints.OpenBlobs(t.TempDir(), y.rules.Run, 1<<20, 1<<30); err != nil {
		t.Fatal(err)
	}
	return y
}

var errKilled = errors.New("killed")

// forgetful is a journal whose process dies at chosen Appends.
type forgetful struct {
	mu      sync.Mutex
	entries [][]byte
	left    int  // Appends until the process dies, 0 for never
	written bool // what it was writing then is there afterwards
}

func (f *forgetful) Len() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return uint64(len(f.entries))
}

func (f *forgetful) Append(entries [][]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left--
	if f.left != 0 || f.written {
		for _, e := range entries {
			f.entries = append(f.entries, bytes.Clone(e))
		}
	}
	if f.left == 0 {
		return errKilled
	}
	return nil
}

func (f *forgetful) Read(from uint64, most int) ([][]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := uint64(len(f.entries))
	from = min(from, n)
	out := slices.Clone(f.entries[from:min(n, from+uint64(most))])
	for i := range out {
		out[i] = bytes.Clone(out[i])
	}
	return out, nil
}

// memory is the place of a forgetful journal.
type memory struct{ *forgetful }

func (m memory) Open(*testing.T) journaltest.Journal { return m.forgetful }

// Crash has one write to die at: before it is made, or after.
func (m memory) Crash(t *testing.T, batch [][]byte, k int) bool {
	t.Helper()
	if m.left, m.written = 1, k > 0; k > 1 {
		m.left = 0
	}
	if err := m.Append(batch); (err != nil) != (k <= 1) {
		t.Fatal(err)
	}
	return k <= 1
}

// The journal that dies is one that coordinators may believe until then.
func TestForgetfulConforms(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journaltest.Place { return memory{new(forgetful)} })
}

// place is where members find the coordinator that keeps the record now.
type place struct {
	mu      sync.Mutex
	now     *coordinator.Coordinator
	life    context.Context // of it
	changed chan struct{}
}

func newPlace() *place { return &place{changed: make(chan struct{})} }

func (p *place) move(c *coordinator.Coordinator, life context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.life = c, life
	close(p.changed)
	p.changed = make(chan struct{})
}

// session keeps a member in touch with whichever coordinator there is, as a
// connection that is dialled again does.
type session struct {
	at   *place
	node protocol.NodeID
}

func (s session) try(ctx context.Context, call func(ctx context.Context, l link) error) error {
	var old *coordinator.Coordinator
	for {
		s.at.mu.Lock()
		now, life, changed := s.at.now, s.at.life, s.at.changed
		s.at.mu.Unlock()
		if now != nil && now != old {
			both, cancel := context.WithCancel(ctx)
			stop := context.AfterFunc(life, cancel)
			_, err := now.Arrive(both, s.node)
			if err == nil {
				err = call(both, link{to: now, node: s.node})
			}
			stop()
			cancel()
			if ctx.Err() != nil || life.Err() == nil && protocol.ReasonOf(err) != protocol.Busy {
				return err
			}
			old = now
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s session) Follow(ctx context.Context, from uint64, each func([]byte) error) error {
	return s.try(ctx, func(ctx context.Context, l link) error {
		return l.Follow(ctx, from, func(entry []byte) error {
			err := each(entry)
			if err == nil {
				from++
			}
			return err
		})
	})
}

func (s session) Submit(ctx context.Context, message []byte) error {
	return s.try(ctx, func(ctx context.Context, l link) error { return l.Submit(ctx, message) })
}

func (s session) Put(ctx context.Context, d protocol.Digest, size int64, r io.ReaderAt) error {
	return s.try(ctx, func(ctx context.Context, l link) error { return l.Put(ctx, d, size, r) })
}

func (s session) Fetch(ctx context.Context, d protocol.Digest, most int64) (b []byte, err error) {
	err = s.try(ctx, func(ctx context.Context, l link) error {
		b, err = l.Fetch(ctx, d, most)
		return err
	})
	return b, err
}

// drawer holds files in memory.
type drawer struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (d *drawer) Put(_ context.Context, name string, r io.Reader, size int64) error {
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != size {
		return fmt.Errorf("%d bytes of %d: %w", len(b), size, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		d.files = map[string][]byte{}
	}
	d.files[name] = b
	return nil
}

func (d *drawer) Get(_ context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.files[name]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b[offset:])), int64(len(b)), nil
}

// fate kills a member at its n-th call of anything that leaves its memory.
type fate struct {
	mu    sync.Mutex
	left  int  // calls until then, at most 0 for never
	after bool // the last call is carried out, but its answer never seen
	dead  bool
	kill  context.CancelFunc
}

func (f *fate) call(do func() error) error {
	f.mu.Lock()
	f.left--
	last, dead := f.left == 0, f.dead
	f.dead = dead || last
	f.mu.Unlock()
	if dead || last && !f.after {
		f.kill()
		return errKilled
	}
	err := do()
	if last {
		f.kill()
		return errKilled
	}
	return err
}

// mortal is a member's way to everything, subject to its fate.
type mortal struct {
	session
	files *drawer
	fate  *fate
}

func (m mortal) Submit(ctx context.Context, message []byte) error {
	return m.fate.call(func() error { return m.session.Submit(ctx, message) })
}

func (m mortal) Put(ctx context.Context, d protocol.Digest, size int64, r io.ReaderAt) error {
	return m.fate.call(func() error { return m.session.Put(ctx, d, size, r) })
}

func (m mortal) Fetch(ctx context.Context, d protocol.Digest, most int64) (b []byte, err error) {
	err = m.fate.call(func() error {
		b, err = m.session.Fetch(ctx, d, most)
		return err
	})
	return b, err
}

// cabinet is the files of a mortal.
type cabinet struct{ mortal }

func (c cabinet) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	return c.fate.call(func() error { return c.files.Put(ctx, name, r, size) })
}

func (c cabinet) Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	return c.files.Get(ctx, name, offset)
}

// node starts one life of a member and returns when it ends.
type node func(ctx context.Context, m mortal) error

func (y *tiny) worker(key ed25519.PrivateKey) node {
	return func(ctx context.Context, m mortal) error {
		e, err := cpu.New(y.rules.Model, cpu.Options{Threads: 1, Frozen: y.rules.Frozen, NoDecay: y.rules.NoDecay})
		if err != nil {
			return err
		}
		defer e.Close()
		w, err := worker.New(worker.Config{
			Key: key, Name: "worker", Rules: y.rules, Duties: replica.Assigned{Plan: y.plan, Source: y.source},
			Engine: e, Link: m, Files: cabinet{m}, Log: y.log, Every: y.every, Head: y.journal.Len(),
		})
		if err != nil {
			return err
		}
		return w.Run(ctx)
	}
}

func (y *tiny) validator(key ed25519.PrivateKey) node {
	return func(ctx context.Context, m mortal) error {
		e, err := cpu.New(y.rules.Model, cpu.Options{Threads: 1, Frozen: y.rules.Frozen, NoDecay: y.rules.NoDecay})
		if err != nil {
			return err
		}
		defer e.Close()
		v, err := validator.New(validator.Config{
			Key: key, Name: "validator", Rules: y.rules, Text: replica.Assigned{Plan: y.plan, Source: y.source},
			Engine: e, Link: m, Files: cabinet{m}, Log: y.log, Head: y.journal.Len(),
		})
		if err != nil {
			return err
		}
		return v.Run(ctx)
	}
}

// coordinate keeps the record, one coordinator after the other. lives says at
// which Append each dies.
func (y *tiny) coordinate(ctx context.Context, lives func(life int) (appends int, written bool)) error {
	for life := 0; ctx.Err() == nil; life++ {
		y.journal.mu.Lock()
		y.journal.left, y.journal.written = lives(life)
		y.journal.mu.Unlock()
		c, err := coordinator.New(coordinator.Config{
			Key: Key("coordinator", 0), Rules: y.rules, Journal: y.journal, Payloads: y.blobs, Log: y.log,
		})
		if err != nil {
			return err
		}
		alive, end := context.WithCancel(ctx)
		y.at.move(c, alive)
		err = c.Run(ctx)
		end()
		if err != nil && !errors.Is(err, errKilled) {
			return err
		}
	}
	return nil
}

// live lives a member's lives. Each ends at a call that fates says.
func (y *tiny) live(ctx context.Context, key ed25519.PrivateKey, start node, fates func(life int) (calls int, after bool)) error {
	files := new(drawer)
	for life := 0; ctx.Err() == nil; life++ {
		alive, kill := context.WithCancel(ctx)
		f := &fate{kill: kill}
		f.left, f.after = fates(life)
		err := start(alive, mortal{session: session{y.at, id(key)}, files: files, fate: f})
		died := alive.Err() != nil
		kill()
		if !died {
			return fmt.Errorf("life %d: %w", life, err)
		}
	}
	return nil
}

// faults say when everybody dies; nil is never.
type faults struct {
	coordinator, worker, validator func(life int) (calls int, after bool)
	every                          int // rounds that a worker's state serves
}

func never(int) (int, bool) { return 0, false }

// hung is when a test that waits gives up, far beyond what a busy machine takes.
const hung = 3 * time.Minute

// play runs a tiny run until so many rounds are final and returns them.
func (y *tiny) play(t testing.TB, rounds int, f faults) (final []round.Summary) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hung)
	defer cancel()
	for _, p := range []*func(int) (int, bool){&f.coordinator, &f.worker, &f.validator} {
		if *p == nil {
			*p = never
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return y.coordinate(ctx, f.coordinator) })
	wk, vk := Key("worker", 0), Key("validator", 0)
	g.Go(func() error { return y.live(ctx, vk, y.validator(vk), f.validator) })
	rep := round.NewReplica(y.rules.Manifest)
	joined := false
	g.Go(func() error {
		return replica.Follow(ctx, session{y.at, NodeID("observer", 0)}, rep, func(more []round.Summary) error {
			// The books number members in the order they join: let it be the same.
			if _, ok := rep.Machine.Member(id(vk)); ok && !joined {
				joined = true
				g.Go(func() error { return y.live(ctx, wk, y.worker(wk), f.worker) })
			}
			if final = append(final, more...); len(final) >= rounds {
				return errEnough
			}
			return nil
		})
	})
	if err := g.Wait(); !errors.Is(err, errEnough) {
		phase, _ := rep.Machine.Phase()
		t.Fatalf("the run stands still in round %d, %v: %v", rep.Machine.Current().Number, phase, err)
	}
	return final[:rounds]
}
