package protocol

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// testManifest returns a manifest without fault, every field set.
func testManifest() Manifest {
	return Manifest{
		Version: Version, Name: "Test run-1", Coordinator: NodeID{1}, Owner: NodeID{2}, Seed: Digest{3},
		Model: Model{Config: `{"model_type":"llama"}`, Initial: Digest{10}, Pieces: Digest{11}},
		Data: Data{
			Mode: "assigned", Tokenizer: TokenFile, Vocabulary: Digest{9}, Width: 2, Index: Digest{4}, Bytes: 1 << 24, Piece: 1 << 16, HeldOut: Q16(0.02),
		},
		Train: Train{
			InnerSteps: 30, Rows: 8, Steps: 64, Optimizer: "muon", Rate: 1e-3, Warmup: 2, Schedule: "wsd", Rounds: 500, FinalRate: Q16(0.1), DecayShare: Q16(0.2), Beta1: 0.9, Beta2: 0.95, WeightDecay: 0.1, ClipNorm: 1,
			Only: []string{"model.layers.*.mlp.*", "*norm.weight"}, NoDecay: []string{"model.embed_tokens.weight"}, Proximal: 0.01,
		},
		Update: Update{Codec: "topk", Keep: 64, Bits: 2, Decay: Q16(0.95), MinExp: -60, MaxExp: -24, DenseStart: 3, Boost: 4},
		Merge: Merge{
			ClipNorms: true, Mix: true, Bucket: 1, Rule: "median", Liars: 1, Senders: true,
			Optimizer: "fedadam", Rate: Q16(0.7), Momentum: Q16(0.9), Second: Q16(0.99), FloorExp: -10, StepBits: 20, Refuse: 4,
		},
		Score: Score{
			Rows: 16, HeldOut: 8, Threshold: Q16(0.1), Window: 8, Project: 3, Overlap: Q16(0.5), Audit: 2, Examine: 2,
			WorkGate: -int32(Q16(0.25)), WorkMin: 4,
		},
		Timing: Timing{Train: 60 * Second, Phase: 10 * Second, Grace: Second},
		Members: Members{
			MinWorkers: 1, MinValidators: 1, MaxMembers: 64, OpenWorkers: true, Invitation: NodeID{5}, InvitedStake: 1e9,
			Genesis:  []Stake{{Node: NodeID{6}, Stake: 1e12}, {Node: NodeID{7}, Stake: 2e12}},
			Fraction: Q16(0.5),
		},
		Economy: Economy{Ledger: LedgerYuma, Emission: 1e9, Cap: 21e15, Tempo: 10},
	}
}

// fields returns the fields that Validate finds fault with, in its order.
func fields(t *testing.T, err error) (all []string) {
	t.Helper()
	if err == nil {
		return nil
	}
	for line := range strings.Lines(err.Error()) {
		field, fault, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok || fault == "" || field != strings.ToLower(field) {
			t.Errorf("fault %q does not begin with a field and a colon", line)
		}
		all = append(all, field)
	}
	return all
}

func TestManifestFaults(t *testing.T) {
	if err := testManifest().Validate(); err != nil {
		t.Fatalf("the manifest without fault: %v", err)
	}
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		field  string
		change func(*Manifest)
	}{
		{"version", func(m *Manifest) { m.Version++ }},
		{"name", func(m *Manifest) { m.Name = "" }},
		{"name", func(m *Manifest) { m.Name = strings.Repeat("x", 65) }},
		{"name", func(m *Manifest) { m.Name = "bell\a" }},
		{"name", func(m *Manifest) { m.Name = "ünsafe" }},
		{"coordinator", func(m *Manifest) { m.Coordinator = NodeID{} }},
		{"model.config", func(m *Manifest) { m.Model.Config = "" }},
		{"model.config", func(m *Manifest) { m.Model.Config = strings.Repeat(" ", MaxConfig+1) }},
		{"model.config", func(m *Manifest) { m.Model.Config = "\xff" }},
		{"model.pieces", func(m *Manifest) { m.Model.Initial = Digest{} }},
		{"model.pieces", func(m *Manifest) { m.Model.Pieces = Digest{} }},
		{"data.mode", func(m *Manifest) { m.Data.Mode = "secret" }},
		{"score.examine", func(m *Manifest) { m.Data.Mode = DataPrivate }},
		{"data.tokenizer", func(m *Manifest) { m.Data.Tokenizer = "words" }},
		{"data.vocabulary", func(m *Manifest) { m.Data.Vocabulary = Digest{} }},
		{"data.vocabulary", func(m *Manifest) { m.Data.Tokenizer, m.Data.Width = TokenBytes, 1 }},
		{"data.width", func(m *Manifest) { m.Data.Width = 3 }},
		{"data.width", func(m *Manifest) { m.Data.Tokenizer, m.Data.Vocabulary = TokenBytes, Digest{} }},
		{"data.piece", func(m *Manifest) { m.Data.Piece = 1<<16 - 1 }},
		{"data.bytes", func(m *Manifest) { m.Data.Bytes = 0 }},
		{"data.piece", func(m *Manifest) { m.Data.Piece = 2 * 30 * 64 }},
		{"data.piece", func(m *Manifest) { m.Data.Piece = 1<<24 + 1 }},
		{"data.held_out", func(m *Manifest) { m.Data.HeldOut = 0 }},
		{"data.held_out", func(m *Manifest) { m.Data.HeldOut = 1 << 16 }},
		{"train.inner_steps", func(m *Manifest) { m.Train.InnerSteps = 0 }},
		{"train.rows", func(m *Manifest) { m.Train.Rows = 0 }},
		{"train.steps", func(m *Manifest) { m.Train.Steps = 1 }},
		{"train.rows", func(m *Manifest) { m.Train.Rows = MaxBatch/64 + 1 }},
		{"train.rows", func(m *Manifest) { m.Train.Rows, m.Train.Steps = 1e5, 1e6 }},
		{"score.rows", func(m *Manifest) { m.Score.Rows = MaxBatch/64 + 1 }},
		{"score.held_out", func(m *Manifest) { m.Score.HeldOut = MaxBatch/64 + 1 }},
		{"train.optimizer", func(m *Manifest) { m.Train.Optimizer = "" }},
		{"train.optimizer", func(m *Manifest) { m.Train.Optimizer = "Muon" }},
		{"train.rate", func(m *Manifest) { m.Train.Rate = 0 }},
		{"train.rate", func(m *Manifest) { m.Train.Rate = nan }},
		{"train.rate", func(m *Manifest) { m.Train.Rate = inf }},
		{"train.warmup", func(m *Manifest) { m.Train.Warmup = 1e7 }},
		{"train.schedule", func(m *Manifest) { m.Train.Schedule = "" }},
		{"train.schedule", func(m *Manifest) { m.Train.Schedule = "WSD" }},
		{"train.rounds", func(m *Manifest) { m.Train.Rounds = m.Train.Warmup }},
		{"train.rounds", func(m *Manifest) { m.Train.Rounds = 1e8 + 1 }},
		{"train.rounds", func(m *Manifest) { m.Train.Schedule, m.Train.FinalRate, m.Train.DecayShare = "constant", 0, 0 }},
		{"train.final_rate", func(m *Manifest) { m.Train.FinalRate = 1<<16 + 1 }},
		{"train.final_rate", func(m *Manifest) { m.Train.Schedule, m.Train.Rounds, m.Train.DecayShare = "constant", 0, 0 }},
		{"train.decay_share", func(m *Manifest) { m.Train.DecayShare = 0 }},
		{"train.decay_share", func(m *Manifest) { m.Train.DecayShare = 1<<16 + 1 }},
		{"train.decay_share", func(m *Manifest) { m.Train.Schedule = "cosine" }},
		{"train.beta1", func(m *Manifest) { m.Train.Beta1 = 1 }},
		{"train.beta2", func(m *Manifest) { m.Train.Beta2 = -0.1 }},
		{"train.weight_decay", func(m *Manifest) { m.Train.WeightDecay = nan }},
		{"train.clip_norm", func(m *Manifest) { m.Train.ClipNorm = -1 }},
		{"train.proximal", func(m *Manifest) { m.Train.Proximal = nan }},
		{"train.only", func(m *Manifest) { m.Train.Only = slices.Repeat([]string{"*"}, MaxPatterns+1) }},
		{"train.only[0]", func(m *Manifest) { m.Train.Only[0] = "" }},
		{"train.only[1]", func(m *Manifest) { m.Train.Only[1] = "model.[a-" }},
		{"train.only[1]", func(m *Manifest) { m.Train.Only[1] = `model.norm.weight\` }},
		{"train.only[1]", func(m *Manifest) { m.Train.Only[1] = "\xff" }},
		{"train.only[0]", func(m *Manifest) { m.Train.Only[0] = strings.Repeat("*", maxPatternLen+1) }},
		{"train.no_decay", func(m *Manifest) { m.Train.NoDecay = slices.Repeat([]string{"*"}, MaxPatterns+1) }},
		{"train.no_decay[0]", func(m *Manifest) { m.Train.NoDecay[0] = "[" }},
		{"update.codec", func(m *Manifest) { m.Update.Codec = "none" }},
		{"update.keep", func(m *Manifest) { m.Update.Keep = 0 }},
		{"update.decay", func(m *Manifest) { m.Update.Decay = 1<<16 + 1 }},
		{"update.min_exp", func(m *Manifest) { m.Update.MinExp = -101 }},
		{"update.max_exp", func(m *Manifest) { m.Update.MaxExp = -61 }},
		{"update.dense_start", func(m *Manifest) { m.Update.DenseStart = 1e7 }},
		{"update.boost", func(m *Manifest) { m.Update.Boost = 0 }},
		{"update.boost", func(m *Manifest) { m.Update.Keep, m.Update.Boost = 1025, 4 }},
		{"merge.rule", func(m *Manifest) { m.Merge.Rule = "medium" }},
		{"merge.liars", func(m *Manifest) { m.Merge.Liars = 0 }},
		{"merge.liars", func(m *Manifest) { m.Merge.Mix = false }},
		{"merge.momentum", func(m *Manifest) { m.Merge.Optimizer = "sgd" }},
		{"merge.momentum", func(m *Manifest) { m.Merge.Optimizer, m.Merge.Momentum = "nesterov", 0 }},
		{"merge.second", func(m *Manifest) { m.Merge.Optimizer = "fedavgm" }},
		{"merge.second", func(m *Manifest) { m.Merge.Second = 0 }},
		{"merge.floor_exp", func(m *Manifest) { m.Merge.Optimizer = "nesterov" }},
		{"merge.bucket", func(m *Manifest) { m.Merge.Bucket = 65 }},
		{"merge.liars", func(m *Manifest) { m.Merge.Liars = 4097 }},
		{"merge.optimizer", func(m *Manifest) { m.Merge.Optimizer = "" }},
		{"merge.second", func(m *Manifest) { m.Merge.Second = 1 << 16 }},
		{"merge.floor_exp", func(m *Manifest) { m.Merge.FloorExp = 1 }},
		{"merge.floor_exp", func(m *Manifest) { m.Merge.FloorExp = -37 }},
		{"merge.rate", func(m *Manifest) { m.Merge.Rate = 0 }},
		{"merge.momentum", func(m *Manifest) { m.Merge.Momentum = 1 << 16 }},
		{"merge.step_bits", func(m *Manifest) { m.Merge.StepBits = 25 }},
		{"merge.refuse", func(m *Manifest) { m.Merge.Refuse = 0 }},
		{"merge.max_samples", func(m *Manifest) { m.Merge.MaxSamples = 1 }},
		{"score.rows", func(m *Manifest) { m.Score.Rows = 0 }},
		{"score.held_out", func(m *Manifest) { m.Score.HeldOut = 0 }},
		{"score.threshold", func(m *Manifest) { m.Score.Threshold = 1<<16 + 1 }},
		{"score.window", func(m *Manifest) { m.Score.Window, m.Score.Project = 0, 0 }},
		{"score.project", func(m *Manifest) { m.Score.Project = 9; m.Score.Window = 9 }},
		{"score.project", func(m *Manifest) { m.Score.Window = 2 }},
		{"score.overlap", func(m *Manifest) { m.Score.Overlap = 0 }},
		{"score.audit", func(m *Manifest) { m.Score.Audit = 1e5 }},
		{"score.examine", func(m *Manifest) { m.Score.Examine = 1e5 }},
		{"score.work_gate", func(m *Manifest) { m.Score.WorkGate = -1 << 19 }},
		{"score.work_min", func(m *Manifest) { m.Score.WorkMin = 0 }},
		{"timing.train", func(m *Manifest) { m.Timing.Train = 0 }},
		{"timing.phase", func(m *Manifest) { m.Timing.Phase = -Second }},
		{"timing.grace", func(m *Manifest) { m.Timing.Grace = 3601 * Second }},
		{"members.min_workers", func(m *Manifest) { m.Members.MinWorkers = 0 }},
		{"members.min_validators", func(m *Manifest) { m.Members.MinValidators = 0 }},
		{"members.max_members", func(m *Manifest) { m.Members.MaxMembers = MaxListLen + 1 }},
		{"members.genesis", func(m *Manifest) { m.Members.Genesis, m.Members.InvitedStake = nil, 0 }},
		{"members.genesis", func(m *Manifest) {
			m.Members.MaxMembers, m.Members.Genesis = 2, []Stake{{Node: NodeID{1}, Stake: 1}, {Node: NodeID{2}, Stake: 1}, {Node: NodeID{3}, Stake: 1}}
		}},
		{"members.fraction", func(m *Manifest) { m.Members.Fraction = 1<<16 + 1 }},
		{"members.invitation", func(m *Manifest) { m.Members.Invitation = m.Owner }},
		{"members.genesis[1]", func(m *Manifest) { m.Members.Genesis[1].Node = NodeID{6} }},
		{"members.genesis[0]", func(m *Manifest) { m.Members.Genesis[0].Stake = 0 }},
		{"members.genesis[1]", func(m *Manifest) { m.Members.Genesis[1].Stake = math.MaxUint64 }},
		{"members.invited_stake", func(m *Manifest) { m.Members.InvitedStake = math.MaxInt64 }},
		{"members.open_workers", func(m *Manifest) { m.Members.OpenWorkers, m.Members.Invitation = false, NodeID{} }},
		{"economy.tempo", func(m *Manifest) { m.Economy.Tempo = 0 }},
		{"economy.cap", func(m *Manifest) { m.Economy.Cap, m.Economy.Emission = 0, 0 }},
		{"economy.cap", func(m *Manifest) { m.Economy.Cap, m.Economy.Emission = 1e9, 1 }},
		{"economy.emission", func(m *Manifest) { m.Economy.Emission = m.Economy.Cap + 1 }},
		{"economy.emission", func(m *Manifest) { m.Economy.Ledger = LedgerVolunteer }},
		{"economy.ledger", func(m *Manifest) { m.Economy.Ledger = "" }},
		{"economy.ledger", func(m *Manifest) { m.Economy.Ledger = "Volunteer" }},
	} {
		m := testManifest()
		c.change(&m)
		if got := fields(t, m.Validate()); !slices.Contains(got, c.field) {
			t.Errorf("a fault of %s is reported as one of %v", c.field, got)
		}
	}
}

func TestLargestBatches(t *testing.T) {
	m := testManifest()
	m.Train.Rows, m.Score.Rows, m.Score.HeldOut = MaxBatch/64, MaxBatch/64, MaxBatch/64
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
}

// Volunteers need stakes and epochs as others do, and no emission.
func TestManifestOfVolunteers(t *testing.T) {
	m := testManifest()
	if !m.Economy.Pays() {
		t.Error("a run with emission pays nobody")
	}
	m.Economy.Ledger, m.Economy.Emission = LedgerVolunteer, 0
	if err := m.Validate(); err != nil || m.Economy.Pays() {
		t.Errorf("pays: %v, fault: %v", m.Economy.Pays(), err)
	}
	for field, change := range map[string]func(*Manifest){
		"economy.cap":      func(m *Manifest) { m.Economy.Cap = 1 },
		"economy.tempo":    func(m *Manifest) { m.Economy.Tempo = 0 },
		"economy.emission": func(m *Manifest) { m.Economy.Emission = 1 },
	} {
		bad := m
		change(&bad)
		if got := fields(t, bad.Validate()); !slices.Equal(got, []string{field}) {
			t.Errorf("a fault of %s is reported as one of %v", field, got)
		}
	}
}

// TestRecords: a corpus of examples has rows of one record each.
func TestRecords(t *testing.T) {
	m := testManifest()
	m.Data = Data{Mode: "assigned", Tokenizer: TokenRecords, Width: 785, Index: Digest{4}, Bytes: 1 << 24, Piece: 785 * 64, HeldOut: Q16(0.02)}
	m.Train.Steps = 1
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		field  string
		change func(*Manifest)
	}{
		"a vocabulary":    {"data.vocabulary", func(m *Manifest) { m.Data.Vocabulary = Digest{9} }},
		"no value":        {"data.width", func(m *Manifest) { m.Data.Width = 1 }},
		"a long record":   {"data.width", func(m *Manifest) { m.Data.Width, m.Data.Piece = MaxRecord+1, MaxRecord+1 }},
		"part of one":     {"data.piece", func(m *Manifest) { m.Data.Piece++ }},
		"a piece of one":  {"data.piece", func(m *Manifest) { m.Data.Piece = 785 }},
		"several a row":   {"train.steps", func(m *Manifest) { m.Train.Steps = 2 }},
		"too many a step": {"train.rows", func(m *Manifest) { m.Train.Rows = MaxBatch + 1 }},
	} {
		bad := m
		c.change(&bad)
		if got := fields(t, bad.Validate()); !slices.Contains(got, c.field) {
			t.Errorf("%s: faults of %v, want one of %s", name, got, c.field)
		}
	}
}

// Private data is measured on in pieces that need not hold a round's work, is never
// examined, and may weigh updates by samples.
func TestManifestOfPrivateData(t *testing.T) {
	m := testManifest()
	m.Data.Mode, m.Score.Examine, m.Data.Piece = DataPrivate, 0, 2*65
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	m.Merge = Merge{Rule: "mean", Optimizer: "sgd", Rate: Q16(1), StepBits: 8, Refuse: 4, MaxSamples: 1 << 31}
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		field  string
		change func(*Manifest)
	}{
		"examined":        {"score.examine", func(m *Manifest) { m.Score.Examine = 1 }},
		"a short piece":   {"data.piece", func(m *Manifest) { m.Data.Piece = 2 * 64 }},
		"assigned":        {"merge.max_samples", func(m *Manifest) { m.Data.Mode, m.Data.Piece = DataAssigned, 1<<16 }},
		"another rule":    {"merge.max_samples", func(m *Manifest) { m.Merge.Rule = "median" }},
		"mixed":           {"merge.max_samples", func(m *Manifest) { m.Merge.Mix, m.Merge.Liars = true, 1 }},
		"in buckets":      {"merge.max_samples", func(m *Manifest) { m.Merge.Bucket = 2 }},
		"of senders only": {"merge.max_samples", func(m *Manifest) { m.Merge.Senders = true }},
	} {
		bad := m
		c.change(&bad)
		if got := fields(t, bad.Validate()); !slices.Equal(got, []string{c.field}) {
			t.Errorf("%s: faults of %v, want one of %s", name, got, c.field)
		}
	}
}

func TestManifestReportsAllFaultsAtOnce(t *testing.T) {
	m := testManifest()
	m.Name, m.Model.Config, m.Data.Mode, m.Train.Rate, m.Update.Codec = "", "", "", 0, ""
	m.Merge.Rule, m.Score.WorkMin, m.Timing.Grace, m.Members.MinWorkers, m.Economy.Tempo = "", 0, 0, 0, 0
	want := []string{
		"name", "model.config", "data.mode", "train.rate", "update.codec",
		"merge.rule", "score.work_min", "timing.grace", "members.min_workers", "economy.tempo",
	}
	err := m.Validate()
	if got := fields(t, err); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var fe *FieldError
	if !errors.As(err, &fe) || fe.Field != "name" {
		t.Errorf("the first fault is no FieldError of the name: %v", fe)
	}
	if err := (Manifest{}).Validate(); len(fields(t, err)) < 30 {
		t.Errorf("the zero manifest has only these faults: %v", err)
	}
}

func TestManifestID(t *testing.T) {
	m := testManifest()
	if testManifest().ID() != m.ID() {
		t.Error("equal manifests have different ids")
	}
	m.Members.Genesis[1].Stake++
	if testManifest().ID() == m.ID() {
		t.Error("different manifests have the same id")
	}
	m = testManifest()
	m.Members.Genesis = nil
	n := testManifest()
	n.Members.Genesis = []Stake{}
	if m.ID() != n.ID() {
		t.Error("no list and an empty one must be the same")
	}
	n.Train.Only = nil
	if m.ID() == n.ID() {
		t.Error("manifests that train other tensors have the same id")
	}
	m.Train.Schedule, n.Train.Only, n.Train.Schedule = "linear", m.Train.Only, "cosine"
	if m.ID() == n.ID() {
		t.Error("manifests with other schedules have the same id")
	}
}
