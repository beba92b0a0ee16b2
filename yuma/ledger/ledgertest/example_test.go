package ledgertest_test

import (
	"testing"

	"lode/yuma/ledger"
	"lode/yuma/ledger/ledgertest"
)

// An implementation calls Run from a test of its own.
func Example() {
	_ = func(t *testing.T) {
		ledgertest.Run(t, ledgertest.Subject{
			New: func(places int, genesis []ledger.Grant) (ledgertest.Ledger, error) {
				return ledger.NewVolunteer(places, genesis)
			},
			Restore: func(snapshot []byte) (ledgertest.Ledger, error) {
				return ledger.RestoreVolunteer(snapshot)
			},
		})
	}
}
