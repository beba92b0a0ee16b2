package round

// This file holds what validators say on the ledger at the end of an epoch.

import (
	"bytes"
	"math"
	"math/bits"

	"lode/protocol"
	"lode/yuma/ledger"
)

// weigh fixes what validators will say at the end of an epoch.
func (m *Machine) weigh() {
	if !m.man.Economy.Pays() || !m.ledger.EpochDue(Run) {
		return
	}
	r := &m.round
	board := m.board.Clone()
	board.Apply(r.Verdicts, r.sheets(), r.refused())
	r.opinions = board.Opinions(m.man.Score)
	if txs, _ := m.ledger.Open(); txs > 0 && !m.fits(spare) {
		m.seal(true)
	}
}

// weighing returns the seat of a validator who may say these weights now.
func (m *Machine) weighing(n protocol.NodeID, got ledger.SetWeights) (*Seat, error) {
	want, ok := m.Weights(n)
	if !ok {
		return nil, protocol.Refuse(protocol.WrongPhase, "no weights of %s are due", n.Short())
	}
	if !bytes.Equal(protocol.Encode(got), protocol.Encode(want)) {
		return nil, protocol.Refuse(protocol.WrongSheet, "weights of %s are not what its sheets say", n.Short())
	}
	return m.round.Seat(n), nil
}

// Weights returns what a validator has to say on the ledger before it co-signs the
// receipt that ends an epoch: of each worker the sum of its scores since the last
// epoch, as a share of the largest. ok is false if it owes none.
func (m *Machine) Weights(n protocol.NodeID) (w ledger.SetWeights, ok bool) {
	s := m.round.Seat(n)
	if m.phase != Sealing || s == nil || s.Weighed {
		return w, false
	}
	w.Run = Run
	var sums []protocol.NanoNats
	var most protocol.NanoNats
	for _, o := range m.round.opinions {
		if uid, ok := m.ledger.UID(Run, o.Worker); ok && o.Validator == n {
			w.UIDs, sums = append(w.UIDs, uint16(uid)), append(sums, o.Total)
			most = max(most, o.Total)
		}
	}
	for _, x := range sums {
		w.Values = append(w.Values, share(x, most))
	}
	return w, len(sums) > 0
}

// share returns x as a part of most in 65535ths, but at least one: it is positive.
func share(x, most protocol.NanoNats) uint16 {
	hi, lo := bits.Mul64(uint64(x), math.MaxUint16)
	q, _ := bits.Div64(hi, lo, uint64(most))
	return uint16(max(1, q))
}

// owed returns the bytes of the weights that are still to come before the epoch ends.
func (m *Machine) owed() (n int) {
	r := &m.round
	if r.opinions == nil {
		return 0
	}
	for i := range r.Seats {
		if !r.Seats[i].Weighed {
			n += rowLen(0)
		}
	}
	for _, o := range r.opinions {
		if s := r.Seat(o.Validator); s != nil && !s.Weighed {
			n += rowLen(1) - rowLen(0)
		}
	}
	return n
}

// rowLen bounds the transaction with one validator's weights, in bytes.
func rowLen(workers int) int { return 256 + 6*workers }

// said returns the validators of this round that owe no weights any more.
func (m *Machine) said() map[protocol.NodeID]bool {
	said := map[protocol.NodeID]bool{}
	for i := range m.round.Seats {
		n := m.round.Seats[i].Node
		_, owes := m.Weights(n)
		said[n] = !owes
	}
	return said
}

// mayWeigh reports whether a validator owes weights that the block has room for.
func (m *Machine) mayWeigh(n protocol.NodeID) bool {
	w, ok := m.Weights(n)
	txs, bytes := m.ledger.Open()
	return ok && txs < ledger.MaxBlockTxs && bytes+rowLen(len(w.UIDs)) <= ledger.MaxBlockLen-headroom
}
