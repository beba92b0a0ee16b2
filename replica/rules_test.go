package replica_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"lode/aggregation"
	"lode/data"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

func TestRules(t *testing.T) {
	r := rulesOf(t)
	if k0, k1 := r.Codec(0).K, r.Codec(1).K; k0 != 1024 || k1 != 512 {
		t.Errorf("kept values: %d in the first round, then %d", k0, k1)
	}
	thin := rulesOf(t, func(m *protocol.Manifest) { m.Merge.StepKeep = 3000 })
	if k0, k1 := thin.Merge(0).StepKeep, thin.Merge(1).StepKeep; k0 != tensor.ChunkLen || k1 != 3000 {
		t.Errorf("values a step moves: %d in the first round, then %d", k0, k1)
	}
	if a, b := r.Merge(0).Seed, r.Merge(1).Seed; a == b {
		t.Error("two rounds deal the same buckets")
	}
	// Warmup is 3 rounds: a quarter, a half, three quarters, and the whole of 0.1.
	for n, want := range []float64{0.025, 0.05, 0.075, 0.1, 0.1} {
		if got := float64(r.Hyper(protocol.Round(n)).Rate); math.Abs(got-want) > 1e-8 {
			t.Errorf("round %d: rate %g, want %g", n, got, want)
		}
	}
	falls := rulesOf(t, func(m *protocol.Manifest) {
		m.Train.Schedule, m.Train.Rounds, m.Train.FinalRate, m.Train.DecayShare = engine.WSD, 13, protocol.Q16(0.25), protocol.Q16(0.5)
	})
	// It stays to round 6 and falls over 7 more.
	for n, want := range map[protocol.Round]float64{0: 0.025, 5: 0.1, 6: 0.1, 7: 0.1 - 0.075/7, 13: 0.025, 1 << 63: 0.025} {
		if got := float64(falls.Hyper(n).Rate); math.Abs(got-want) > 1e-8 {
			t.Errorf("wsd, round %d: rate %g, want %g", n, got, want)
		}
	}
	if muon := rulesOf(t, func(m *protocol.Manifest) { m.Train.Optimizer = protocol.Muon }); r.Hyper(0).Muon || !muon.Hyper(0).Muon {
		t.Error("the optimizer is not what the manifest says")
	}
	if m := modelOf(t, r); m.Next != 0 || len(m.Params) != r.Layout.Len() || len(m.Outer) != 1 || len(modelOf(t, rulesOf(t, plain)).Outer) != 0 {
		t.Error("the first model is not what the rules say")
	}
	if !sameBits(modelOf(t, r).Params, modelOf(t, r).Params) || sameBits(modelOf(t, r).Params, modelOf(t, rulesOf(t, func(m *protocol.Manifest) { m.Seed[0]++ })).Params) {
		t.Error("initial parameters do not follow from the seed")
	}
}

func TestRulesRefuse(t *testing.T) {
	man := manifest()
	man.Name = ""
	var field *protocol.FieldError
	if _, err := replica.NewRules(man); !errors.As(err, &field) || field.Field != "name" {
		t.Errorf("got %v", err)
	}
}

// The patterns of train.only say what is frozen; one that is of no tensor is a
// fault of its own.
func TestFrozen(t *testing.T) {
	if rulesOf(t).Frozen != nil {
		t.Error("something is frozen without a pattern")
	}
	r := rulesOf(t, func(m *protocol.Manifest) { m.Train.Only = []string{"*norm.weight", "*.mlp.*", "model.norm.*"} })
	if len(r.Frozen) != r.Layout.NumTensors() {
		t.Fatalf("%d of %d tensors", len(r.Frozen), r.Layout.NumTensors())
	}
	for i, frozen := range r.Frozen {
		name := r.Layout.Spec(i).Name
		want := !strings.Contains(name, "norm") && !strings.Contains(name, ".mlp.")
		if frozen != want || (r.Layout.Spec(i).Kind == tensor.Frozen) != want {
			t.Errorf("%s is frozen: %v", name, frozen)
		}
	}
	man := manifest()
	man.Train.Only = []string{"*.mlp.*", "mlp", "lm_head", "*"}
	_, err := replica.NewRules(man)
	var field *protocol.FieldError
	if !errors.As(err, &field) || field.Field != "train.only[1]" || !strings.Contains(err.Error(), "train.only[2]") || strings.Contains(err.Error(), "[0]") || strings.Contains(err.Error(), "[3]") {
		t.Errorf("got %v", err)
	}
}

// The patterns of train.no_decay say what does not decay.
func TestNoDecay(t *testing.T) {
	if rulesOf(t).NoDecay != nil {
		t.Error("something does not decay without a pattern")
	}
	r := rulesOf(t, func(m *protocol.Manifest) { m.Train.NoDecay = []string{"*embed*", "*.down_proj.*"} })
	for i, is := range r.NoDecay {
		name := r.Layout.Spec(i).Name
		if want := strings.Contains(name, "embed") || strings.Contains(name, "down_proj"); is != want {
			t.Errorf("%s does not decay: %v", name, is)
		}
	}
	man := manifest()
	man.Train.NoDecay = []string{"bias"}
	_, err := replica.NewRules(man)
	var field *protocol.FieldError
	if !errors.As(err, &field) || field.Field != "train.no_decay[0]" {
		t.Errorf("got %v", err)
	}
}

// Every schedule that the manifest takes is one of the engine's.
func TestSchedules(t *testing.T) {
	for _, shape := range []string{engine.Constant, engine.Linear, engine.Cosine, engine.WSD} {
		r := rulesOf(t, func(m *protocol.Manifest) {
			m.Train.Schedule = shape
			if shape != engine.Constant {
				m.Train.Rounds, m.Train.FinalRate = 50, protocol.Q16(0.1)
			}
			if shape == engine.WSD {
				m.Train.DecayShare = protocol.Q16(0.2)
			}
		})
		if err := r.Schedule().Validate(); err != nil || r.Schedule().Shape != shape {
			t.Errorf("%s: %v", shape, err)
		}
	}
}

// An engine of another model, or one that trains other tensors, is not used.
func TestFit(t *testing.T) {
	all := rulesOf(t)
	part := rulesOf(t, func(m *protocol.Manifest) { m.Train.Only = []string{"*norm.weight"} })
	larger := rulesOf(t, func(m *protocol.Manifest) {
		wide := all.Model.(model.Llama)
		wide.FFN++
		m.Model.Config = string(wide.Config())
	})
	for i, of := range []*replica.Rules{all, part, larger} {
		e, err := cpu.New(of.Model, cpu.Options{Frozen: of.Frozen})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		for k, r := range []*replica.Rules{all, part, larger} {
			if err := r.Fit(e); (err == nil) != (i == k) {
				t.Errorf("rules %d, engine %d: %v", k, i, err)
			}
		}
	}
}

// Every rule and optimizer of the manifest is one of the merge's, and the other
// way round; a rule that too few workers would meet is refused.
func TestMergeRules(t *testing.T) {
	for _, rule := range aggregation.Rules() {
		for _, optimizer := range aggregation.Optimizers() {
			man := manifest()
			man.Members.MinWorkers = 7
			g := &man.Merge
			g.Rule, g.Optimizer, g.Momentum = rule, optimizer, 0
			switch rule {
			case aggregation.TrimmedMean, aggregation.Krum, aggregation.MultiKrum, aggregation.Bulyan:
				g.Liars = 1
			}
			if optimizer != aggregation.SGD {
				g.Momentum = protocol.Q16(0.9)
			}
			switch optimizer {
			case aggregation.FedAdam, aggregation.FedYogi:
				g.Second, g.FloorExp = protocol.Q16(0.99), -10
			case aggregation.FedAdagrad:
				g.FloorExp = -10
			}
			r, err := replica.NewRules(man)
			if err != nil {
				t.Errorf("%s, %s: %v", rule, optimizer, err)
				continue
			}
			if got := r.Merge(3); got.Rule != rule || got.Optimizer != optimizer || got.Liars != int(g.Liars) || got.FloorExp != int(g.FloorExp) {
				t.Errorf("%s, %s became %+v", rule, optimizer, got)
			}
			man.Members.MinWorkers = 2
			if _, err := replica.NewRules(man); (err != nil) != (g.Liars > 0) {
				t.Errorf("%s with %d liars among 2 workers: %v", rule, g.Liars, err)
			}
		}
	}
	for share, fits := range map[float64]bool{0: true, 1: true, 0.1: false} { // of 7 workers, of whom krum needs 5 and more
		man := manifest()
		man.Members.MinWorkers, man.Members.Fraction = 7, protocol.Q16(share)
		man.Merge.Rule, man.Merge.Liars = aggregation.Krum, 1
		if _, err := replica.NewRules(man); (err == nil) != fits || !fits && !strings.Contains(err.Error(), "members.fraction") {
			t.Errorf("krum among a share of %v of 7 workers: %v", share, err)
		}
	}
	if _, err := replica.NewRules(func() protocol.Manifest {
		man := manifest()
		man.Merge.Rule, man.Merge.Senders = aggregation.GeometricMedian, true
		return man
	}()); !errors.Is(err, gradient.ErrParams) {
		t.Errorf("a rule that looks at whole rows, of senders: got %v", err)
	}
}

// TestArchitecture: a manifest says a model in one way only, and one that takes what
// the run deals out.
func TestArchitecture(t *testing.T) {
	plain := rulesOf(t).Model.(model.Llama)
	for name, c := range map[string]struct {
		config string
		field  string
		says   string
	}{
		"no JSON":       {"llama", "", "model.config: config: "},
		"no family":     {"{}", "", `model_type is ""`},
		"other family":  {`{"model_type":"gpt2"}`, "", `model_type is "gpt2"`},
		"invalid":       {strings.Replace(string(plain.Config()), `"num_attention_heads": 2`, `"num_attention_heads": 3`, 1), "", "must be an even multiple of 3 heads"},
		"other order":   {" " + string(plain.Config()), "model.config", "is not as this program writes it"},
		"too short":     {strings.Replace(string(plain.Config()), `"max_position_embeddings": 16`, `"max_position_embeddings": 4`, 1), "train.steps", "longer than the model's context of 4"},
		"reads no text": {string(model.LeNet(28, 28, 10).Config()), "data.tokenizer", "a model of family cnn does not read"},
	} {
		man := manifest()
		man.Model.Config = c.config
		_, err := replica.NewRules(man)
		var field *protocol.FieldError
		if err == nil || !strings.Contains(err.Error(), c.says) || errors.As(err, &field) != (c.field != "") || c.field != "" && field.Field != c.field {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestRecordsSuit: a corpus of records is for a model that takes such examples.
func TestRecordsSuit(t *testing.T) {
	digits := model.LeNet(28, 28, 10)
	base := manifest()
	base.Data.Tokenizer, base.Data.Width, base.Data.Piece, base.Data.Bytes = protocol.TokenRecords, 785, 785*8, 785*80
	base.Train.Steps = 1
	for name, c := range map[string]struct {
		m      model.Model
		change func(*protocol.Manifest)
		field  string // "" suits
	}{
		"digits":            {digits, nil, ""},
		"flat digits":       {model.MLP{Input: []int{784}, Activation: model.ReLU, Classes: 256}, nil, ""},
		"smaller pictures":  {model.LeNet(27, 28, 10), nil, "data.width"},
		"too many classes":  {model.MLP{Input: []int{784}, Activation: model.ReLU, Classes: 257}, nil, "data.tokenizer"},
		"numbers":           {model.MLP{Input: []int{784}, Activation: model.ReLU, Outputs: 1}, nil, "data.tokenizer"},
		"text":              {model.Default(), nil, "data.tokenizer"},
		"pictures too many": {digits, func(m *protocol.Manifest) { m.Score.Rows = 90_000 }, "score.rows"},
	} {
		man := base
		if man.Model.Config = string(c.m.Config()); c.change != nil {
			c.change(&man)
		}
		r, err := replica.NewRules(man)
		var field *protocol.FieldError
		switch {
		case c.field != "":
			if !errors.As(err, &field) || field.Field != c.field {
				t.Errorf("%s: got %v, want a fault of %s", name, err, c.field)
			}
		case err != nil || string(r.Model.Config()) != man.Model.Config || r.Layout.NumTensors() == 0:
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// one is a source of one piece for all.
type one []byte

func (p one) Piece(context.Context, int) ([]byte, error) { return p, nil }

// TestRecordsBecomeExamples: the first byte of a record is its class, v stands for
// v/255.
func TestRecordsBecomeExamples(t *testing.T) {
	man := manifest()
	man.Model.Config = string(model.MLP{Input: []int{1, 3, 21}, Activation: model.ReLU, Classes: 200}.Config())
	man.Train.InnerSteps, man.Train.Rows, man.Train.Steps = 2, 3, 1
	piece := make(one, 64*5)
	for i := range 5 {
		piece[64*i] = byte(100 + i)
		for k := 1; k < 64; k++ {
			piece[64*i+k] = byte(51 * i)
		}
	}
	ix := &data.Index{Bytes: 64 * 5 * 4, Piece: 64 * 5, Width: 64, Digests: make([]protocol.Digest, 4)}
	man.Data = protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenRecords, Width: 64, Index: ix.Digest(), Bytes: ix.Bytes, Piece: 64 * 5, HeldOut: protocol.Q16(0.25)}
	r, err := replica.NewRules(man)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := data.NewPlan(ix, man.Data, man.Train)
	if err != nil {
		t.Fatal(err)
	}
	num := 0
	check := func(b engine.Batch, err error) {
		if err == nil {
			err = b.Validate(r.Model.Takes())
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, class := range b.Targets.IDs {
			for _, v := range b.Inputs.Reals[i*63 : (i+1)*63] {
				if class < 100 || class > 104 || v != float32(class-100)/5 {
					t.Fatalf("an example of class %d has value %v", class, v)
				}
			}
			num++
		}
	}
	deals := r.Assigned(plan, piece)
	for b, err := range deals.Batches(t.Context(), 0, protocol.Digest{1}, 1, 0) {
		check(b, err)
	}
	check(deals.Sample(t.Context(), protocol.Digest{2}, 7))
	check(deals.HeldOut(t.Context(), protocol.Digest{3}, 7))
	check(deals.Examine(t.Context(), protocol.Digest{1}, 1, 0, protocol.Digest{4}, 5))
	if num != 2*3+7+7+5 {
		t.Errorf("%d examples", num)
	}
}

// TestOwnModelsSuit: a model of a user's own may take anything; a run deals out rows of
// tokens, or reals with a class.
func TestOwnModelsSuit(t *testing.T) {
	text := engine.Port{Shape: []int{64}, Series: true, Limit: 256}
	few := engine.Port{Shape: []int{64}, Series: true, Limit: 255}
	records := func(m *protocol.Manifest) {
		m.Data.Tokenizer, m.Data.Width, m.Data.Piece, m.Data.Bytes, m.Train.Steps = protocol.TokenRecords, 65, 65*8, 65*80, 1
	}
	for name, c := range map[string]struct {
		inputs, targets engine.Port
		change          func(*protocol.Manifest)
		field           string // "" suits
	}{
		"text":            {text, text, nil, ""},
		"examples":        {engine.Port{Shape: []int{64}}, engine.Port{Limit: 10}, records, ""},
		"ids of examples": {engine.Port{Shape: []int{64}, Limit: 9}, engine.Port{Limit: 10}, records, "data.tokenizer"},
		"many classes":    {engine.Port{Shape: []int{64}}, engine.Port{Shape: []int{7}, Limit: 10}, records, "data.tokenizer"},
		"one class":       {text, engine.Port{Limit: 256}, nil, "model.config"},
		"few tokens":      {few, few, nil, "model.config"},
		"real text":       {engine.Port{Shape: []int{64}, Series: true}, text, nil, "model.config"},
		"deaf":            {text, engine.Port{Shape: []int{64}, Series: true, Limit: 255}, nil, "model.config"},
		"short targets":   {text, engine.Port{Shape: []int{2}, Series: true, Limit: 256}, nil, "train.steps"},
	} {
		man := manifest()
		if c.change != nil {
			c.change(&man)
		}
		m := model.Custom{
			Factory: "m:f", Source: strings.Repeat("0", 64), Inputs: c.inputs, Targets: c.targets,
			Tensors: []model.CustomTensor{{Name: "w", Shape: []int{4}}},
		}
		err := errors.Join(m.Validate(), replica.Suits(m, man))
		var field *protocol.FieldError
		if c.field == "" && err != nil || c.field != "" && (!errors.As(err, &field) || field.Field != c.field) {
			t.Errorf("%s: got %v, want a fault of %q", name, err, c.field)
		}
	}
}
