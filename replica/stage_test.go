package replica_test

// This file holds what the tests of this package work on: a run with a tiny model,
// its workers' updates, and a shelf of payloads.

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"lode/engine/model"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

func keyOf(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, 31), n))
}

func idOf(n byte) protocol.NodeID {
	return protocol.NodeID(keyOf(n).Public().(ed25519.PublicKey))
}

func manifest() protocol.Manifest {
	return protocol.Manifest{
		Version: protocol.Version, Name: "tiny", Coordinator: idOf(200), Owner: idOf(201), Seed: protocol.Digest{7},
		Model:  protocol.Model{Config: string(model.Llama{Dim: 16, Layers: 2, Heads: 2, KVHeads: 1, FFN: 40, Vocab: 256, Context: 16, RopeTheta: 1e4, NormEps: 1e-5}.Config())},
		Data:   protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Bytes: 1 << 16, Piece: 64, HeldOut: protocol.Q16(0.1)},
		Train:  protocol.Train{InnerSteps: 4, Rows: 1, Steps: 8, Optimizer: "adamw", Rate: 0.1, Warmup: 3, Schedule: "constant", Beta1: 0.9, Beta2: 0.95, WeightDecay: 0.1, ClipNorm: 1},
		Update: protocol.Update{Codec: "topk", Keep: 512, Bits: 2, Decay: protocol.Q16(0.95), MinExp: -40, MaxExp: -4, DenseStart: 1, Boost: 2},
		Merge:  protocol.Merge{Rule: "mean", Optimizer: "nesterov", Rate: protocol.Q16(0.7), Momentum: protocol.Q16(0.9), StepBits: 8, Refuse: 4},
		Score: protocol.Score{
			Rows: 1, HeldOut: 1, Threshold: protocol.Q16(0.1), Window: 2, Project: 2, Overlap: protocol.Q16(0.5), WorkMin: 2,
		},
		Timing: protocol.Timing{Train: 60 * protocol.Second, Phase: 10 * protocol.Second, Grace: protocol.Second},
		Members: protocol.Members{
			MinWorkers: 1, MinValidators: 1, MaxMembers: 16, OpenWorkers: true,
			Genesis: []protocol.Stake{{Node: idOf(100), Stake: 1000}},
		},
		Economy: protocol.Economy{Ledger: protocol.LedgerYuma, Emission: 1_000_000_000, Cap: 21e15, Tempo: 2},
	}
}

// rulesOf returns the rules of the manifest after changes.
func rulesOf(t testing.TB, changes ...func(*protocol.Manifest)) *replica.Rules {
	t.Helper()
	man := manifest()
	for _, change := range changes {
		change(&man)
	}
	r, err := replica.NewRules(man)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func plain(m *protocol.Manifest) { m.Merge.Optimizer, m.Merge.Momentum = "sgd", 0 }

func modelOf(t testing.TB, r *replica.Rules) *replica.Model {
	t.Helper()
	m, err := replica.NewModel(r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shared lets all workers send the same places.
func shared(m *protocol.Manifest) { m.Update.Codec, m.Score.Overlap = "shared", protocol.Q16(1) }

// updateOf returns an update under a codec, drawn from seed.
func updateOf(t testing.TB, r *replica.Rules, codec gradient.Params, seed uint64) *gradient.Update {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	a := make(tensor.Flat, r.Layout.Len())
	for i := range a {
		a[i] = float32(1e-3 * rng.NormFloat64())
	}
	u, err := gradient.Encode(r.Layout, codec, a)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// shelf holds payloads by digest.
type shelf map[protocol.Digest][]byte

func (s shelf) put(b []byte) { s[protocol.Sum(b)] = b }

func (s shelf) Fetch(_ context.Context, d protocol.Digest, most int64) ([]byte, error) {
	b, ok := s[d]
	if !ok || int64(len(b)) > most {
		return nil, protocol.Refuse(protocol.NotFound, "%s", d.Short())
	}
	return b, nil
}

// resum renews the checksum at the end of a changed file.
func resum(b []byte) []byte {
	sum := sha256.Sum256(b[:len(b)-sha256.Size])
	return append(b[:len(b)-sha256.Size], sum[:]...)
}
