// Package ruletest checks that a merge rule keeps what every rule promises. It
// is for tests; it does not judge how well a rule withstands liars.
//
// [Conform] is called with the rule under test, from that rule's own tests.
package ruletest
