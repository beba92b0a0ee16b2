package plan

// This file holds the plan of a run, its defaults and how it becomes a manifest.

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"lode/data"
	"lode/data/split"
	"lode/engine"
	"lode/protocol"
	"lode/replica"
)

// Plan is a run as a person describes it.
type Plan struct {
	// Run is the manifest as far as it is chosen. Version, Coordinator, Model,
	// Members.Invitation and what a [Corpus] says of Data are left zero; a zero
	// Owner is the coordinator, a zero Seed the digest of the text below.
	Run       protocol.Manifest
	Model     Model
	Seed      string // any text of 1 to 256 bytes
	DataPath  string // what the corpus is opened from, or [StandardLibrary]
	Tokenizer string // "bytes", "records", or the path of a tokenizer.json
	// Split is how lode up deals the data to its workers, as package split writes it;
	// "": the run has its data from elsewhere.
	Split string
}

// Corpus is what the launching machine knows of the data.
type Corpus struct {
	Index      *data.Index
	Vocabulary protocol.Digest // of the tokenizer's file; zero: tokens are bytes
	Tokens     int             // of the tokenizer
}

// StandardLibrary is the DataPath that stands for the sources of Go's standard
// library, which are on every machine with Go.
const StandardLibrary = "go-stdlib"

const (
	coin    = 1_000_000_000 // units of an amount
	maxSeed = 256           // bytes
)

// Defaults returns the default run: a model small enough to learn on two cores
// within minutes.
func Defaults() Plan {
	return Plan{Seed: "lode", DataPath: StandardLibrary, Tokenizer: protocol.TokenBytes, Model: defaultModel(), Run: protocol.Manifest{
		Name: "lode",
		Data: protocol.Data{Mode: protocol.DataAssigned, Tokenizer: protocol.TokenBytes, Width: 1, Piece: 16 << 10, HeldOut: protocol.Q16(0.05)},
		Train: protocol.Train{
			InnerSteps: 10, Rows: 8, Steps: 64, Optimizer: protocol.AdamW, Rate: 5e-3, Warmup: 10, Schedule: "constant",
			Beta1: 0.9, Beta2: 0.95, WeightDecay: 0.01, ClipNorm: 1,
		},
		Update: protocol.Update{Codec: "topk", Keep: 128, Bits: 2, Decay: protocol.Q16(0.95), MinExp: -40, MaxExp: -4, Boost: 1},
		Merge:  protocol.Merge{Rule: "mean", Optimizer: "sgd", Rate: protocol.Q16(1), StepBits: 8, Refuse: 4},
		Score: protocol.Score{
			Rows: 32, HeldOut: 16, Threshold: protocol.Q16(0.1), Window: 4, Project: 3, Overlap: protocol.Q16(0.6),
			Audit: 1, Examine: 3, WorkGate: int32(protocol.Q16(0.65)), WorkMin: 4,
		},
		Timing:  protocol.Timing{Train: 60 * protocol.Second, Phase: 30 * protocol.Second, Grace: protocol.Second},
		Members: protocol.Members{MinWorkers: 1, MinValidators: 1, MaxMembers: 256, OpenWorkers: true, InvitedStake: 1000 * coin},
		Economy: protocol.Economy{Ledger: protocol.LedgerYuma, Emission: coin, Cap: 21_000_000 * coin, Tempo: 10},
	}}
}

// Manifest completes the plan with what the launching machine knows: the
// coordinator's key, the key that signs invitations (zero: nobody is invited)
// and the corpus. Everything about the result has been checked.
func (p Plan) Manifest(coordinator, invitation protocol.NodeID, c Corpus) (protocol.Manifest, error) {
	fail := func(err error) (protocol.Manifest, error) {
		return protocol.Manifest{}, fmt.Errorf("plan: %w", err)
	}
	man := p.draft(coordinator, invitation)
	man.Data.Index, man.Data.Bytes = c.Index.Digest(), c.Index.Bytes
	if p.Tokenizer != protocol.TokenRecords {
		man.Data.Width = uint32(c.Index.Width)
	}
	if man.Data.Vocabulary = c.Vocabulary; c.Vocabulary != (protocol.Digest{}) {
		man.Data.Tokenizer = protocol.TokenFile
	}
	if err := errors.Join(man.Validate(), p.fit(), c.fits(p.Model)); err != nil {
		return fail(err)
	}
	if from := p.Model.From; (from.Path == "") != (from.Root == protocol.Digest{}) {
		panic("plan: Manifest before Give")
	}
	if _, err := replica.NewRules(man); err != nil {
		return fail(err)
	}
	if _, err := data.NewPlan(c.Index, man.Data, man.Train); err != nil {
		return fail(err)
	}
	return man, nil
}

// Width returns the bytes of a token of the corpus, or of a record where it holds
// those: as many as the model's examples need. The corpus is to be indexed with it.
func (p Plan) Width() uint32 {
	if m := p.Model.described(); m != nil && p.Tokenizer == protocol.TokenRecords {
		if inputs, _ := m.Takes(); !inputs.Series {
			return uint32(min(replica.RecordLen(inputs), protocol.MaxRecord+1))
		}
	}
	return p.Run.Data.Width
}

// Takes returns what the model takes of an example and what it predicts; zero ports if
// there is no such model.
func (p Plan) Takes() (inputs, targets engine.Port) {
	if m := p.Model.described(); m != nil {
		return m.Takes()
	}
	return inputs, targets
}

// fits checks that a model has all the tokens of the corpus.
func (c Corpus) fits(m Model) error {
	known, where := m.vocab()
	if known >= c.Tokens {
		return nil
	}
	return &protocol.FieldError{Field: where, Fault: fmt.Sprintf("is %d, but the tokenizer of the data has %d tokens: set it to that or more", known, c.Tokens)}
}

// draft is the manifest without the corpus.
func (p Plan) draft(coordinator, invitation protocol.NodeID) protocol.Manifest {
	man := p.Run
	man.Model, man.Data.Width = p.Model.config(), p.Width()
	if p.Tokenizer == protocol.TokenRecords {
		man.Data.Tokenizer = protocol.TokenRecords
	}
	man.Version, man.Coordinator, man.Members.Invitation = protocol.Version, coordinator, invitation
	man.Members.Genesis = slices.Clone(p.Run.Members.Genesis)
	man.Train.Only, man.Train.NoDecay = slices.Clone(p.Run.Train.Only), slices.Clone(p.Run.Train.NoDecay)
	if man.Owner == (protocol.NodeID{}) {
		man.Owner = coordinator
	}
	if man.Seed == (protocol.Digest{}) {
		man.Seed = protocol.Hash("run seed", []byte(p.Seed))
	}
	return man
}

// fit checks what a manifest does not: the plan's own fields, and combinations
// with which a run would be valid but could never begin or would fail at once.
func (p Plan) fit() error {
	var errs []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			errs = append(errs, &protocol.FieldError{Field: field, Fault: fmt.Sprintf(format, args...)})
		}
	}
	check(len(p.Seed) >= 1 && len(p.Seed) <= maxSeed, "seed", "has %d bytes, must have 1 to %d", len(p.Seed), maxSeed)
	check(utf8.ValidString(p.Seed), "seed", "is not UTF-8")
	check(p.DataPath != "", "data.path", "is empty: name a file, a folder or %s", StandardLibrary)
	check(p.Tokenizer != "", "data.tokenizer", "is empty: name a tokenizer.json, or say %s or %s", protocol.TokenBytes, protocol.TokenRecords)
	if p.Split != "" {
		_, err := split.ParseRule(p.Split)
		check(err == nil, "data.split", "%v", err)
		check(p.Run.Data.Mode == protocol.DataPrivate, "data.split", "is %q, but only data of data.mode private is dealt to workers for good: leave it out", p.Split)
	}
	known, where := p.Model.vocab()
	few := p.Tokenizer == protocol.TokenBytes && known < data.Vocab
	check(!few, where, "is %d, but the tokenizer %q has %d tokens", known, protocol.TokenBytes, data.Vocab)
	m := p.Run.Members
	check(uint64(m.MinWorkers)+uint64(m.MinValidators) <= uint64(m.MaxMembers), "members.max_members",
		"is %d, too few for %d workers and %d validators to begin with", m.MaxMembers, m.MinWorkers, m.MinValidators)
	if err := p.Model.fit(); err != nil {
		return errors.Join(append(errs, err)...)
	}
	if few { // Suits would say so of the config
		return errors.Join(errs...)
	}
	man := p.draft(protocol.NodeID{}, protocol.NodeID{})
	return errors.Join(append(errs, replica.Suits(p.Model.described(), man))...)
}
