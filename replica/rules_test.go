package replica_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"lode/engine/cpu"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

func TestRules(t *testing.T) {
	r := rulesOf(t)
	if k0, k1 := r.Codec(0).K, r.Codec(1).K; k0 != 1024 || k1 != 512 {
		t.Errorf("kept values: %d in the first round, then %d", k0, k1)
	}
	if r.Merge(0).Optimizer != "nesterov" || rulesOf(t, plain).Merge(0).Optimizer != "sgd" {
		t.Error("momentum does not choose the optimizer")
	}
	// Warmup is 3 rounds: a quarter, a half, three quarters, and the whole of 0.1.
	for n, want := range []float64{0.025, 0.05, 0.075, 0.1, 0.1} {
		if got := float64(r.Hyper(protocol.Round(n)).Rate); math.Abs(got-want) > 1e-8 {
			t.Errorf("round %d: rate %g, want %g", n, got, want)
		}
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

// An engine of another model, or one that trains other tensors, is not used.
func TestFit(t *testing.T) {
	all := rulesOf(t)
	part := rulesOf(t, func(m *protocol.Manifest) { m.Train.Only = []string{"*norm.weight"} })
	larger := rulesOf(t, func(m *protocol.Manifest) { m.Model.FFN++ })
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
