// Package ledgertest says what every ledger of a run must do, as a test that each
// implementation runs: money is neither made nor lost but where the totals say so,
// a refused operation changes nothing, the same operations give the same root, and
// a state that was saved and restored goes on as if nothing had happened. Whom an
// epoch pays, and how much, is each ledger's own matter.
//
// It is for tests only and holds no ledger of its own. [Run] is the only entry,
// [Subject] says what is tested. Amounts are in units of 10⁻⁹ coin. It keeps
// nothing it is given.
package ledgertest
