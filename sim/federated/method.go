package federated

// This file holds the methods: what the server and the clients do differently.

import (
	"fmt"
	"math"
	"slices"

	"lode/aggregation"
	"lode/gradient"
)

// Method is how updates are merged, and what clients add to their loss.
type Method struct {
	Proximal float64            // µ: clients add µ/2·‖w − θ‖² to their loss
	Merge    aggregation.Config // of float32 updates; its MaxWorkers is not asked
}

// methods are the published ones, with what their papers' experiments found good.
var methods = []struct {
	name string
	set  func(*Method)
}{
	{"fedavg", func(*Method) {}},
	{"fedprox", func(m *Method) { m.Proximal = 0.1 }},
	{"fedavgm", func(m *Method) { m.Merge.Optimizer, m.Merge.Momentum = aggregation.FedAvgM, 9*aggregation.One/10 }},
	{"fedadam", func(m *Method) { m.adaptive(aggregation.FedAdam, 99*aggregation.One/100) }},
	{"fedyogi", func(m *Method) { m.adaptive(aggregation.FedYogi, 99*aggregation.One/100) }},
	{"fedadagrad", func(m *Method) {
		m.adaptive(aggregation.FedAdagrad, 0)
		m.Merge.Momentum = 0
	}},
}

// Methods returns the names of all methods.
func Methods() []string {
	names := make([]string, len(methods))
	for i, m := range methods {
		names[i] = m.name
	}
	return names
}

// Named returns a method with its usual settings: µ = 0.1 for fedprox; momentum 0.9
// for fedavgm; β1 = 0.9, β2 = 0.99, τ = 2⁻¹⁰ and rate 0.03 for fedadam and fedyogi, the
// same without β1 and β2 for fedadagrad; server rate 1 for the others. All samples
// count.
func Named(name string) (Method, error) {
	i := slices.IndexFunc(methods, func(m struct {
		name string
		set  func(*Method)
	},
	) bool {
		return m.name == name
	})
	if i < 0 {
		return Method{}, fmt.Errorf("federated: no method %q; there are %q", name, Methods())
	}
	m := Method{Merge: aggregation.DefaultConfig(gradient.Params{Codec: gradient.Dense, Bits: 32, EMin: -40, EMax: -4})}
	m.Merge.StepBits = 24
	m.Merge.MaxSamples = math.MaxUint32
	methods[i].set(&m)
	return m, nil
}

// adaptive sets what Reddi et al. find good across tasks (section 5 and appendix D).
func (m *Method) adaptive(optimizer string, second uint32) {
	m.Merge.Optimizer, m.Merge.Second = optimizer, second
	m.Merge.Momentum, m.Merge.FloorExp = 9*aggregation.One/10, -10
	m.Merge.Rate = 3 * aggregation.One / 100
}
