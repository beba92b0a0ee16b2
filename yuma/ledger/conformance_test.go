package ledger_test

// This file holds both ledgers to what every ledger must do.

import (
	"testing"

	"lode/yuma/ledger"
	"lode/yuma/ledger/ledgertest"
)

func TestMachineConforms(t *testing.T) {
	ledgertest.Run(t, ledgertest.Subject{
		New: func(places int, genesis []ledger.Grant) (ledgertest.Ledger, error) {
			p := ledger.DefaultParams(ledgertest.Owner)
			p.MaxNeurons = places
			return ledger.New(p, genesis)
		},
		Restore: func(snapshot []byte) (ledgertest.Ledger, error) { return ledger.Restore(snapshot) },
	})
}

func TestVolunteerConforms(t *testing.T) {
	ledgertest.Run(t, ledgertest.Subject{
		New: func(places int, genesis []ledger.Grant) (ledgertest.Ledger, error) {
			return ledger.NewVolunteer(places, genesis)
		},
		Restore: func(snapshot []byte) (ledgertest.Ledger, error) { return ledger.RestoreVolunteer(snapshot) },
	})
}
