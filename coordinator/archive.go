package coordinator

// This file holds what is kept of the run's ledger for those who do not follow the
// record.

import (
	"lode/coordinator/round"
	"lode/protocol"
)

// Archive keeps the ledger's blocks by height, from 1, and snapshots of its state.
type Archive interface {
	Next() uint64 // height of the block to come
	// Add keeps the next block and, if it is not nil, the state after it; with prune it
	// forgets the blocks that lie before the states kept.
	Add(block, state []byte, prune bool) error
	Blocks(from uint64, most int) ([][]byte, error)
	State(most uint64) (height uint64, state []byte, err error)
}

// leaf is one block for the archive, with the state after it where one is due.
type leaf struct {
	height uint64
	block  []byte
	state  []byte
}

// leavesOf returns what an event left of the ledger. It is called right after the event,
// while the machine is in the state that the block ends in.
func (c *Coordinator) leavesOf(m *round.Machine, effects []round.Effect) (leaves []leaf) {
	if c.cfg.Archive == nil {
		return nil
	}
	for _, e := range effects {
		done, ok := e.(round.Sealed)
		if !ok || done.Block.Header.Height < c.cfg.Archive.Next() {
			continue // of a record that is replayed
		}
		l := leaf{height: done.Block.Header.Height, block: protocol.Encode(done.Block)}
		if l.height%c.cfg.StateEvery == 0 {
			l.state = m.Ledger().Snapshot()
		}
		leaves = append(leaves, l)
	}
	return leaves
}

// keep archives leaves of events that are durable.
func (c *Coordinator) keep(leaves []leaf) error {
	for _, l := range leaves {
		if err := c.cfg.Archive.Add(l.block, l.state, c.cfg.Prune); err != nil {
			return err
		}
	}
	return nil
}
