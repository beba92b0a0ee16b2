package round

// This file holds what anybody may ask of the ledger.

import (
	"errors"

	"lode/protocol"
	"lode/yuma/ledger"
)

// transact applies a transaction that anybody sent. Identities and places are given to
// who joins, and a validator's weights are what its sheets say.
func (m *Machine) transact(ev protocol.Transaction) error {
	t, body, err := read(ev.Tx)
	if err != nil {
		return err
	}
	if t.Signer == m.man.Members.Invitation {
		return protocol.Refuse(protocol.WrongRole, "the invitation's stakes come with joining")
	}
	var seat *Seat
	switch body := body.(type) {
	case ledger.Register, ledger.Identify:
		return protocol.Refuse(protocol.WrongRole, "a node and its place come with joining this run")
	case ledger.Propose:
		if err := mayPropose(body); err != nil {
			return err
		}
	case ledger.SetWeights:
		if seat, err = m.weighing(t.Signer, body); err != nil {
			return err
		}
	}
	if seat == nil && !m.within(t.Signer, len(ev.Tx)) {
		return protocol.Refuse(protocol.Full, "this round has transactions of %d bytes of %s, %d of all: wait for the next", m.asked[t.Signer], t.Signer.Short(), m.askedAll)
	}
	if _, err := m.ledger.Apply(t); err != nil {
		return unpaid(err)
	}
	if seat != nil {
		seat.Weighed = true
		return nil
	}
	m.asked[t.Signer] += len(ev.Tx)
	m.askedAll += len(ev.Tx)
	return nil
}

func read(b []byte) (t ledger.Tx, body ledger.Body, err error) {
	if t, err = ledger.DecodeTx(b); err == nil {
		body, err = t.Asks()
	}
	if err != nil {
		return t, nil, protocol.Refuse(protocol.Malformed, "%v", err)
	}
	return t, body, nil
}

// unpaid is the refusal of what the ledger refuses.
func unpaid(err error) error {
	switch {
	case errors.Is(err, ledger.ErrBusy):
		return protocol.Refuse(protocol.Busy, "%v", err)
	case errors.Is(err, ledger.ErrFull):
		return protocol.Refuse(protocol.Full, "%v", err)
	}
	return protocol.Refuse(protocol.NotApplied, "%v", err)
}

// quota is what one account, and all like it together, may ask of the ledger within a
// round, in bytes. It costs nothing, and joins and weights need the rest of the block.
type quota struct{ one, all int }

var (
	// trusted is the quota of who has something to lose or must be heard: validators,
	// their owners, and the coordinator with its evidence.
	trusted = quota{one: ledger.MaxTxLen, all: ledger.MaxBlockLen / 2}
	anybody = quota{one: 4 << 10, all: ledger.MaxBlockLen / 4}
)

// within reports whether an account may ask for so many bytes more in this round.
func (m *Machine) within(signer protocol.NodeID, n int) bool {
	q := m.quotaOf(signer)
	return m.asked[signer]+n <= q.one && m.askedAll+n <= q.all && m.fits(n)
}

func (m *Machine) quotaOf(signer protocol.NodeID) quota {
	if signer == m.man.Coordinator {
		return trusted
	}
	for i := range m.members {
		x := &m.members[i]
		if x.Role != protocol.Validator || x.Left {
			continue
		}
		if id, _ := m.ledger.Identity(x.Node); x.Node == signer || id.Owner == ledger.Coldkey(signer) {
			return trusted
		}
	}
	return anybody
}

// votable are the parameters that votes may change on a run's own ledger. The others are
// what joining, scoring and pay rest on, and the manifest says them.
var votable = numbersOf(ledger.RunParam,
	"kappa", "bonds_penalty", "bonds_moving_average", "liquid_alpha", "alpha_low", "alpha_high", "alpha_steepness", "yuma")

var votableNetwork = numbersOf(ledger.NetworkParam,
	"unbond", "owner_cut", "max_take", "take_rate", "child_rate", "child_cooldown", "slash_twice", "slash_false",
	"vote_span", "vote_delay", "vote_quorum", "vote_majority", "vote_stake", "vote_least")

func numbersOf(number func(string) (uint8, bool), names ...string) map[uint8]bool {
	out := map[uint8]bool{}
	for _, name := range names {
		n, ok := number(name)
		if !ok {
			panic("round: no parameter " + name)
		}
		out[n] = true
	}
	return out
}

// mayPropose refuses proposals of what is not to be voted on.
func mayPropose(p ledger.Propose) error {
	allowed := votable
	if p.Run == ledger.Root {
		allowed = votableNetwork
	}
	for _, c := range p.Changes {
		if !allowed[c.Param] {
			return protocol.Refuse(protocol.NotApplied, "parameter %d is the manifest's to say, not for votes", c.Param)
		}
	}
	return nil
}
