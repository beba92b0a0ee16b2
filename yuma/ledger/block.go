package ledger

// This file holds blocks: what everybody applies in the same order.

import (
	"fmt"

	"lode/protocol"
	"lode/yuma/economy"
)

// Bounds on a block: the most transactions, and the longest encoding, in bytes.
const (
	MaxBlockTxs = protocol.MaxListLen
	MaxBlockLen = protocol.MaxMessageLen
)

// Header begins a block. Time and chance come in here and nowhere else.
type Header struct {
	_       struct{} `cbor:",toarray"`
	Version uint16
	Network protocol.Digest
	Height  uint64
	Parent  protocol.Digest // digest of the block before; zero for the first
	State   protocol.Digest // root of the state that the block is applied to
	Time    protocol.Instant
	Beacon  protocol.Digest
	// Idle blocks make room for transactions: nothing is minted, no epoch runs, only
	// votes are counted.
	Idle bool
}

// Block is a header and transactions in order.
type Block struct {
	_      struct{} `cbor:",toarray"`
	Header Header
	Txs    []Tx
}

// Digest names the block.
func (b Block) Digest() protocol.Digest {
	return protocol.Hash("block", protocol.Encode(b.Header), protocol.Encode(b.Txs))
}

// DecodeBlock reads the canonical encoding of a block.
func DecodeBlock(data []byte) (Block, error) {
	var b Block
	if err := protocol.Decode(data, &b); err != nil {
		return b, fmt.Errorf("ledger: block: %w: %w", ErrMalformed, err)
	}
	return b, nil
}

// Outcome is what came of one transaction: events, or why it changed nothing.
type Outcome struct {
	Events []Event
	Err    error
}

// headerRoom is more than a header and the frame of a block take, in bytes.
const headerRoom = 1 << 10

// Next returns the header of the open block, if it ended now.
func (m *Machine) Next(now protocol.Instant, beacon protocol.Digest) Header {
	return Header{
		Version: Version, Network: m.net.ID, Height: m.height(), Parent: m.net.Block, State: m.base,
		Time: max(now, m.net.Time), Beacon: beacon,
	}
}

// Seal ends the open block, which holds what was applied since the last one, and does
// what falls due at its height; hardly anything does in an idle block.
func (m *Machine) Seal(now protocol.Instant, beacon protocol.Digest, idle bool) (b Block, due []Event, err error) {
	b = Block{Header: m.Next(now, beacon), Txs: m.pending}
	b.Header.Idle = idle
	due, err = m.end(b)
	return b, due, err
}

// Execute applies a block that somebody sealed: each transaction, then what falls due
// at its height. A transaction that is refused changes nothing and stops nobody. A
// block that is not the next one is refused, and nothing has changed; so is every block
// while one is open here.
func (m *Machine) Execute(b Block) (due []Event, outcomes []Outcome, err error) {
	if err := m.follows(b); err != nil {
		return nil, nil, err
	}
	outcomes = make([]Outcome, len(b.Txs))
	for i, t := range b.Txs {
		outcomes[i].Events, outcomes[i].Err = m.Apply(t)
	}
	due, err = m.end(b)
	return due, outcomes, err
}

// end does what falls due at the height of a block whose transactions are applied. It
// fails by a fault of this package alone.
func (m *Machine) end(b Block) (due []Event, err error) {
	due, err = m.step(func() error {
		m.net.Height, m.net.Time, m.net.Beacon, m.net.Block = b.Header.Height, b.Header.Time, b.Header.Beacon, b.Digest()
		if !b.Header.Idle {
			m.fallDue()
		}
		m.settleVotes()
		return nil
	})
	if err == nil {
		m.base, m.pending, m.pendingLen = m.Root(), nil, 0
	}
	return due, err
}

func (m *Machine) follows(b Block) error {
	h := b.Header
	want := m.Next(h.Time, h.Beacon)
	want.Idle = h.Idle
	switch {
	case len(m.pending) > 0:
		return fmt.Errorf("ledger: block %d while one is open: %w", h.Height, ErrBlock)
	case h != want:
		return fmt.Errorf("ledger: block %d after block %d of another chain, state or time: %w", h.Height, m.net.Height, ErrBlock)
	case len(b.Txs) > MaxBlockTxs || len(protocol.Encode(b)) > MaxBlockLen:
		return fmt.Errorf("ledger: %d transactions are too much for a block: %w", len(b.Txs), ErrBlock)
	}
	return nil
}

// fallDue does what falls due with a new height, but for votes: prices of places fall,
// coin is minted, epochs run, average prices move (the order is the chain's,
// coinbase/block_step.rs).
func (m *Machine) fallDue() {
	var all []standingOf
	for _, run := range m.runs() {
		r, _ := m.run(run)
		s := standingOf{run: run, r: r, p: m.rules(run)}
		bounds := economy.PriceBounds{Min: s.p.MinPrice, Max: s.p.MaxPrice}
		if s.r.Price > Amount(s.p.MinPrice) {
			s.r.Price = Amount(bounds.Decay(uint64(s.r.Price), economy.DecayFactor(uint16(s.p.PriceHalfLife))))
		}
		all = append(all, s)
	}
	m.emit(all)
	epochs := uint64(0)
	for _, s := range all {
		m.saveRun(s.run, s.r)
		if epochs < m.net.Params.MaxEpochs && s.r.schedule(s.p).Due(m.net.Height) {
			epochs++
			m.epoch(s.run)
		}
	}
	if m.net.Market {
		for _, s := range all {
			s.r, _ = m.run(s.run)
			m.move(&s)
			m.saveRun(s.run, s.r)
		}
	}
}
