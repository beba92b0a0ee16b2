package chain

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
		return b, fmt.Errorf("chain: block: %w: %w", ErrMalformed, err)
	}
	return b, nil
}

// Outcome is what came of one transaction: events, or why it changed nothing.
type Outcome struct {
	Events []Event
	Err    error
}

// Next returns the header of the block to come.
func (m *Machine) Next(now protocol.Instant, beacon protocol.Digest) Header {
	return Header{
		Version: Version, Network: m.net.ID, Height: m.net.Height + 1, Parent: m.net.Block, State: m.Root(),
		Time: max(now, m.net.Time), Beacon: beacon,
	}
}

// Execute applies a block: first what falls due at its height, then each
// transaction. One that is refused changes nothing and stops nobody. A block that is
// not the next one is refused, and nothing has changed.
func (m *Machine) Execute(b Block) (due []Event, outcomes []Outcome, err error) {
	if err := m.follows(b); err != nil {
		return nil, nil, err
	}
	due, err = m.step(func() error {
		m.net.Height, m.net.Time, m.net.Beacon, m.net.Block = b.Header.Height, b.Header.Time, b.Header.Beacon, b.Digest()
		m.begin()
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	outcomes = make([]Outcome, len(b.Txs))
	for i, t := range b.Txs {
		outcomes[i].Events, outcomes[i].Err = m.Apply(t)
	}
	return due, outcomes, nil
}

func (m *Machine) follows(b Block) error {
	h := b.Header
	want := m.Next(h.Time, h.Beacon)
	switch {
	case h != want:
		return fmt.Errorf("chain: block %d after block %d of another chain, state or time: %w", h.Height, m.net.Height, ErrBlock)
	case len(b.Txs) > MaxBlockTxs || len(protocol.Encode(b)) > MaxBlockLen:
		return fmt.Errorf("chain: %d transactions are too much for a block: %w", len(b.Txs), ErrBlock)
	}
	return nil
}

// begin does what falls due with a new height: prices of places fall, coin is minted,
// epochs run, average prices move, votes are counted (the order is the chain's,
// coinbase/block_step.rs).
func (m *Machine) begin() {
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
		due := economy.Schedule{Last: s.r.LastEpoch, Step: max(s.r.LastStep, s.r.Created), Tempo: s.p.Tempo}
		if epochs < m.net.Params.MaxEpochs && due.Due(m.net.Height) {
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
	m.settleVotes()
}
