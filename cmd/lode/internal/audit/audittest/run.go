package audittest

// This file holds the run: its manifest, its members, and what it leaves behind.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"lode/checkpoints"
	"lode/coordinator/round"
	"lode/engine/model"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// Config says what run is made. The zero Config is two validators and three
// workers over three rounds, without momentum or checkpoints.
type Config struct {
	Rounds   int  // default 3
	Momentum bool // the outer optimizer has integers of its own
	Shared   bool // workers share places
	Weighed  bool // workers have private data, and updates weigh by samples
	// Unweighed has all validators merge without the weights.
	Unweighed bool
	// Volunteers are paid nothing.
	Volunteers bool
	// Initial are the parameters that the run begins with, as many as its model has; nil:
	// they are drawn. Their pieces are among the payloads.
	Initial tensor.Flat
	// Store gets a checkpoint every so many rounds, if it is set.
	Store checkpoints.Store
	Every protocol.Round // default 2
	// Unnamed keeps checkpoints off the record.
	Unnamed bool
	// Forge changes the receipt of a round before all validators sign it.
	Forge func(*protocol.Receipt)
	// Attest changes what all validators say of an update.
	Attest func(protocol.Round, *protocol.Finding)
}

// Run is what a run left behind.
type Run struct {
	Manifest protocol.Manifest
	Rules    *replica.Rules
	Key      ed25519.PrivateKey // of the coordinator
	Entries  [][]byte
	Payloads map[protocol.Digest][]byte
	Final    []round.Summary
	Saved    []checkpoints.Manifest // the checkpoints written
}

const (
	numWorkers    = 3
	numValidators = 2
	maxSamples    = 50
)

func keyOf(kind string, i int) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "%s %d", kind, i))
	return ed25519.NewKeyFromSeed(seed[:])
}

func idOf(key ed25519.PrivateKey) protocol.NodeID {
	return protocol.NodeID(key.Public().(ed25519.PublicKey))
}

func manifest(c Config) protocol.Manifest {
	m := protocol.Manifest{
		Version: protocol.Version, Name: "small run", Coordinator: idOf(keyOf("coordinator", 0)), Owner: idOf(keyOf("owner", 0)), Seed: protocol.Digest{3},
		Model: protocol.Model{Config: string(model.Llama{
			Dim: 8, Layers: 1, Heads: 2, KVHeads: 1, FFN: 16, Vocab: 256, Context: 16,
			Tied: true, RopeTheta: 10000, NormEps: 1e-5,
		}.Config())},
		Data:   protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Index: protocol.Digest{4}, Bytes: 1 << 16, Piece: 1 << 10, HeldOut: protocol.Q16(0.1)},
		Train:  protocol.Train{InnerSteps: 4, Rows: 2, Steps: 16, Optimizer: "adamw", Rate: 1e-3, Schedule: "constant", Beta1: 0.9, Beta2: 0.95},
		Update: protocol.Update{Codec: "topk", Keep: 64, Bits: 2, Decay: protocol.Q16(0.95), MinExp: -60, MaxExp: -24, DenseStart: 1, Boost: 2},
		Merge:  protocol.Merge{Rule: "mean", Optimizer: "sgd", Rate: protocol.Q16(0.7), StepBits: 20, Refuse: 4},
		Score: protocol.Score{
			Rows: 4, HeldOut: 4, Threshold: protocol.Q16(0.1), Window: 4, Project: 1, Overlap: protocol.Q16(0.5),
			WorkGate: -int32(protocol.Q16(0.25)), WorkMin: 4,
		},
		Timing:  protocol.Timing{Train: 60 * protocol.Second, Phase: 10 * protocol.Second, Grace: protocol.Second},
		Members: protocol.Members{MinWorkers: numWorkers, MinValidators: numValidators, MaxMembers: 16, OpenWorkers: true},
		Economy: protocol.Economy{Ledger: protocol.LedgerYuma, Emission: 1e9, Cap: 21e15, Tempo: 2},
	}
	if c.Volunteers {
		m.Economy.Ledger, m.Economy.Emission = protocol.LedgerVolunteer, 0
	}
	if c.Shared {
		m.Update.Codec, m.Score.Overlap = "shared", protocol.Q16(1)
	}
	if c.Weighed {
		m.Data.Mode, m.Merge.MaxSamples = protocol.DataPrivate, maxSamples
	}
	if c.Momentum {
		m.Merge.Optimizer, m.Merge.Momentum = "nesterov", protocol.Q16(0.9)
	}
	for i := range numValidators {
		m.Members.Genesis = append(m.Members.Genesis, protocol.Stake{Node: idOf(keyOf("validator", i)), Stake: 1e12})
	}
	return m
}

// New makes the run of a configuration.
func New(tb testing.TB, c Config) *Run {
	tb.Helper()
	if c.Rounds == 0 {
		c.Rounds = 3
	}
	if c.Every == 0 {
		c.Every = 2
	}
	rules, err := replica.NewRules(manifest(c))
	if err != nil {
		tb.Fatal(err)
	}
	payloads := map[protocol.Digest][]byte{}
	if c.Initial != nil {
		rules = give(tb, rules, c.Initial, payloads)
	}
	model, err := replica.NewModel(rules)
	if err != nil {
		tb.Fatal(err)
	}
	d := &driver{
		tb: tb, cfg: c, model: model, machine: round.New(rules.Manifest),
		Run: &Run{Manifest: rules.Manifest, Rules: rules, Key: keyOf("coordinator", 0), Payloads: payloads},
	}
	d.chain = protocol.Chain{Run: rules.Run, Coordinator: rules.Manifest.Coordinator}
	d.drive()
	return d.Run
}

// give has a run begin with parameters, whose index and pieces go to payloads.
func give(tb testing.TB, r *replica.Rules, params tensor.Flat, payloads map[protocol.Digest][]byte) *replica.Rules {
	tb.Helper()
	var travels bytes.Buffer
	given, err := replica.Cut(&travels, r.Layout, params)
	if err != nil {
		tb.Fatal(err)
	}
	index := given.Index.Encode()
	payloads[protocol.Sum(index)] = index
	for piece := range slices.Chunk(travels.Bytes(), given.Index.Piece) {
		payloads[protocol.Sum(piece)] = piece
	}
	man := r.Manifest
	man.Model.Initial, man.Model.Pieces = given.Root, given.Index.Digest()
	if r, err = replica.NewRules(man); err != nil {
		tb.Fatal(err)
	}
	r.Initial = params
	return r
}

// Worker returns the id of one of the run's workers, from 0.
func Worker(i int) protocol.NodeID { return idOf(keyOf("worker", i)) }

// Resign replaces the record by one of the given events' entries in the given
// order, each signed anew by the coordinator: what a coordinator can forge.
func (r *Run) Resign(tb testing.TB, pick func(i int, ev protocol.Event) []protocol.Event) {
	tb.Helper()
	from := protocol.Chain{Run: r.Rules.Run, Coordinator: r.Manifest.Coordinator}
	to := from
	var out [][]byte
	for i, b := range r.Entries {
		var e protocol.Entry
		if err := protocol.Decode(b, &e); err != nil {
			tb.Fatal(err)
		}
		ev, err := from.Accept(e)
		if err != nil {
			tb.Fatal(err)
		}
		for _, ev := range pick(i, ev) {
			out = append(out, protocol.Encode(to.Append(r.Key, e.Now, ev)))
		}
	}
	r.Entries = out
}

// Fetch implements replica.Fetcher as a coordinator answers: by digest, or not at
// all. What lies there is not checked.
func (r *Run) Fetch(_ context.Context, d protocol.Digest, most int64) ([]byte, error) {
	b, ok := r.Payloads[d]
	switch {
	case !ok:
		return nil, protocol.Refuse(protocol.NotFound, "no payload %s here", d.Short())
	case int64(len(b)) > most:
		return nil, protocol.Refuse(protocol.TooLarge, "%d bytes", len(b))
	case protocol.Sum(b) != d:
		return nil, protocol.Refuse(protocol.WrongContent, "payload %s", d.Short())
	}
	return b, nil
}
