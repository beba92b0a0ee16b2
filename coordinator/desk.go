package coordinator

// This file holds what members and observers can ask of the record.

import (
	"context"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/yuma/ledger"
)

// Arrive notes that a node is connected and returns the length of the record.
func (c *Coordinator) Arrive(ctx context.Context, n protocol.NodeID) (uint64, error) {
	c.mu.Lock()
	before := c.connected[n]
	c.connected[n] = true
	c.mu.Unlock()
	err := c.do(ctx, call{event: protocol.Present{Node: n}})
	switch protocol.ReasonOf(err) {
	case protocol.OK, protocol.NotMember, protocol.Duplicate: // it never joined, or counts as present
		return c.cfg.Journal.Len(), nil
	}
	if !before { // nobody will say that it left, and the event may yet be recorded
		c.Depart(context.WithoutCancel(ctx), n)
	}
	return 0, err
}

// Depart notes that a node's connection is gone.
func (c *Coordinator) Depart(ctx context.Context, n protocol.NodeID) {
	c.mu.Lock()
	delete(c.connected, n)
	c.mu.Unlock()
	_ = c.do(ctx, call{event: protocol.Absent{Node: n}}) // refused for nodes that never joined
}

// Submit records a member's message, or a transaction, which anybody may send for its
// signer. It returns nil once that is durable; a refusal is a *protocol.Refusal.
func (c *Coordinator) Submit(ctx context.Context, from protocol.NodeID, message []byte) error {
	if _, err := ledger.DecodeTx(message); err == nil {
		return c.do(ctx, call{event: protocol.Transaction{Tx: message}})
	}
	var m protocol.Message
	if err := protocol.Decode(message, &m); err != nil {
		return protocol.Refuse(protocol.Malformed, "%v", err)
	}
	if m.Node != from {
		return protocol.Refuse(protocol.WrongCredential, "message of %s on the connection of %s", m.Node.Short(), from.Short())
	}
	return c.do(ctx, call{event: m})
}

// followBatch is how many entries a follower is read at once.
const followBatch = 256

// Follow sends every entry of the record from the given index on, as they come
// into being, until ctx ends or send fails.
func (c *Coordinator) Follow(ctx context.Context, from uint64, send func(entry []byte) error) error {
	for {
		c.mu.Lock()
		grown := c.grown
		c.mu.Unlock()
		entries, err := c.cfg.Journal.Read(from, followBatch)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := send(e); err != nil {
				return err
			}
		}
		from += uint64(len(entries))
		if len(entries) > 0 {
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Ask calls look with the machine. look must be quick and keep nothing.
func (c *Coordinator) Ask(ctx context.Context, look func(*round.Machine)) error {
	return c.do(ctx, call{ask: look})
}

// Member tells whether a node takes part in the run now.
func (c *Coordinator) Member(ctx context.Context, node protocol.NodeID) bool {
	member := false
	err := c.Ask(ctx, func(m *round.Machine) {
		x, ok := m.Member(node)
		member = ok && !x.Left
	})
	return member && err == nil
}
