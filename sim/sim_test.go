package sim

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"lode/coordinator/round"
	"lode/data"
	"lode/engine/model"
	"lode/protocol"
	"lode/yuma/ledger"
)

// corpus is a text that is always there with the fixtures.
func corpus(t *testing.T) string {
	t.Helper()
	shared := os.Getenv("LODE_SHARED")
	if shared == "" {
		shared = "../../shared"
	}
	path := filepath.Join(shared, "data", "tinyshakespeare.txt")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("LODE_SHARED: %v", err)
	}
	return path
}

// options are those of a small run on a real text.
func options(t *testing.T) Options { return optionsOn(t, corpus(t)) }

func optionsOn(t *testing.T, path string) Options {
	t.Helper()
	c, err := data.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const piece = 16384
	ix, err := c.Index(t.Context(), piece, nil)
	if err != nil {
		t.Fatal(err)
	}
	src, err := data.NewLocal(c, ix)
	if err != nil {
		t.Fatal(err)
	}
	man := protocol.Manifest{
		Version: protocol.Version, Name: "sim", Seed: protocol.Digest{1}, Owner: NodeID("owner", 0),
		Model:   protocol.Model{Config: string(model.Llama{Dim: 48, Layers: 2, Heads: 4, KVHeads: 4, FFN: 128, Vocab: 256, Context: 64, Tied: true, RopeTheta: 1e4, NormEps: 1e-5}.Config())},
		Data:    protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Index: ix.Digest(), Bytes: ix.Bytes, Piece: piece, HeldOut: protocol.Q16(0.05)},
		Train:   protocol.Train{InnerSteps: 10, Rows: 8, Steps: 32, Optimizer: "adamw", Rate: 5e-3, Warmup: 5, Schedule: "constant", Beta1: 0.9, Beta2: 0.95, WeightDecay: 0.01, ClipNorm: 1},
		Update:  protocol.Update{Codec: "topk", Keep: 128, Bits: 2, Decay: protocol.Q16(0.95), MinExp: -40, MaxExp: -4, Boost: 1},
		Merge:   protocol.Merge{Rule: "mean", Optimizer: "sgd", Rate: protocol.Q16(1), StepBits: 8, Refuse: 4},
		Score:   protocol.Score{Rows: 32, HeldOut: 16, Threshold: protocol.Q16(0.1), Window: 4, Project: 3, Overlap: protocol.Q16(0.6), Audit: 1, Examine: 3, WorkGate: int32(protocol.Q16(0.65)), WorkMin: 3},
		Timing:  protocol.Timing{Train: 60 * protocol.Second, Phase: 30 * protocol.Second, Grace: protocol.Second},
		Members: protocol.Members{MaxMembers: 64, OpenWorkers: true},
		Economy: protocol.Economy{Ledger: protocol.LedgerYuma, Emission: 1e9, Cap: 21e15, Tempo: 5},
	}
	return Options{
		Manifest: man, Source: src, Index: ix, Dir: t.TempDir(), Validators: 2,
		Log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel),
	}
}

// Honest workers are accepted, paid alike, and the model learns.
func TestHonestRun(t *testing.T) {
	o := options(t)
	o.Conducts, o.Rounds = []string{"", "", ""}, 15
	o.Manifest.Score.WorkGate = -3 << 16 // none: it errs at times over so few rounds
	var first, last round.Summary
	o.Each = func(_ *round.Machine, s round.Summary) {
		if s.Round == 0 {
			first = s
		}
		last = s
	}
	m, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if fell := first.Before.Nats() - last.HeldOut.Nats(); fell < 2 {
		t.Errorf("loss fell by %.3f nats only, from %.3f to %.3f", fell, first.Before.Nats(), last.HeldOut.Nats())
	}
	for i := range o.Conducts {
		accepted, refused := m.Record(NodeID("worker", i))
		if accepted < 13 {
			t.Errorf("worker %d was accepted %d times and refused %d", i, accepted, refused)
		}
		if m.Holding(NodeID("worker", i)).Balance == 0 {
			t.Errorf("worker %d was paid nothing", i)
		}
	}
	if err := m.Ledger().Audit(); err != nil || m.Ledger().Network().Emitted == 0 {
		t.Errorf("ledger: %v, %d emitted", err, m.Ledger().Network().Emitted)
	}
}

// narrow is a smaller model than that of options.
var narrow = protocol.Model{Config: string(model.Llama{
	Dim: 32, Layers: 1, Heads: 4, KVHeads: 4, FFN: 64, Vocab: 256, Context: 64, Tied: true, RopeTheta: 1e4, NormEps: 1e-5,
}.Config())}

// Workers of one owner join at once, each with its own place, and he is paid for all.
func TestOneOwner(t *testing.T) {
	o := options(t)
	o.Manifest.Model = narrow
	o.Conducts, o.Rounds, o.Validators, o.Owner = []string{"", "", "", ""}, 10, 1, Key("owner of workers", 0)
	m, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	owner := ledger.Coldkey(NodeID("owner of workers", 0))
	for i := range o.Conducts {
		if h := m.Holding(NodeID("worker", i)); h.Owner != owner || h.Balance == 0 {
			t.Errorf("worker %d: %+v", i, h)
		}
		if a, _ := m.Ledger().Account(ledger.Coldkey(NodeID("worker", i))); a.Balance != 0 {
			t.Errorf("worker %d has %d itself", i, a.Balance)
		}
	}
}

// Cheating does not pay: noise and copies earn less than a fifth of honest work,
// idling less than half, inflation no more than the work in it.
func TestCheatingDoesNotPay(t *testing.T) {
	if testing.Short() {
		t.Skip("trains eight workers; left out with -short")
	}
	o := options(t)
	o.Conducts = []string{"", "", "", "", "noise", "freerider", "copycat", "inflate"}
	o.Rounds = 40
	m, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	pay := func(i int) float64 { return float64(m.Holding(NodeID("worker", i)).Balance) }
	honest := (pay(0) + pay(1) + pay(2) + pay(3)) / 4
	for i, most := range map[int]float64{4: 0.2, 5: 0.5, 6: 0.2, 7: 1.2} {
		share := pay(i) / honest
		accepted, refused := m.Record(NodeID("worker", i))
		t.Logf("%s earns %.3f of an honest worker (accepted %d, refused %d)", o.Conducts[i], share, accepted, refused)
		if share > most {
			t.Errorf("%s earns %.3f of an honest worker, at most %.1f is right", o.Conducts[i], share, most)
		}
	}
}
