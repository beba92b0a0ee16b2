package coordinator

// This file holds what members and observers can ask for.

import (
	"context"
	"io"

	"lode/coordinator/round"
	"lode/protocol"
)

// Arrive notes that a node is connected and returns the length of the record.
func (c *Coordinator) Arrive(ctx context.Context, n protocol.NodeID) (uint64, error) {
	c.mu.Lock()
	c.connected[n] = true
	c.mu.Unlock()
	// Refused for nodes that never joined or count as present: nothing to do.
	err := c.do(ctx, call{event: protocol.Present{Node: n}})
	if protocol.ReasonOf(err) == protocol.Internal {
		return 0, err
	}
	return c.cfg.Journal.Len(), nil
}

// Depart notes that a node's connection is gone.
func (c *Coordinator) Depart(ctx context.Context, n protocol.NodeID) {
	c.mu.Lock()
	delete(c.connected, n)
	c.mu.Unlock()
	_ = c.do(ctx, call{event: protocol.Absent{Node: n}}) // refused for nodes that never joined
}

// Submit records a member's message. It returns nil once the message is durable;
// a refusal is a *protocol.Refusal.
func (c *Coordinator) Submit(ctx context.Context, from protocol.NodeID, message []byte) error {
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

// allow renews what members may upload in the phase that begins: room for a few
// attempts at what they owe, and no more.
func (c *Coordinator) allow() {
	const attempts = 3
	cur, rules := c.machine.Current(), c.cfg.Rules
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.allowed)
	for _, w := range cur.Workers {
		c.allowed[w] = attempts * int64(rules.MaxPayload(cur.Number))
	}
	for i := range cur.Seats {
		c.allowed[cur.Seats[i].Node] = attempts * int64(rules.MaxStep(cur.Number))
	}
}

// PutOffset returns where the upload of a payload begins or goes on.
func (c *Coordinator) PutOffset(_ context.Context, from protocol.NodeID, digest protocol.Digest, size int64) (int64, error) {
	have, err := c.cfg.Payloads.Offset(digest)
	if err != nil || have == size {
		return have, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	left, member := c.allowed[from]
	switch {
	case !member:
		return 0, protocol.Refuse(protocol.NotExpected, "no payload of this node is expected now")
	case size-have > left:
		return 0, protocol.Refuse(protocol.TooLarge, "payload of %d bytes, %d are left to this node in this round", size, left)
	}
	return have, nil
}

// Put appends what r holds to a payload and returns how much of it is kept.
func (c *Coordinator) Put(ctx context.Context, from protocol.NodeID, digest protocol.Digest, size, offset int64, r io.Reader) (int64, error) {
	if _, err := c.PutOffset(ctx, from, digest, size); err != nil {
		return offset, err
	}
	end, err := c.cfg.Payloads.Append(ctx, digest, size, offset, r)
	c.mu.Lock()
	if left, member := c.allowed[from]; member {
		c.allowed[from] = left - max(0, end-offset)
	}
	c.mu.Unlock()
	return end, refusalOf(err)
}

// Open opens a payload: one that was uploaded, or a file of a checkpoint.
func (c *Coordinator) Open(ctx context.Context, digest protocol.Digest) (io.ReadSeekCloser, int64, error) {
	r, size, err := c.cfg.Payloads.Open(digest)
	if err == nil {
		return r, size, nil
	}
	for _, s := range c.cfg.Shelves {
		if r, size, ok := s.Open(ctx, digest); ok {
			return r, size, nil
		}
	}
	return nil, 0, protocol.Refuse(protocol.NotFound, "no payload %s here", digest.Short())
}

// Ask calls look with the machine. look must be quick and keep nothing.
func (c *Coordinator) Ask(ctx context.Context, look func(*round.Machine)) error {
	return c.do(ctx, call{ask: look})
}
