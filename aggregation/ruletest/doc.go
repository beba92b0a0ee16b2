// Package ruletest checks that merge rules keep what they promise. It is for
// tests.
//
// [Conform] holds a configuration to what every rule promises and to the promises
// that are its own; [Withstand] lets liars send what they like and asks a bound
// whether the result is still where the rule says it stays. Both go through
// [aggregation.Combine], so that pre-steps are tested with the rule.
package ruletest
