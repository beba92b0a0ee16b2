package ask

// This file holds how a ledger is taken over whole, from a snapshot and the blocks after
// it.

import (
	"context"
	"fmt"

	"lode/yuma/ledger"
)

// maxState bounds a snapshot, bytes.
const maxState = 2 << 30

// CatchUp returns the ledger after its last block: from the newest snapshot kept, or from
// genesis, by executing every block since. The next block's header names the root of the
// snapshot's state, and the blocks lead to the one that the state asked about names: so
// all of it is as sure as that state is. told hears how high it has come, of how much.
func (c Client) CatchUp(ctx context.Context, g ledger.Genesis, told func(height, of uint64)) (*ledger.Machine, error) {
	s, err := c.Get(ctx)
	if err != nil {
		return nil, err
	}
	if s.Network.ID != g.Network() {
		return nil, fmt.Errorf("ask: a ledger of another beginning: %w", ErrAnswer)
	}
	m, blocks, err := c.beginning(ctx, s, g)
	for err == nil && m.Network().Block != s.Network.Block {
		if len(blocks) == 0 {
			blocks, err = c.Blocks(ctx, s, m.Network().Height+1, maxBlocks)
		}
		if err == nil && len(blocks) == 0 {
			err = fmt.Errorf("ask: block %d is the last and not the one that the ledger names: %w", m.Network().Height, ErrAnswer)
		}
		if err != nil {
			return nil, err
		}
		if _, _, err = m.Execute(blocks[0]); err != nil {
			return nil, fmt.Errorf("ask: %w: %w", ErrAnswer, err)
		}
		blocks = blocks[1:]
		told(m.Network().Height, s.Network.Height)
	}
	return m, err
}

// beginning returns the ledger at the newest snapshot that a block proves, or else at
// genesis, and the first blocks after it.
func (c Client) beginning(ctx context.Context, s State, g ledger.Genesis) (m *ledger.Machine, blocks []ledger.Block, err error) {
	for most := s.Network.Height; most > 0; {
		height, snapshot, err := c.snapshot(ctx, most-1)
		if err != nil {
			return nil, nil, err
		}
		if height == 0 {
			break
		}
		if blocks, err = c.Blocks(ctx, s, height+1, maxBlocks); err != nil {
			return nil, nil, err
		}
		if len(blocks) > 0 {
			if m, err = ledger.Restore(snapshot, blocks[0].Header.State); err != nil {
				err = fmt.Errorf("ask: snapshot of block %d: %w: %w", height, ErrAnswer, err)
			}
			return m, blocks, err
		}
		most = height
	}
	m, err = ledger.New(g)
	return m, nil, err
}

// snapshot gets the newest snapshot that is not above a height; height 0 if there is
// none.
func (c Client) snapshot(ctx context.Context, most uint64) (height uint64, data []byte, err error) {
	for {
		var a stateAnswer
		if err := c.ask(ctx, encode(kindState, stateBody{Most: most, Offset: uint64(len(data))}), &a); err != nil {
			return 0, nil, err
		}
		switch {
		case a.Size == 0 && len(data) == 0:
			return 0, nil, nil
		case a.Size > maxState || a.Height == 0 || a.Height > most || len(data) > 0 && a.Height != height ||
			len(a.Part) == 0 || uint64(len(data)+len(a.Part)) > a.Size:
			return 0, nil, fmt.Errorf("ask: parts of a snapshot that do not fit: %w", ErrAnswer)
		}
		height, most = a.Height, a.Height
		if data = append(data, a.Part...); uint64(len(data)) == a.Size {
			return height, data, nil
		}
	}
}
