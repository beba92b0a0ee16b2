package ask

// This file holds the side that asks, and checks.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"lode/protocol"
	"lode/yuma/ledger"
	"lode/yuma/ledger/tree"
)

// Client asks a ledger through Ask, which carries a question and brings the answer.
type Client struct {
	Ask func(ctx context.Context, question []byte) ([]byte, error)
	// Root is the only state that answers are taken of; zero takes any.
	Root protocol.Digest
	// Network is the ledger that answers must be of; zero takes any. Whoever signs for
	// a network must know it from elsewhere: another server's could be named.
	Network protocol.Digest
}

// Errors that callers tell apart.
var (
	// ErrAnswer says that an answer does not show what was asked for.
	ErrAnswer = errors.New("the ledger's answer does not hold")
	// ErrMany says that there are more records than were to be read.
	ErrMany = errors.New("too many records")
	// ErrMoved says that an answer is of another state than the one asked about.
	ErrMoved = errors.New("the ledger is in another state")
)

// State is what was shown of one state.
type State struct {
	Root    protocol.Digest
	Network ledger.Network
	proofs  map[string]tree.Proof // of the keys asked for, checked
}

// Proof returns the proof of a key that was asked for.
func (s State) Proof(key string) tree.Proof { return s.proofs[key] }

// Value returns what the state has at a key, which must have been asked for.
func (s State) Value(key string) (value []byte, ok bool) {
	p, asked := s.proofs[key]
	if !asked {
		panic("ask: nobody asked for this key")
	}
	return p.Value, string(p.Key) == key
}

// Load returns the record at a key, which must have been asked for; ok is false if there
// is none.
func Load[T any](s State, key string) (v T, ok bool, err error) {
	value, ok := s.Value(key)
	if !ok {
		return v, false, nil
	}
	if err := protocol.Decode(value, &v); err != nil {
		return v, false, fmt.Errorf("ask: record %s: %w: %w", Text(key), ErrAnswer, err)
	}
	return v, true, nil
}

// Get asks for the records at keys, at most [MaxKeys], all of one state; without keys it
// is the network's record alone.
func (c Client) Get(ctx context.Context, keys ...string) (s State, err error) {
	body := recordsBody{}
	for _, k := range keys {
		body.Keys = append(body.Keys, []byte(k))
	}
	var a recordsAnswer
	if err := c.ask(ctx, encode(kindRecords, body), &a); err != nil {
		return s, err
	}
	if len(a.Proofs) != 1+len(keys) {
		return s, fmt.Errorf("ask: %d proofs for %d keys: %w", len(a.Proofs), len(keys), ErrAnswer)
	}
	if s, err = c.state(a.Root, a.Proofs[0]); err != nil {
		return s, err
	}
	for i, k := range keys {
		if _, _, err := a.Proofs[1+i].Check(a.Root, []byte(k)); err != nil {
			return s, fmt.Errorf("ask: record %s: %w: %w", Text(k), ErrAnswer, err)
		}
		s.proofs[k] = a.Proofs[1+i]
	}
	return s, nil
}

// ask carries a question and decodes the answer.
func (c Client) ask(ctx context.Context, question []byte, v any) error {
	b, err := c.Ask(ctx, question)
	if err != nil {
		return err
	}
	if err := protocol.Decode(b, v); err != nil {
		return fmt.Errorf("ask: %w: %w", ErrAnswer, err)
	}
	return nil
}

// state checks the proof of the network's record.
func (c Client) state(root protocol.Digest, p tree.Proof) (s State, err error) {
	if c.Root != (protocol.Digest{}) && root != c.Root {
		return s, fmt.Errorf("ask: an answer from %s, not %s: %w", root, c.Root, ErrMoved)
	}
	s = State{Root: root, proofs: map[string]tree.Proof{networkKey: p}}
	value, ok, err := p.Check(root, []byte(networkKey))
	if err == nil && !ok {
		err = errors.New("there is none")
	}
	if err == nil {
		err = protocol.Decode(value, &s.Network)
	}
	if err == nil && c.Network != (protocol.Digest{}) && s.Network.ID != c.Network {
		err = fmt.Errorf("it is %s, not %s: another ledger", s.Network.ID.Short(), c.Network.Short())
	}
	if err != nil {
		return s, fmt.Errorf("ask: record of the network: %w: %w", ErrAnswer, err)
	}
	return s, nil
}

// Page is a part of a list, of one state.
type Page struct {
	State   State
	Records []tree.Pair // ascending by key
	Next    string      // where the next page begins; empty if there is none
}

// Scan asks for the records whose keys begin with a prefix, from a key on, at most so
// many. Nothing between the first and Next is missing.
func (c Client) Scan(ctx context.Context, prefix, from string, most int) (p Page, err error) {
	var a spanAnswer
	body := spanBody{Prefix: []byte(prefix), From: []byte(from), Most: uint32(min(most, tree.MaxSpan))}
	if err := c.ask(ctx, encode(kindSpan, body), &a); err != nil {
		return p, err
	}
	if p.State, err = c.state(a.Root, a.Network); err != nil {
		return p, err
	}
	if p.Records, err = a.Span.Check(a.Root, prefix, from); err != nil {
		return p, fmt.Errorf("ask: %w: %w", ErrAnswer, err)
	}
	if p.Next = string(a.Span.To); p.Next != "" && (len(p.Records) == 0 || p.Next <= from) {
		return p, fmt.Errorf("ask: a list that does not go on: %w", ErrAnswer)
	}
	return p, nil
}

// tries is how often [Client.Still] begins anew.
const tries = 5

// Still calls do with a client of the present state alone, and again when the ledger
// moved on meanwhile, up to five times. With a Root there is nothing to try again.
func (c Client) Still(ctx context.Context, do func(Client) error) (err error) {
	if c.Root != (protocol.Digest{}) {
		return do(c)
	}
	for range tries {
		s, err := c.Get(ctx)
		if err != nil {
			return err
		}
		if err = do(Client{Ask: c.Ask, Root: s.Root, Network: c.Network}); !errors.Is(err, ErrMoved) {
			return err
		}
	}
	return fmt.Errorf("ask: it moves faster than it can be read: %w", ErrMoved)
}

// All returns all records whose keys begin with a prefix, of one state. It refuses to
// read more than most.
func (c Client) All(ctx context.Context, prefix string, most int) (all Page, err error) {
	err = c.Still(ctx, func(c Client) error {
		all = Page{}
		for {
			p, err := c.Scan(ctx, prefix, all.Next, tree.MaxSpan)
			if err != nil {
				return err
			}
			all.State, all.Next = p.State, p.Next
			if all.Records = append(all.Records, p.Records...); len(all.Records) > most {
				return fmt.Errorf("ask: more than %d: %w", most, ErrMany)
			}
			if all.Next == "" {
				return nil
			}
		}
	})
	return all, err
}

// Blocks asks for the blocks from a height on, at most so many; fewer may come, and
// none if the ledger keeps none from there. They follow each other on the network
// of a state, and the block of its height is the one that it names.
func (c Client) Blocks(ctx context.Context, s State, from uint64, most int) (blocks []ledger.Block, err error) {
	b, err := c.Ask(ctx, encode(kindBlocks, blocksBody{From: from, Most: uint32(most)}))
	if err != nil {
		return nil, err
	}
	for len(b) > 0 {
		if len(b) < 4 || uint64(len(b)) < 4+uint64(binary.LittleEndian.Uint32(b)) || len(blocks) == most {
			return nil, fmt.Errorf("ask: blocks are cut off, or too many: %w", ErrAnswer)
		}
		n := 4 + int(binary.LittleEndian.Uint32(b))
		block, err := ledger.DecodeBlock(b[4:n])
		if err != nil {
			return nil, fmt.Errorf("ask: %w: %w", ErrAnswer, err)
		}
		blocks, b = append(blocks, block), b[n:]
	}
	for i, block := range blocks {
		h := block.Header
		switch {
		case h.Height != from+uint64(i), h.Network != s.Network.ID, i > 0 && h.Parent != blocks[i-1].Digest(),
			h.Height == s.Network.Height && block.Digest() != s.Network.Block && h.Parent != s.Network.Block: // it was open
			return nil, fmt.Errorf("ask: block %d is not the next of this ledger: %w", h.Height, ErrAnswer)
		}
	}
	return blocks, nil
}
