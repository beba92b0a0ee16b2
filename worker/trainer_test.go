package worker

// This file tests the trainer: what becomes of the residual, and which task is done.

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
	"testing"

	"github.com/rs/zerolog"

	"lode/coordinator/round"
	"lode/data"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/enginetest"
	"lode/engine/model"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
	"lode/validator/score"
)

// outside is link and files in memory.
type outside struct {
	files    map[string][]byte
	payloads map[protocol.Digest][]byte
	commits  []protocol.Commit
	refuse   error // to Submit
}

func newOutside() *outside {
	return &outside{files: map[string][]byte{}, payloads: map[protocol.Digest][]byte{}}
}

func (o *outside) Follow(ctx context.Context, _ uint64, _ func([]byte) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func (o *outside) Submit(_ context.Context, b []byte) error {
	var m protocol.Message
	if err := protocol.Decode(b, &m); err != nil {
		return err
	}
	body, err := m.Open(m.Run)
	if c, ok := body.(protocol.Commit); ok && o.refuse == nil {
		o.commits = append(o.commits, c)
	}
	if err == nil {
		err = o.refuse
	}
	return err
}

type uploads struct{ *outside }

func (u uploads) Put(_ context.Context, d protocol.Digest, size int64, r io.ReaderAt) error {
	b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	u.payloads[d] = b
	return err
}

func (o *outside) Fetch(_ context.Context, d protocol.Digest, _ int64) ([]byte, error) {
	b, ok := o.payloads[d]
	if !ok {
		return nil, protocol.Refuse(protocol.NotFound, "%s", d.Short())
	}
	return b, nil
}

func (o *outside) Put(_ context.Context, name string, r io.Reader, _ int64) error {
	b, err := io.ReadAll(r)
	if err == nil { // a file is there as a whole or not at all
		o.files[name] = b
	}
	return err
}

func (o *outside) Get(_ context.Context, name string, _ int64) (io.ReadCloser, int64, error) {
	b, ok := o.files[name]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

var key = ed25519.NewKeyFromSeed(make([]byte, 32))

// config is a worker of a tiny run.
func config(t testing.TB, out *outside) Config {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	var text bytes.Buffer
	for text.Len() < 1<<13 {
		fmt.Fprintf(&text, "vein %d\n", rng.IntN(100))
	}
	path := filepath.Join(t.TempDir(), "corpus.txt")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	corpus, err := data.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := corpus.Index(t.Context(), 256, nil)
	if err != nil {
		t.Fatal(err)
	}
	me := protocol.NodeID(key.Public().(ed25519.PublicKey))
	rules, err := replica.NewRules(protocol.Manifest{
		Version: protocol.Version, Name: "tiny", Coordinator: me, Owner: me, Seed: protocol.Digest{7},
		Model:   protocol.Model{Config: string(model.Llama{Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Vocab: 256, Context: 16, Tied: true, RopeTheta: 1e4, NormEps: 1e-5}.Config())},
		Data:    protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Index: ix.Digest(), Bytes: ix.Bytes, Piece: 256, HeldOut: protocol.Q16(0.1)},
		Train:   protocol.Train{InnerSteps: 2, Rows: 1, Steps: 8, Optimizer: "adamw", Rate: 0.01, Warmup: 1, Schedule: "constant", Beta1: 0.9, Beta2: 0.95, ClipNorm: 1},
		Update:  protocol.Update{Codec: "topk", Keep: 64, Bits: 2, Decay: protocol.Q16(0.95), MinExp: -40, MaxExp: -4, Boost: 1},
		Merge:   protocol.Merge{Rule: "mean", Optimizer: "sgd", Rate: protocol.Q16(1), StepBits: 8, Refuse: 4},
		Score:   protocol.Score{Rows: 1, HeldOut: 1, Window: 2, Overlap: 1 << 15, WorkMin: 1},
		Timing:  protocol.Timing{Train: 60 * protocol.Second, Phase: 30 * protocol.Second, Grace: protocol.Second},
		Members: protocol.Members{MinWorkers: 1, MinValidators: 1, MaxMembers: 4, OpenWorkers: true, Genesis: []protocol.Stake{{Node: me, Stake: 1}}},
		Economy: protocol.Economy{Ledger: protocol.LedgerYuma, Emission: 1e9, Cap: 21e15, Tempo: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Key: key, Name: "worker", Rules: rules, Link: uploads{out}, Files: out, Log: zerolog.Nop(), Every: 1}
	source, err := data.NewLocal(corpus, ix)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := data.NewPlan(ix, rules.Manifest.Data, rules.Manifest.Train)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Duties = replica.Assigned{Plan: plan, Source: source}
	return cfg
}

// begin starts a trainer as a new process does.
func begin(t testing.TB, cfg Config) *trainer {
	t.Helper()
	if cfg.Engine == nil {
		cfg.Engine = engineOf(t, cfg.Rules)
	}
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.trainer.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w.trainer
}

func engineOf(t testing.TB, r *replica.Rules) engine.Engine {
	t.Helper()
	e, err := cpu.New(r.Model, cpu.Options{Threads: 1, Frozen: r.Frozen, NoDecay: r.NoDecay})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// valuesOf returns the values of one of the trainer's vectors.
func valuesOf(t testing.TB, tr *trainer, v tensor.Reader) tensor.Flat {
	t.Helper()
	f := make(tensor.Flat, tr.cfg.Rules.Layout.Len())
	if err := tensor.Copy(tr.cfg.Rules.Layout, f, v); err != nil {
		t.Fatal(err)
	}
	return f
}

func taskOf(n protocol.Round, seed byte) task {
	return task{round: n, root: protocol.Digest{byte(n), 1}, seed: protocol.Digest{seed}, workers: 3, index: 1}
}

func do(t testing.TB, tr *trainer, k task) *sent {
	t.Helper()
	if err := tr.do(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	return tr.sent
}

// final is the end of a round with a verdict over what was sent.
func (tr *trainer) over(s *sent, reason protocol.Reason, clip gradient.Clip) *round.Summary {
	o := round.Outcome{Worker: tr.me, Commit: s.commit, Verdict: score.Verdict{Worker: tr.me, Reason: reason, Clip: clip}}
	return &round.Summary{Round: s.task.round, Outcomes: []round.Outcome{o}}
}

// The residual after each verdict: accepted e = a − c·decoded, refused by score
// e = a − decoded, late or unavailable e = a.
func TestResidual(t *testing.T) {
	cfg := config(t, newOutside())
	for _, c := range []struct {
		name    string
		reason  protocol.Reason
		clip    gradient.Clip
		takeOut gradient.Clip // 0: nothing
		lost    bool          // not on the list at all
		another bool          // the list has another commit of this worker
	}{
		{name: "accepted", reason: protocol.OK, clip: gradient.Unclipped, takeOut: gradient.Unclipped},
		{name: "accepted and clipped", reason: protocol.OK, clip: gradient.Unclipped / 3, takeOut: gradient.Unclipped / 3},
		{name: "no improvement", reason: protocol.NoImprovement, takeOut: gradient.Unclipped},
		{name: "not novel", reason: protocol.NotNovel, takeOut: gradient.Unclipped},
		{name: "no work", reason: protocol.NoWork, takeOut: gradient.Unclipped},
		{name: "too strong", reason: protocol.TooStrong, takeOut: gradient.Unclipped},
		{name: "unavailable", reason: protocol.Unavailable},
		{name: "not revealed", reason: protocol.NotRevealed},
		{name: "not attested", reason: protocol.NotAttested},
		{name: "late", lost: true},
		{name: "another commit", reason: protocol.OK, clip: gradient.Unclipped, another: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := begin(t, cfg)
			s := do(t, tr, taskOf(0, 1))
			want := valuesOf(t, tr, tr.residual)
			if c.takeOut != 0 {
				for ch := range cfg.Rules.Layout.Chunks() {
					s.update.SubtractFrom(ch, c.takeOut, want[ch.Offset:ch.Offset+ch.Len])
				}
				if slices.Equal(want, valuesOf(t, tr, tr.residual)) {
					t.Fatal("the update is empty: nothing is tested")
				}
			}
			sum := tr.over(s, c.reason, c.clip)
			if c.lost {
				sum.Outcomes = nil
			}
			if c.another {
				sum.Outcomes[0].Commit.Plain[0] ^= 1
			}
			if err := tr.settle(sum); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(valuesOf(t, tr, tr.residual), want) || tr.sent != nil {
				t.Error("the residual is not what the verdict leaves")
			}
		})
		cfg.Files.(*outside).files = map[string][]byte{}
	}
}

// a = β·e + (θ_r − θ_w): what was left out comes again.
func TestResidualComesAgain(t *testing.T) {
	out := newOutside()
	cfg := config(t, out)
	tr := begin(t, cfg)
	for _, e := range valuesOf(t, tr, tr.residual) {
		if e != 0 {
			t.Fatal("a residual before the first round")
		}
	}
	s := do(t, tr, taskOf(0, 1))
	if err := tr.settle(tr.over(s, protocol.OK, gradient.Unclipped)); err != nil {
		t.Fatal(err)
	}
	tr.model.Next = 1
	e := valuesOf(t, tr, tr.residual)
	do(t, tr, taskOf(1, 2))
	comesAgain(t, tr, e)
}

// comesAgain fails unless the residual is a = β·e + (θ_r − θ_w).
func comesAgain(t *testing.T, tr *trainer, e tensor.Flat) {
	t.Helper()
	beta := float32(tr.cfg.Rules.Manifest.Update.Decay) / 65536
	a, now := valuesOf(t, tr, tr.residual), valuesOf(t, tr, tr.cfg.Engine.Params())
	for i := range e {
		if want := float32(beta*e[i]) + (tr.model.Params[i] - now[i]); a[i] != want {
			t.Fatalf("a[%d] = %v, want %v", i, a[i], want)
		}
	}
}

// A round that is gathered anew under the same number is trained again on the
// shards of the new seed; the older work is not lost, also across a restart.
func TestGatheredAnew(t *testing.T) {
	for _, restart := range []bool{false, true} {
		out := newOutside()
		cfg := config(t, out)
		tr := begin(t, cfg)
		first := do(t, tr, taskOf(0, 1))
		a := valuesOf(t, tr, tr.residual)
		if restart {
			tr = begin(t, cfg)
			if tr.sent == nil || !slices.Equal(valuesOf(t, tr, tr.residual), a) {
				t.Fatal("the state was not taken up")
			}
		}
		if again := do(t, tr, taskOf(0, 1)); len(out.commits) != 2 || out.commits[1] != out.commits[0] || again.commit != first.commit {
			t.Fatalf("restart %v: the same task was trained twice", restart)
		}
		second := do(t, tr, taskOf(0, 2))
		if second.commit.Plain == first.commit.Plain || second.commit.Seed == first.commit.Seed {
			t.Errorf("restart %v: the old shards were sent for the new seed", restart)
		}
		comesAgain(t, tr, a)
	}
}

// A task for a new roster ends work on the old one.
func TestNewTaskEndsOld(t *testing.T) {
	tr := begin(t, config(t, newOutside()))
	ended := 0
	tr.cancel, tr.doing = func() { ended++ }, taskOf(3, 1)
	tr.train(taskOf(3, 1))
	tr.drop(3)
	if ended != 0 {
		t.Error("the same task ended itself")
	}
	tr.train(taskOf(3, 2))
	if ended != 1 {
		t.Error("work for a dropped roster goes on")
	}
	tr.drop(4)
	if ended != 2 || *tr.todo != taskOf(3, 2) {
		t.Error("work for a finished round goes on")
	}
}

// Every conduct sends something else than honest work, in the place of it.
func TestConducts(t *testing.T) {
	names := Conducts()
	if names[0] != "honest" {
		t.Errorf("the first is %q", names[0])
	}
	if _, err := NewConduct("saintly"); err == nil {
		t.Error("an unknown conduct")
	}
	plains := map[protocol.Digest]string{}
	for _, name := range names {
		how, err := NewConduct(name)
		if err != nil {
			t.Fatal(err)
		}
		out := newOutside()
		cfg := config(t, out)
		if name == "boast" { // needs a run in which samples count
			cfg = ownConfig(t, out, 50)
		}
		cfg.Conduct = how
		tr := begin(t, cfg)
		s := do(t, tr, taskOf(0, 1))
		// It can be opened by whoever gets the key: nobody is refused for form.
		k := protocol.PayloadKey(cfg.Key, cfg.Rules.Run, 0, s.commit.Plain)
		if _, err := cfg.Rules.Open(cfg.Rules.Codec(0), 0, tr.me, s.commit, k, out.payloads[s.commit.Cipher]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if other, ok := plains[s.commit.Plain]; ok && name != "copycat" {
			t.Errorf("%s sends what %s sends", name, other)
		}
		plains[s.commit.Plain] = name
	}
	if len(plains) < 4 {
		t.Errorf("only %d different updates", len(plains))
	}
}

// An engine that compresses is asked to, and nothing that is sent or kept differs.
func TestEngineCompresses(t *testing.T) {
	plain, able := newOutside(), newOutside()
	cfg := config(t, plain)
	do(t, begin(t, cfg), taskOf(0, 1))
	e := &enginetest.Able{Engine: engineOf(t, cfg.Rules)}
	cfg.Engine, cfg.Link, cfg.Files = e, uploads{able}, able
	do(t, begin(t, cfg), taskOf(0, 1))
	if e.Compressed != 1 {
		t.Errorf("asked %d times", e.Compressed)
	}
	if able.commits[0] != plain.commits[0] || !bytes.Equal(able.files[stateFile], plain.files[stateFile]) {
		t.Error("it made another update or file")
	}
}

// An engine that cannot go on ends the worker, whatever it was asked last.
func TestEngineCloses(t *testing.T) {
	cfg := config(t, newOutside())
	tr := begin(t, cfg)
	s := do(t, tr, taskOf(0, 1))
	if err := tr.cfg.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"settle": tr.settle(tr.over(s, protocol.OK, gradient.Unclipped)),
		"train":  tr.do(t.Context(), taskOf(0, 2)),
		"load":   tr.load(t.Context()),
	} {
		if !errors.Is(err, engine.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A refusal costs the round, not the worker; a duplicate is a success.
func TestRefusedCommit(t *testing.T) {
	out := newOutside()
	tr := begin(t, config(t, out))
	out.refuse = protocol.Refuse(protocol.WrongPhase, "late")
	if err := tr.do(t.Context(), taskOf(0, 1)); protocol.ReasonOf(err) != protocol.WrongPhase {
		t.Errorf("%v", err)
	}
	out.refuse = protocol.Refuse(protocol.Duplicate, "again")
	if err := tr.do(t.Context(), taskOf(0, 1)); err != nil {
		t.Errorf("%v", err)
	}
	if err := tr.do(t.Context(), taskOf(5, 1)); err == nil {
		t.Error("trained a round that the model is not before")
	}
}
