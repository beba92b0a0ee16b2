package study

// This file holds the rules of a simulator.

import "fmt"

// Rule names a variant.
type Rule uint8

// The variants; the package's text has their formulas.
const (
	Yuma1 Rule = iota
	Yuma2
	Yuma2B
	Yuma2C
	Yuma3
)

var ruleNames = []string{"yuma1", "yuma2", "yuma2b", "yuma2c", "yuma3"}

// String returns the name that ParseRule reads.
func (r Rule) String() string {
	if int(r) < len(ruleNames) {
		return ruleNames[r]
	}
	return fmt.Sprintf("rule %d", uint8(r))
}

// ParseRule returns the rule of a name, such as yuma2b.
func ParseRule(name string) (Rule, error) {
	for i, n := range ruleNames {
		if n == name {
			return Rule(i), nil
		}
	}
	return 0, fmt.Errorf("study: no rule %q", name)
}

// Params are the rules of a [Simulator]; every number but Steepness lies in [0, 1].
type Params struct {
	Rule         Rule
	Kappa        float64 // share of stake that must be passed
	BondsPenalty float64 // how far bonds follow the clipped weight; not for 2C and 3
	Take         float64 // what a bond takes over in one epoch: 1 − moving average
	// Liquid replaces Take by a value per pair between AlphaLow and AlphaHigh.
	Liquid                         bool
	AlphaLow, AlphaHigh, Steepness float64
	Purchase, Decay                float64 // of Yuma 2C
}

// DefaultParams returns a rule as the published charts have it.
func DefaultParams(r Rule) Params {
	p := Params{Rule: r, Kappa: 0.5, BondsPenalty: 1, Take: 0.1, AlphaLow: 0.1, AlphaHigh: 0.3, Steepness: 10, Purchase: 0.1, Decay: 0.1}
	if r == Yuma3 {
		p.Take = 0.025
	}
	return p
}

// Check reports the first parameter out of range.
func (p Params) Check() error {
	if int(p.Rule) >= len(ruleNames) {
		return fmt.Errorf("study: no %v", p.Rule)
	}
	for _, x := range []struct {
		name  string
		value float64
	}{
		{"kappa", p.Kappa},
		{"bonds penalty", p.BondsPenalty},
		{"take", p.Take},
		{"alpha low", p.AlphaLow},
		{"alpha high", p.AlphaHigh},
		{"purchase", p.Purchase},
		{"decay", p.Decay},
	} {
		if !(x.value >= 0 && x.value <= 1) {
			return fmt.Errorf("study: %s %v is not in [0, 1]", x.name, x.value)
		}
	}
	if p.AlphaLow > p.AlphaHigh {
		return fmt.Errorf("study: alpha low %v exceeds alpha high %v", p.AlphaLow, p.AlphaHigh)
	}
	return nil
}
