package round

// This file holds the blocks of the ledger.

import (
	"fmt"

	"lode/protocol"
	"lode/yuma/ledger"
)

// seal ends the open block, with what falls due unless it is idle.
func (m *Machine) seal(idle bool) (due []ledger.Event) {
	b, due, err := m.ledger.Seal(m.now, m.beacon, idle)
	if err != nil {
		panic(fmt.Sprintf("round: the ledger cannot end a block: %v", err))
	}
	clear(m.asked)
	m.askedAll = 0
	m.effects = append(m.effects, Sealed{Block: b, Due: due})
	return due
}

// endBlock ends a round's block, and with it an epoch of scores where one is due.
func (m *Machine) endBlock() (due []ledger.Event) {
	if m.ledger.EpochDue(Run) {
		said := m.said()
		m.board.EndEpoch(m.man.Score, func(v protocol.NodeID) bool { return said[v] || !m.man.Economy.Pays() })
	}
	return m.seal(false)
}

// spare is the room that must be left in the open block after an event, for the next, in
// bytes and in transactions: more than one event takes.
const (
	spare    = 1 << 18
	spareTxs = 64
)

// fits reports whether so many bytes more, and a few transactions, leave room for the
// weights that are still to come.
func (m *Machine) fits(n int) bool {
	txs, bytes := m.ledger.Open()
	return txs+spareTxs <= ledger.MaxBlockTxs && bytes+n+m.owed() <= ledger.MaxBlockLen-headroom
}

// headroom is more than a block's header and frame take, in bytes.
const headroom = 2 << 10

// makeRoom ends a block early, and idle, if newcomers filled it, but not between the
// weights that an epoch waits for and its end.
func (m *Machine) makeRoom() {
	txs, bytes := m.ledger.Open()
	if (txs > ledger.MaxBlockTxs-spareTxs || bytes > ledger.MaxBlockLen-spare) && m.round.opinions == nil {
		m.seal(true)
	}
}
