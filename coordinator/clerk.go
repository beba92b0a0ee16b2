package coordinator

// This file holds the clerk: the goroutine that orders and records events.

import (
	"context"
	"time"

	"lode/coordinator/round"
	"lode/protocol"
)

// clerk records events one after the other. It returns nil when ctx ended.
func (c *Coordinator) clerk(ctx context.Context) error {
	defer close(c.ended)
	if err := c.begin(); err != nil {
		return err
	}
	returned := time.NewTimer(c.cfg.Return)
	defer returned.Stop()
	for {
		var batch []call
		select {
		case <-ctx.Done():
			return nil
		case k := <-c.calls:
			batch = append(batch, k)
		case <-c.timer.C:
			batch = append(batch, call{event: protocol.Tick{}})
		case p := <-c.saved:
			batch = append(batch, call{event: p})
		case <-returned.C:
			batch = c.missing()
		}
		// What waits already shares one write to disk.
		for more := true; more && len(batch) < cap(c.calls); {
			select {
			case k := <-c.calls:
				batch = append(batch, k)
			default:
				more = false
			}
		}
		if err := c.record(batch); err != nil {
			return err
		}
	}
}

// begin records that the run starts, or that it goes on after an outage.
func (c *Coordinator) begin() error {
	outage := max(0, wall(time.Now()).Sub(c.chain.Now))
	c.watch = startWatch(c.chain.Now)
	if c.chain.Next == 0 {
		return c.record([]call{{event: protocol.Genesis{Run: c.cfg.Rules.Run}}})
	}
	_, deadline := c.machine.Phase()
	c.wake(deadline)
	c.allow()
	return c.record([]call{{event: protocol.Resumed{Outage: outage}}})
}

// missing are the members who were present before a restart and did not return.
func (c *Coordinator) missing() []call {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []call
	for _, x := range c.machine.Members() {
		if x.Present && !c.connected[x.Node] {
			out = append(out, call{event: protocol.Absent{Node: x.Node}})
		}
	}
	return out
}

// record takes a batch of calls: each event goes through the machine; those it
// accepts become durable together, and only then is anybody told.
func (c *Coordinator) record(batch []call) error {
	var entries [][]byte
	var effects []round.Effect
	var leaves []leaf
	results := make([]error, len(batch))
	enter := func(ev protocol.Event) error {
		now := c.watch.now()
		done, err := c.machine.Step(now, ev)
		if err == nil {
			entries = append(entries, protocol.Encode(c.chain.Append(c.cfg.Key, now, ev)))
			effects = append(effects, done...)
			leaves = append(leaves, c.leavesOf(c.machine, done)...)
		}
		return err
	}
	for i, k := range batch {
		if k.ask != nil {
			continue // answered below, of what is durable
		}
		err := enter(k.event)
		if _, tick := k.event.(protocol.Tick); tick && err != nil {
			// The deadline moved while the tick waited in line.
			_, deadline := c.machine.Phase()
			c.wake(deadline)
		}
		if results[i] = err; err == nil {
			c.announce(k.event)
		}
		if msg, ok := k.event.(protocol.Message); ok {
			c.listen(msg, err, enter)
		}
	}
	if len(entries) > 0 {
		if err := c.cfg.Journal.Append(entries); err != nil {
			return err
		}
		if err := c.keep(leaves); err != nil {
			return err
		}
		c.carryOut(effects) // first: who reads of a round may upload for it
		c.mu.Lock()
		close(c.grown)
		c.grown = make(chan struct{})
		c.mu.Unlock()
	}
	for i, k := range batch {
		if k.ask != nil {
			k.ask(c.machine)
		}
		if k.done != nil {
			k.done <- results[i] // has room for one
		}
	}
	return nil
}

// listen lets the witness hear a message and what became of it, and enters its evidence.
func (c *Coordinator) listen(m protocol.Message, err error, enter func(protocol.Event) error) {
	evidence := c.witness.hear(m, err)
	if evidence == nil {
		return
	}
	if err := enter(c.accuse(c.machine, evidence)); err != nil {
		c.cfg.Log.Debug().Err(err).Str("node", m.Node.Short()).Msg("no offence")
		return
	}
	c.cfg.Log.Warn().Str("node", m.Node.Short()).Uint64("round", uint64(m.Round)).Msg("a validator signed two things where one is allowed, and lost stake")
}

func (c *Coordinator) carryOut(effects []round.Effect) {
	c.tell(effects)
	for _, e := range effects {
		switch e := e.(type) {
		case round.Wake:
			c.wake(e.At)
		case round.Entered:
			c.allow()
			c.cfg.Log.Debug().Uint64("round", uint64(e.Round)).Stringer("phase", e.Phase).Msg("entered")
		case round.Merged:
			s := e.Summary
			c.cfg.Log.Info().Uint64("round", uint64(s.Round)).Int("updates", len(s.Outcomes)).
				Float64("loss", s.After.Nats()).Float64("held_out", s.HeldOut.Nats()).Msg("round final")
		}
	}
}

// soonest keeps a deadline that cannot be met yet from spinning.
const soonest = protocol.Millisecond

func (c *Coordinator) wake(at protocol.Instant) {
	c.timer.Stop()
	if at != 0 {
		c.timer.Reset(time.Duration(max(soonest, at.Sub(c.watch.now()))))
	}
}

// errStopped is what callers hear once the clerk has ended. It leaves open
// whether an event they sent became durable: they send it again to whoever goes
// on with the record.
var errStopped = protocol.Refuse(protocol.Busy, "the coordinator stops")

// do hands a call to the clerk and waits for its answer.
func (c *Coordinator) do(ctx context.Context, k call) error {
	k.done = make(chan error, 1)
	select {
	case c.calls <- k:
	case <-c.ended:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-k.done:
		return err
	case <-c.ended:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}
