package federated

// This file holds the methods: what the server and the clients do differently.

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"lode/aggregation"
	"lode/gradient"
)

// Method is how updates are merged, and what clients add to their loss.
// [ParseMethod] makes one, whose parts may be changed.
type Method struct {
	Proximal float64            // µ: clients add µ/2·‖w − θ‖² to their loss
	Merge    aggregation.Config // of updates in float32; MaxWorkers follows from the run
}

// published is a method as it was published.
type published struct {
	name      string
	optimizer string
	proximal  bool
	usual     float64 // number after the colon: µ if proximal, else the server's rate
	momentum  float64 // or β1
	second    float64 // β2
	floorExp  int     // of τ
}

var methods = []published{
	{name: "fedavg", optimizer: aggregation.SGD, usual: 1},
	{name: "fedprox", optimizer: aggregation.SGD, proximal: true, usual: 0.1},
	{name: "fedavgm", optimizer: aggregation.FedAvgM, usual: 1, momentum: 0.9},
	{name: "fedadam", optimizer: aggregation.FedAdam, usual: 0.01, momentum: 0.9, second: 0.99, floorExp: -10},
	{name: "fedyogi", optimizer: aggregation.FedYogi, usual: 0.01, momentum: 0.9, second: 0.99, floorExp: -10},
	{name: "fedadagrad", optimizer: aggregation.FedAdagrad, usual: 0.1, floorExp: -10},
}

// Methods says how methods are written, for people.
const Methods = `fedavg[:RATE]      the mean weighed by samples, times the server's rate, 1
fedprox[:MU]       the same; clients are held back by MU/2·‖w−θ‖², MU 0.1
fedavgm[:RATE]     the server keeps momentum of 0.9, rate 1
fedadam[:RATE]     the server steps as Adam does, β 0.9 and 0.99, τ 2⁻¹⁰, rate 0.01
fedyogi[:RATE]     as Yogi does, with the same settings
fedadagrad[:RATE]  as Adagrad does, τ 2⁻¹⁰, rate 0.1`

// ParseMethod reads a method as [Methods] says. All samples count.
func ParseMethod(s string) (Method, error) {
	name, number, has := strings.Cut(s, ":")
	i := slices.IndexFunc(methods, func(p published) bool { return p.name == name })
	if i < 0 {
		return Method{}, fmt.Errorf("federated: no method %.40q; there are %s", s, names())
	}
	p := methods[i]
	if has {
		var err error
		p.usual, err = strconv.ParseFloat(number, 64)
		if err != nil || !(p.usual >= 0 && p.usual <= maxNumber) {
			return Method{}, fmt.Errorf("federated: method %.40q: after the colon stands a number from 0 to %d", s, maxNumber)
		}
	}
	m := p.method()
	if err := m.Merge.Validate(); err != nil {
		return Method{}, fmt.Errorf("federated: method %.40q: %w", s, err)
	}
	return m, nil
}

// maxNumber bounds rates, by what package aggregation takes, and µ.
const maxNumber = 4

func (p published) method() Method {
	m := Method{Merge: aggregation.DefaultConfig(gradient.Params{Codec: gradient.Dense, Bits: 32, EMin: -40, EMax: -4})}
	m.Merge.StepBits = 24
	m.Merge.MaxSamples = math.MaxUint32
	m.Merge.Optimizer, m.Merge.Momentum, m.Merge.Second, m.Merge.FloorExp = p.optimizer, q16(p.momentum), q16(p.second), p.floorExp
	if p.proximal {
		m.Proximal = p.usual
	} else {
		m.Merge.Rate = q16(p.usual)
	}
	return m
}

func q16(x float64) uint32 { return uint32(math.RoundToEven(x * aggregation.One)) }

func names() string {
	all := make([]string, len(methods))
	for i, p := range methods {
		all[i] = p.name
	}
	return strings.Join(all, ", ")
}
