package main

// This file holds the rules: how updates are merged.

import (
	"slices"

	"lode/aggregation"
)

// rule is how updates are merged.
type rule struct {
	name string
	core bool // one of those that the bars are for
	gate gate
	set  func(c *aggregation.Config, liars int)
}

var rules = []rule{
	{name: "default", core: true, gate: scored(0.1), set: plainMean},
	{name: "gate above 0, clip, mean", core: true, gate: scored(0), set: plainMean},
	{name: "mixing, trimmed mean", core: true, set: mixed},
	{name: "norms, mixing, trimmed mean", core: true, gate: normed(), set: mixed},
	{name: "mean", set: plainMean},
	{name: "clip, mixing, trimmed mean", set: func(c *aggregation.Config, f int) {
		mixed(c, f)
		c.ClipNorms = true
	}},
	{name: "clip, mean", set: func(c *aggregation.Config, _ int) { c.ClipNorms = true }},
	{name: "trimmed mean", set: func(c *aggregation.Config, f int) { c.Rule, c.Liars = aggregation.TrimmedMean, f }},
	{name: "median", set: func(c *aggregation.Config, _ int) { c.Rule = aggregation.Median }},
	{name: "sign majority", set: func(c *aggregation.Config, _ int) { c.Rule = aggregation.SignMajority }},
	{name: "krum", set: func(c *aggregation.Config, f int) { c.Rule, c.Liars = aggregation.Krum, f }},
	{name: "multi-krum", set: func(c *aggregation.Config, f int) { c.Rule, c.Liars = aggregation.MultiKrum, f }},
	{name: "bulyan", set: func(c *aggregation.Config, f int) { c.Rule, c.Liars = aggregation.Bulyan, f }},
	{name: "geometric median", set: func(c *aggregation.Config, _ int) { c.Rule = aggregation.GeometricMedian }},
	{name: "centred clipping", set: func(c *aggregation.Config, _ int) { c.Rule = aggregation.CentredClipping }},
}

func plainMean(*aggregation.Config, int) {}

func mixed(c *aggregation.Config, f int) {
	c.Mix, c.Rule, c.Liars = true, aggregation.TrimmedMean, f
}

// rulesOf returns the rules that are, or are not, core.
func rulesOf(core bool) []rule {
	var of []rule
	for _, r := range rules {
		if r.core == core {
			of = append(of, r)
		}
	}
	return of
}

// ruleNamed returns the rule of that name, which there is.
func ruleNamed(name string) rule {
	return rules[slices.IndexFunc(rules, func(r rule) bool { return r.name == name })]
}
