package validator

// This file tests what the judge finds, keeps and signs.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/rs/zerolog"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/engine/model"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
	"lode/validator/score"
)

// shelf is payloads and files in memory.
type shelf struct {
	replica.Link
	held  map[protocol.Digest][]byte
	files map[string][]byte
}

func (s *shelf) Fetch(_ context.Context, d protocol.Digest, most int64) ([]byte, error) {
	b, ok := s.held[d]
	switch {
	case !ok:
		return nil, protocol.Refuse(protocol.NotFound, "%s", d.Short())
	case int64(len(b)) > most:
		return nil, protocol.Refuse(protocol.TooLarge, "%d bytes", len(b))
	}
	return b, nil
}

// cabinet is the files of a shelf.
type cabinet struct{ *shelf }

func (c cabinet) Put(_ context.Context, name string, r io.Reader, _ int64) error {
	b, err := io.ReadAll(r)
	c.files[name] = b
	return err
}

func (c cabinet) Get(_ context.Context, name string, _ int64) (io.ReadCloser, int64, error) {
	b, ok := c.files[name]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

func newTestJudge(t *testing.T) (*judge, *shelf) {
	t.Helper()
	me := protocol.NodeID(keyOf(1).Public().(ed25519.PublicKey))
	rules, err := replica.NewRules(protocol.Manifest{
		Version: protocol.Version, Name: "tiny", Coordinator: me, Owner: me, Seed: protocol.Digest{7},
		Model:   protocol.Model{Config: string(model.Llama{Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Vocab: 256, Context: 16, Tied: true, RopeTheta: 1e4, NormEps: 1e-5}.Config())},
		Data:    protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Bytes: 1 << 16, Piece: 256, HeldOut: protocol.Q16(0.1)},
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
	s := &shelf{held: map[protocol.Digest][]byte{}, files: map[string][]byte{}}
	j := newJudge(Config{Key: keyOf(1), Rules: rules, Link: s, Files: cabinet{s}, Log: zerolog.Nop()}, me, make(chan struct{}, 1))
	if j.model, err = replica.NewModel(rules); err != nil {
		t.Fatal(err)
	}
	return j, s
}

// entry is a sound commit of round 0 with its key; its payload is on the shelf.
func (s *shelf) entry(t *testing.T, r *replica.Rules, n byte) (round.Entry, *gradient.Update) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	a := make(tensor.Flat, r.Layout.Len())
	for i := range a {
		a[i] = float32(1e-3 * rng.NormFloat64())
	}
	u, err := gradient.Encode(r.Layout, r.Codec(0), a)
	if err != nil {
		t.Fatal(err)
	}
	sealed := r.Seal(keyOf(n), 0, protocol.Digest{}, u)
	s.held[sealed.Cipher] = sealed.Payload
	return round.Entry{
		Worker: protocol.NodeID(keyOf(n).Public().(ed25519.PublicKey)),
		Commit: protocol.Commit{Plain: sealed.Plain, Cipher: sealed.Cipher, Size: uint64(len(sealed.Payload))},
		Key:    protocol.PayloadKey(keyOf(n), r.Run, 0, sealed.Plain), Revealed: true,
	}, u
}

// Whatever is wrong with an update is a finding with its own reason; the others
// are not touched by it.
func TestFindings(t *testing.T) {
	j, s := newTestJudge(t)
	cases := []struct {
		want   protocol.Reason
		change func(e *round.Entry)
	}{
		{protocol.OK, func(*round.Entry) {}},
		{protocol.NotRevealed, func(e *round.Entry) { e.Revealed = false }},
		{protocol.Unavailable, func(e *round.Entry) { delete(s.held, e.Commit.Cipher) }},
		{protocol.TooLarge, func(e *round.Entry) { e.Commit.Size = 1 << 31 }},
		{protocol.TooLarge, func(e *round.Entry) { e.Commit.Size-- }}, // there is more than was committed
		{protocol.WrongContent, func(e *round.Entry) { e.Commit.Size++ }},
		{protocol.NotOpened, func(e *round.Entry) { e.Key[0] ^= 1 }},
		{protocol.NotOpened, func(e *round.Entry) { e.Worker[0] ^= 1 }},
		{protocol.NotOpened, func(e *round.Entry) { e.Commit.StateRoot[0] ^= 1 }},
		{protocol.OK, func(*round.Entry) {}},
	}
	r := &round.Round{}
	for i, c := range cases {
		e, _ := s.entry(t, j.cfg.Rules, byte(10+i))
		c.change(&e)
		r.Entries = append(r.Entries, e)
	}
	got, err := j.attest(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range got {
		if f.Reason != cases[i].want || (f.Reason == protocol.OK) == (f.NormHi == 0 && f.NormLo == 0) {
			t.Errorf("case %d: found %v with norm %d:%d, want %v", i, f.Reason, f.NormHi, f.NormLo, cases[i].want)
		}
	}
}

// An update that a quorum attested but that had not arrived here yet is fetched
// again; if it never arrives the duty is not done, and the validator lives on.
func TestLatePayload(t *testing.T) {
	j, s := newTestJudge(t)
	e, _ := s.entry(t, j.cfg.Rules, 10)
	payload := s.held[e.Commit.Cipher]
	delete(s.held, e.Commit.Cipher)
	r := &round.Round{Entries: []round.Entry{e}}
	if f, err := j.attest(t.Context(), r); err != nil || f[0].Reason != protocol.Unavailable {
		t.Fatal(f, err)
	}
	if _, err := j.open(t.Context(), r, &r.Entries[0]); protocol.ReasonOf(err) != protocol.Unavailable {
		t.Errorf("not here yet: %v", err)
	}
	s.held[e.Commit.Cipher] = payload
	if u, err := j.open(t.Context(), r, &r.Entries[0]); err != nil || protocol.Sum(u.Plain()) != e.Commit.Plain {
		t.Errorf("arrived: %v", err)
	}
}

// The sheet that was kept is the one that is committed and shown, and only for
// its own run, round and evaluation seed.
func TestKeptSheet(t *testing.T) {
	j, s := newTestJudge(t)
	r := &round.Round{Number: 3, Eval: protocol.Digest{5}}
	sheet := &protocol.Sheet{Seed: r.Eval, Loss: 42, Rows: []protocol.Row{{First: 7}}}
	if err := j.keepSheet(t.Context(), r.Number, sheet); err != nil {
		t.Fatal(err)
	}
	// What is in the file is never measured again: this judge has no engine to.
	got, err := j.sheetOf(t.Context(), r)
	if err != nil || got.Digest(j.me) != sheet.Digest(j.me) {
		t.Fatalf("%+v, %v", got, err)
	}
	usable := func() (yes bool) {
		defer func() { yes = recover() == nil && yes }()
		j.sheet = nil
		got, err := j.sheetOf(t.Context(), r)
		return err == nil && got.Loss == 42
	}
	if !usable() {
		t.Fatal("the file is of no use")
	}
	whole := s.files[sheetFile]
	for name, b := range map[string][]byte{"half": whole[:len(whole)/2], "empty": {}, "junk": []byte("junk"), "longer": append(bytes.Clone(whole), 0)} {
		if s.files[sheetFile] = b; usable() {
			t.Errorf("%s: was taken for a sheet", name)
		}
	}
	s.files[sheetFile] = whole
	r.Number++
	if usable() {
		t.Error("the sheet of another round was taken")
	}
	r.Number--
	if r.Eval[0]++; usable() {
		t.Error("the sheet of another seed was taken")
	}
}

// A proposal that differs from what was recomputed in anything is not signed.
func TestDifferingProposal(t *testing.T) {
	j, s := newTestJudge(t)
	e, u := s.entry(t, j.cfg.Rules, 10)
	r := &round.Round{
		Entries: []round.Entry{e}, List: protocol.Digest{1}, Decision: protocol.Digest{2}, Root: protocol.Digest{3}, Parent: protocol.Digest{4},
		Candidates: []score.Candidate{{Worker: e.Worker}},
		Verdicts:   []score.Verdict{{Worker: e.Worker, Reason: protocol.OK, Clip: gradient.Unclipped}},
	}
	j.updates, j.opened = map[protocol.NodeID]aggregation.Source{e.Worker: u}, r.Number
	m, err := j.merge(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := j.merge(t.Context(), r); err != nil || again != m {
		t.Fatalf("merged and encoded a second time, %v", err)
	}
	good := j.receipt(r, m)
	s.held[good.Payload] = m.wire
	r.Proposal = &good
	if err := j.check(t.Context(), r, m); err != nil {
		t.Fatalf("the right proposal: %v", err)
	}
	for name, change := range map[string]func(*protocol.Receipt){
		"model":    func(rc *protocol.Receipt) { rc.Model[0] ^= 1 },
		"outer":    func(rc *protocol.Receipt) { rc.Outer[0] ^= 1 },
		"step":     func(rc *protocol.Receipt) { rc.Step[0] ^= 1 },
		"list":     func(rc *protocol.Receipt) { rc.List[0] ^= 1 },
		"decision": func(rc *protocol.Receipt) { rc.Decision[0] ^= 1 },
		"root":     func(rc *protocol.Receipt) { rc.StateRoot[0] ^= 1 },
		"parent":   func(rc *protocol.Receipt) { rc.Parent[0] ^= 1 },
		"round":    func(rc *protocol.Receipt) { rc.Round++ },
		"run":      func(rc *protocol.Receipt) { rc.Run[0] ^= 1 },
		"size":     func(rc *protocol.Receipt) { rc.Size++ },
		"missing":  func(rc *protocol.Receipt) { rc.Payload[0] ^= 1 },
		"junk": func(rc *protocol.Receipt) {
			junk := []byte("not a step")
			rc.Payload, rc.Size = protocol.Sum(junk), uint64(len(junk))
			s.held[rc.Payload] = junk
		},
	} {
		bad := good
		change(&bad)
		r.Proposal = &bad
		if err := j.check(t.Context(), r, m); protocol.ReasonOf(err) != protocol.WrongReceipt {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}
