package main

// This file holds what lode up says of the ledger at the end.

import (
	"math"
	"slices"
	"strings"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/yuma/ledger"
)

// ledgerSummary is where the run's coins are.
type ledgerSummary struct {
	Height     uint64             `json:"height"` // blocks, one a round
	Root       string             `json:"root"`
	Genesis    float64            `json:"genesis"` // coins, as all below
	Emitted    float64            `json:"emitted"`
	Burned     float64            `json:"burned"`
	Owed       float64            `json:"owed"` // at the next epoch
	Epochs     uint64             `json:"epochs"`
	Owner      float64            `json:"owner"`
	Validators []validatorSummary `json:"validators"`
}

type validatorSummary struct {
	ID       string  `json:"id"`
	Stake    float64 `json:"stake"`
	Balance  float64 `json:"balance"`
	Dividend float64 `json:"dividend"` // share of the last epoch's
}

func coins(a ledger.Amount) float64 { return float64(a) / coin }

func ledgerOf(m *round.Machine) ledgerSummary {
	l := m.Ledger()
	n := l.Network()
	r, _, _ := l.Run(round.Run)
	owner, _ := l.Account(r.Owner)
	s := ledgerSummary{
		Height: n.Height, Root: l.Root().String(),
		Genesis: coins(n.Genesis), Emitted: coins(n.Emitted), Burned: coins(n.Burned),
		Owed:   coins(r.OwedOwner + r.OwedServers + r.OwedValidators + r.OwedRoot),
		Epochs: r.Epochs, Owner: coins(owner.Balance), Validators: []validatorSummary{},
	}
	for _, x := range m.Members() {
		if x.Role != protocol.Validator {
			continue
		}
		held := m.Holding(x.Node)
		p, _ := m.Place(x.Node)
		s.Validators = append(s.Validators, validatorSummary{
			ID: x.Name, Stake: float64(held.Stake) / coin, Balance: float64(held.Balance) / coin, Dividend: float64(p.Dividends) / math.MaxUint16,
		})
	}
	slices.SortFunc(s.Validators, func(a, b validatorSummary) int { return strings.Compare(a.ID, b.ID) })
	return s
}

// money prints the ledger of a run that pays, and its stakes where nobody is paid.
func (s ledgerSummary) money(out *screen, pays bool) {
	if !pays {
		out.printf("%-14s %9s\n", "validator", "stake")
		for _, v := range s.Validators {
			out.printf("%-14s %9.2f\n", v.ID, v.Stake)
		}
		out.printf("\n")
		return
	}
	out.printf("%-14s %9s %9s %9s\n", "validator", "stake", "dividend", "coins")
	for _, v := range s.Validators {
		out.printf("%-14s %9.2f %8.1f%% %9.2f\n", v.ID, v.Stake, 100*v.Dividend, v.Balance)
	}
	out.printf("%-14s %9s %9s %9.2f\n", "owner", "", "", s.Owner)
	out.printf("%.2f coins minted in %d rounds and paid by %d epochs; %.2f wait for the next, %.2f are burned\n\n",
		s.Emitted, s.Height, s.Epochs, s.Owed, s.Burned)
}
