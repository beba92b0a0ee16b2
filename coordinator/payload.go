package coordinator

// This file holds payloads: who may upload how much, and where they are found.

import (
	"context"
	"errors"
	"io"
	"strings"

	"lode/checkpoints"
	"lode/coordinator/round"
	"lode/protocol"
)

// allow renews what members may upload in the phase that begins: workers their
// update while they train, the proposer the merged step. Nobody else, since a
// merged step's digest is known to all who followed the round, and a stranger's
// slow upload of it would stand in the proposer's way.
func (c *Coordinator) allow() {
	const attempts = 3
	cur, rules := c.machine.Current(), c.cfg.Rules
	c.mu.Lock()
	defer c.mu.Unlock()
	c.allowed = map[protocol.NodeID]int64{}
	switch phase, _ := c.machine.Phase(); phase {
	case round.Training:
		for _, w := range cur.Workers {
			c.allowed[w] = attempts * int64(rules.MaxPayload(cur.Number))
		}
	case round.Sealing:
		c.allowed[cur.Proposer()] = attempts * int64(rules.MaxStep(cur.Number))
	}
}

// PutOffset returns where the upload of a payload begins or goes on: at most at
// size, and there only if the payload is whole.
func (c *Coordinator) PutOffset(ctx context.Context, from protocol.NodeID, digest protocol.Digest, size int64) (int64, error) {
	have, err := c.cfg.Payloads.Offset(digest)
	if err != nil {
		return 0, err
	}
	if have == size {
		if have, err = c.complete(ctx, digest, size, have); err != nil || have == size {
			return have, err
		}
	}
	c.mu.Lock()
	left, member := c.allowed[from]
	c.mu.Unlock()
	switch {
	case !member:
		return 0, protocol.Refuse(protocol.NotExpected, "no payload of this node is expected now")
	case have > size:
		if have, err = c.complete(ctx, digest, size, have); err != nil {
			return 0, err
		}
	}
	if size-have > left {
		return 0, tooMuch(size, left)
	}
	return have, nil
}

func tooMuch(size, left int64) error {
	return protocol.Refuse(protocol.TooLarge, "payload of %d bytes, %d are left to this node in this round", size, left)
}

// complete makes a whole payload of a part that has all its bytes, as a crash
// before its digest was checked leaves it. One that has other bytes, or more, is
// dropped: whoever sent it did not have the payload. It returns how many bytes
// there are now.
func (c *Coordinator) complete(ctx context.Context, digest protocol.Digest, size, have int64) (int64, error) {
	if r, whole, err := c.cfg.Payloads.Open(digest); err == nil {
		_ = r.Close() // nothing was written
		if whole != size {
			return 0, protocol.Refuse(protocol.WrongContent, "payload %s has %d bytes, not %d", digest.Short(), whole, size)
		}
		return size, nil
	}
	_, err := c.cfg.Payloads.Append(ctx, digest, size, have, strings.NewReader(""))
	switch {
	case err == nil:
		return size, nil
	case errors.Is(err, checkpoints.ErrCorrupt):
		return 0, nil
	}
	return 0, refusalOf(err)
}

// Put appends what r holds to a payload and returns how much of it is kept. Room
// for all of it is taken from the sender's allowance before a byte is read.
func (c *Coordinator) Put(ctx context.Context, from protocol.NodeID, digest protocol.Digest, size, offset int64, r io.Reader) (int64, error) {
	have, err := c.PutOffset(ctx, from, digest, size)
	if err != nil || have == size {
		return have, err
	}
	c.mu.Lock()
	allowed, need := c.allowed, size-offset
	if left := allowed[from]; offset < 0 || need > left {
		c.mu.Unlock()
		return have, tooMuch(size, left)
	}
	allowed[from] -= need
	c.mu.Unlock()
	end, err := c.cfg.Payloads.Append(ctx, digest, size, offset, r)
	c.mu.Lock()
	allowed[from] += need - min(need, max(0, end-offset))
	c.mu.Unlock()
	if offset > 0 && errors.Is(err, checkpoints.ErrCorrupt) {
		return end, protocol.Refuse(protocol.Busy, "what had come before of this payload was wrong: it begins anew")
	}
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
