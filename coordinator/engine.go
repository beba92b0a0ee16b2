package coordinator

// This file holds the coordinator as the engine of the run's ledger.

import (
	"context"
	"errors"
	"fmt"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/yuma/ledger"
)

// Engine orders what a ledger is asked. A coordinator is one, by itself; several that
// agree on an order first would be another, and whoever uses a ledger would not notice.
// What was proposed is in a block to come, and blocks, once there, never change. Time
// and beacon come with them: an engine decides nothing else. Package ordertest says
// what every engine must do.
type Engine interface {
	// Propose has a transaction executed. It returns nil once that is durable; a
	// refusal is a *protocol.Refusal, and then it is in no block.
	Propose(ctx context.Context, t ledger.Tx) error
	// Blocks returns at most most committed blocks from a height on, in order.
	Blocks(from uint64, most int) ([]ledger.Block, error)
	// State returns the newest snapshot kept that is not above a height, nil if there
	// is none. The header of the next block proves it: it names the state's root.
	State(most uint64) (height uint64, snapshot []byte, err error)
	// Validators returns who votes on the order now, sorted by key.
	Validators(ctx context.Context) ([]Vote, error)
}

// Vote is a validator with the stake that it votes with.
type Vote struct {
	Node  protocol.NodeID
	Stake ledger.Amount
}

var _ Engine = (*Coordinator)(nil)

// errNoArchive says that this coordinator keeps no blocks.
var errNoArchive = errors.New("coordinator: no blocks are kept here")

// Propose implements [Engine].
func (c *Coordinator) Propose(ctx context.Context, t ledger.Tx) error {
	return c.do(ctx, call{event: protocol.Transaction{Tx: protocol.Encode(t)}})
}

// Blocks implements [Engine].
func (c *Coordinator) Blocks(from uint64, most int) ([]ledger.Block, error) {
	if c.cfg.Archive == nil {
		return nil, errNoArchive
	}
	encoded, err := c.cfg.Archive.Blocks(from, most)
	if err != nil {
		return nil, err
	}
	blocks := make([]ledger.Block, len(encoded))
	for i, b := range encoded {
		if blocks[i], err = ledger.DecodeBlock(b); err != nil {
			return nil, fmt.Errorf("archive: block %d: %w", from+uint64(i), err)
		}
	}
	return blocks, nil
}

// State implements [Engine].
func (c *Coordinator) State(most uint64) (height uint64, snapshot []byte, err error) {
	if c.cfg.Archive == nil {
		return 0, nil, errNoArchive
	}
	return c.cfg.Archive.State(most)
}

// Validators implements [Engine].
func (c *Coordinator) Validators(ctx context.Context) (all []Vote, err error) {
	err = c.Ask(ctx, func(m *round.Machine) {
		for _, x := range m.Members() {
			if x.Role == protocol.Validator && !x.Left {
				all = append(all, Vote{x.Node, ledger.Amount(m.Holding(x.Node).Stake)})
			}
		}
	})
	return all, err
}
