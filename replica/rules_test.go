package replica_test

import (
	"errors"
	"math"
	"testing"

	"lode/protocol"
	"lode/replica"
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
