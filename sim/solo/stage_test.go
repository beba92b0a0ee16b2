package solo

// This file holds what the tests of this package train: a tiny model on text that is
// easily learnt.

import (
	"bytes"
	"context"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"lode/data"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// stage is rules and text.
type stage struct {
	rules *replica.Rules
	text  replica.Assigned
}

// newStage returns a run of rounds of 3 steps, with the manifest changed.
func newStage(t testing.TB, change func(*protocol.Manifest)) stage {
	t.Helper()
	path := filepath.Join(t.TempDir(), "corpus.txt")
	if err := os.WriteFile(path, bytes.Repeat([]byte("round and round the garden, like a teddy bear; "), 400), 0o600); err != nil {
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
	man := protocol.Manifest{
		Version: protocol.Version, Name: "tiny", Coordinator: protocol.NodeID{1}, Owner: protocol.NodeID{2}, Seed: protocol.Digest{7},
		Model: protocol.Model{Config: string(model.Llama{Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Vocab: 256, Context: 16, Tied: true, RopeTheta: 1e4, NormEps: 1e-5}.Config())},
		Data:  protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Index: ix.Digest(), Bytes: ix.Bytes, Piece: 256, HeldOut: protocol.Q16(0.1)},
		Train: protocol.Train{
			InnerSteps: 3, Rows: 2, Steps: 16, Optimizer: "adamw", Rate: 0.02, Warmup: 1, Schedule: "cosine", Rounds: 40, FinalRate: protocol.Q16(0.1),
			Beta1: 0.9, Beta2: 0.95, WeightDecay: 0.01, ClipNorm: 1,
		},
		Update:  protocol.Update{Codec: "topk", Keep: 512, Bits: 2, Decay: protocol.Q16(0.95), MinExp: -40, MaxExp: -4, Boost: 1},
		Merge:   protocol.Merge{Rule: "mean", Optimizer: "sgd", Rate: protocol.Q16(1), StepBits: 8, Refuse: 4},
		Score:   protocol.Score{Rows: 1, HeldOut: 4, Window: 2, Overlap: 1 << 16, WorkMin: 1},
		Timing:  protocol.Timing{Train: 60 * protocol.Second, Phase: 30 * protocol.Second, Grace: protocol.Second},
		Members: protocol.Members{MinWorkers: 1, MinValidators: 1, MaxMembers: 4, OpenWorkers: true, Genesis: []protocol.Stake{{Node: protocol.NodeID{3}, Stake: 1}}},
		Economy: protocol.Economy{Ledger: protocol.LedgerVolunteer, Cap: 21e15, Tempo: 1},
	}
	if change != nil {
		change(&man)
	}
	rules, err := replica.NewRules(man)
	if err != nil {
		t.Fatal(err)
	}
	source, err := data.NewLocal(corpus, ix)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := data.NewPlan(ix, man.Data, man.Train)
	if err != nil {
		t.Fatal(err)
	}
	return stage{rules, replica.Assigned{Plan: plan, Source: source}}
}

// config returns how to train with so many workers.
func (s stage) config(workers int, apart bool) Config {
	return Config{Rules: s.rules, Duties: s.text, Workers: workers, Apart: apart, Engine: func() (engine.Engine, error) {
		return cpu.New(s.rules.Model, cpu.Options{Frozen: s.rules.Frozen, NoDecay: s.rules.NoDecay})
	}}
}

// trainer returns a trainer after so many rounds.
func trainer(t testing.TB, cfg Config, rounds int) *Trainer {
	t.Helper()
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	train(t, tr, rounds)
	return tr
}

func train(t testing.TB, tr *Trainer, rounds int) {
	t.Helper()
	for range rounds {
		if err := tr.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// paramsOf returns a trainer's parameters.
func paramsOf(t testing.TB, tr *Trainer) tensor.Flat {
	t.Helper()
	p, err := tr.Params()
	if err != nil {
		t.Fatal(err)
	}
	out := make(tensor.Flat, tr.cfg.Rules.Layout.Len())
	if err := tensor.Copy(tr.cfg.Rules.Layout, out, p); err != nil {
		t.Fatal(err)
	}
	return out
}

// stateOf returns a trainer as bytes.
func stateOf(t testing.TB, tr *Trainer) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tr.WriteState(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sampleOf returns what held-out loss is measured on.
func sampleOf(t testing.TB, s stage) []engine.Batch {
	t.Helper()
	b, err := HeldOut(t.Context(), s.rules, s.text, 500)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lossOf returns a trainer's held-out loss.
func lossOf(t testing.TB, tr *Trainer, sample []engine.Batch) float64 {
	t.Helper()
	loss, err := tr.Loss(t.Context(), sample)
	if err != nil {
		t.Fatal(err)
	}
	return loss
}

// seen is duties that remember who asked for what.
type seen struct {
	Duties
	batches map[int][]engine.Batch // by worker
}

func (s *seen) Batches(ctx context.Context, n protocol.Round, seed protocol.Digest, workers, worker int) iter.Seq2[engine.Batch, error] {
	return func(yield func(engine.Batch, error) bool) {
		for b, err := range s.Duties.Batches(ctx, n, seed, workers, worker) {
			s.batches[worker] = append(s.batches[worker], b)
			if !yield(b, err) {
				return
			}
		}
	}
}

// rulesThatKeepMore are manifests whose state is more than parameters and moments.
var rulesThatKeepMore = map[string]func(*protocol.Manifest){
	"plain": nil,
	"muon":  func(m *protocol.Manifest) { m.Train.Optimizer = protocol.Muon },
	"shared places": func(m *protocol.Manifest) {
		m.Update.Codec, m.Update.Keep, m.Merge.StepKeep = gradient.Shared, 1024, 2000
	},
	"fedadam": func(m *protocol.Manifest) {
		m.Merge.Optimizer, m.Merge.Rate, m.Merge.Momentum, m.Merge.Second, m.Merge.FloorExp = "fedadam", protocol.Q16(0.05), protocol.Q16(0.9), protocol.Q16(0.99), -10
	},
	"half frozen": func(m *protocol.Manifest) { m.Train.Only, m.Train.NoDecay = []string{"*mlp*"}, []string{"*up*"} },
}
