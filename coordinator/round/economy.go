package round

// This file holds where the round machine meets the ledger.

import (
	"fmt"

	"lode/protocol"
	"lode/yuma/ledger"
)

// Ledger is what a run needs of a ledger: its members' stakes, which weigh their
// votes, and what an epoch makes of their work. An operation that returns an error
// changed nothing. Package ledgertest holds every ledger to more than that.
type Ledger interface {
	Places
	Account(h ledger.Hotkey) (ledger.Grant, bool)
	// Epoch ends the epoch with round last.
	Epoch(last ledger.Round, rows []ledger.Row, active []ledger.Hotkey) (ledger.Report, error)
	Supply() ledger.Supply
	// Root is the digest of the whole state.
	Root() [32]byte
}

// Places are what members take part by.
type Places interface {
	// Register lets a member take part from a round on, with a stake that is
	// moved to it from the balance of from.
	Register(first ledger.Round, member ledger.Hotkey, role ledger.Role, stake ledger.Amount, from ledger.Hotkey) error
	// Replace is Register in the place of a worker, who no longer takes part.
	Replace(first ledger.Round, worker, member ledger.Hotkey, role ledger.Role, stake ledger.Amount, from ledger.Hotkey) error
}

// newLedger opens the ledger that the manifest names, with the manifest's stakes
// and a treasury that invited validators are staked from.
func newLedger(man protocol.Manifest) Ledger {
	var grants []ledger.Grant
	for _, g := range man.Members.Genesis {
		grants = append(grants, ledger.Grant{Hotkey: ledger.Hotkey(g.Node), Stake: ledger.Amount(g.Stake)})
	}
	if fund := ledger.Amount(man.Members.InvitedStake) * ledger.Amount(man.Members.MaxMembers); fund > 0 {
		grants = append(grants, ledger.Grant{Hotkey: ledger.Hotkey(Treasury(man.ID())), Balance: fund})
	}
	l, err := openLedger(man, grants)
	if err != nil {
		panic(fmt.Sprintf("round: a valid manifest makes no ledger: %v", err))
	}
	return l
}

func openLedger(man protocol.Manifest, grants []ledger.Grant) (Ledger, error) {
	places := int(man.Members.MaxMembers)
	if man.Economy.Ledger == protocol.LedgerVolunteer {
		return ledger.NewVolunteer(places, grants)
	}
	p := ledger.DefaultParams(ledger.Hotkey(man.Owner))
	p.Cap, p.Emission, p.MaxNeurons = ledger.Amount(man.Economy.Cap), ledger.Amount(man.Economy.Emission), places
	return ledger.New(p, grants)
}

// Treasury is the account that invited validators are staked from; nobody holds
// its key.
func Treasury(run protocol.RunID) protocol.NodeID {
	return protocol.NodeID(protocol.Hash("treasury", run[:]))
}

// enroll opens a member's place in the ledger from the first round it can be on
// the roster of: while workers train that is the present one, which is gathered
// anew if nobody commits. It is the place of the leaver, if there is one.
func (m *Machine) enroll(n protocol.NodeID, role protocol.Role, stake uint64, leaver *Member) error {
	first := ledger.Round(m.round.Number)
	if m.phase > Training {
		first++
	}
	as := ledger.Worker
	if role == protocol.Validator {
		as = ledger.Validator
	}
	from := ledger.Hotkey(Treasury(m.run))
	if leaver != nil {
		return m.ledger.Replace(first, ledger.Hotkey(leaver.Node), ledger.Hotkey(n), as, ledger.Amount(stake), from)
	}
	return m.ledger.Register(first, ledger.Hotkey(n), as, ledger.Amount(stake), from)
}

func (m *Machine) stakeOf(n protocol.NodeID) uint64 {
	g, _ := m.ledger.Account(ledger.Hotkey(n))
	return uint64(g.Stake)
}

// endEpoch pays for the rounds since the last epoch. Validators without an
// opinion this epoch do not vote.
func (m *Machine) endEpoch() *ledger.Report {
	var rows []ledger.Row
	var active []ledger.Hotkey
	for _, o := range m.board.Opinions(m.man.Score) {
		v := ledger.Hotkey(o.Validator)
		if len(rows) == 0 || rows[len(rows)-1].Validator != v {
			rows = append(rows, ledger.Row{Validator: v})
			active = append(active, v)
		}
		row := &rows[len(rows)-1]
		row.Scores = append(row.Scores, ledger.Score{Worker: ledger.Hotkey(o.Worker), Value: int64(o.Total)})
	}
	rep, err := m.ledger.Epoch(ledger.Round(m.round.Number), rows, active)
	if err != nil {
		panic(fmt.Sprintf("round: the ledger refuses a finished epoch: %v", err))
	}
	m.board.EndEpoch(m.man.Score)
	m.paid = rep.Lines
	return &rep
}

// Holding is what a node owns, for people.
type Holding struct {
	Node           protocol.NodeID
	Stake, Balance uint64 // units of 1e-9 coin
}

// Holding returns what a node owns.
func (m *Machine) Holding(n protocol.NodeID) Holding {
	g, _ := m.ledger.Account(ledger.Hotkey(n))
	return Holding{Node: n, Stake: uint64(g.Stake), Balance: uint64(g.Balance)}
}

// LastPay returns what the last epoch found of a node; ok is false if there was
// none or it had no part in it.
func (m *Machine) LastPay(n protocol.NodeID) (line ledger.Line, ok bool) {
	for _, l := range m.paid {
		if l.Hotkey == ledger.Hotkey(n) {
			return l, true
		}
	}
	return ledger.Line{}, false
}

// Supply returns the ledger's totals.
func (m *Machine) Supply() ledger.Supply { return m.ledger.Supply() }
