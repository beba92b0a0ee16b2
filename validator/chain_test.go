package validator

// This file tests the hash chain and its renewal.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
)

func keyOf(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, 31), n))
}

// Each preimage hashes to the one before, up to the anchor; there is none past
// the end, and none for a foreign anchor.
func TestPreimages(t *testing.T) {
	const length = 20
	c := newHashChain(keyOf(1), protocol.RunID{1}, length)
	anchor := c.next(protocol.Digest{}, false)
	at := anchor
	for k := range length {
		p, ok := c.preimage(at)
		if !ok || protocol.Hash("beacon", p[:]) != at {
			t.Fatalf("preimage %d does not verify", k)
		}
		at = p
	}
	if _, ok := c.preimage(at); ok {
		t.Error("a preimage past the end of the chain")
	}
	// A new process finds its place again, whichever chain it is in.
	second := c.next(at, true)
	third := c.next(second, true)
	if second == anchor || third == second || third == anchor {
		t.Fatal("the chains are the same")
	}
	for _, a := range []protocol.Digest{third, anchor, second} {
		p, ok := newHashChain(keyOf(1), protocol.RunID{1}, length).preimage(a)
		if !ok || protocol.Hash("beacon", p[:]) != a {
			t.Error("a new process cannot go on with its chain")
		}
	}
	for _, other := range []*hashChain{newHashChain(keyOf(2), protocol.RunID{1}, length), newHashChain(keyOf(1), protocol.RunID{2}, length)} {
		if other.links[0] == anchor {
			t.Error("another key or run has the same chain")
		}
	}
	if _, ok := c.preimage(protocol.Digest{9}); ok {
		t.Error("a preimage of a foreign anchor")
	}
}

// posted is a link that keeps what is submitted.
type posted struct {
	replica.Link
	messages chan protocol.Message
}

func (p posted) Submit(_ context.Context, b []byte) error {
	var m protocol.Message
	if err := protocol.Decode(b, &m); err != nil {
		return err
	}
	p.messages <- m
	return nil
}

// A validator joins once, and once more before its chain runs out.
func TestAnchors(t *testing.T) {
	key := keyOf(1)
	me := protocol.NodeID(key.Public().(ed25519.PublicKey))
	man := protocol.Manifest{Coordinator: me, Owner: me, Members: protocol.Members{
		MaxMembers: 4, MinWorkers: 1, MinValidators: 1, Genesis: []protocol.Stake{{Node: me, Stake: 1000}},
	}, Economy: protocol.Economy{Ledger: protocol.LedgerYuma, Emission: 1e9, Cap: 21e15, Tempo: 1}}
	link := posted{messages: make(chan protocol.Message, 8)}
	rules := &replica.Rules{Manifest: man, Run: man.ID()}
	v := &Validator{
		cfg: Config{Key: key, Name: "v", Rules: rules, Link: link, Log: zerolog.Nop()},
		me:  me, chain: newHashChain(key, rules.Run, 2*reanchor), replica: round.NewReplica(man),
	}
	m := v.replica.Machine
	if _, err := m.Step(1, protocol.Genesis{Run: rules.Run}); err != nil {
		t.Fatal(err)
	}
	look := func() (sent []protocol.Message) {
		t.Helper()
		g, ctx := errgroup.WithContext(t.Context())
		for range 3 { // every batch of the record asks again
			if err := v.anchor(ctx, g); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		for len(link.messages) > 0 {
			sent = append(sent, <-link.messages)
		}
		return sent
	}
	anchors := map[string]bool{}
	for i := range 2 { // the first join, and the one before the end
		sent := look()
		if len(sent) != 1 {
			t.Fatalf("join %d was sent %d times", i, len(sent))
		}
		if anchors[string(sent[0].Body)] {
			t.Fatal("the same anchor again")
		}
		anchors[string(sent[0].Body)] = true
		if _, err := m.Step(protocol.Instant(2+i), sent[0]); err != nil {
			t.Fatalf("join %d: %v", i, err)
		}
		if sent := look(); len(sent) != 0 {
			t.Fatalf("%d joins more than are due", len(sent))
		}
		v.chain.length = reanchor // as if all but the last preimages were shown
	}
	if sent := look(); len(sent) != 0 {
		t.Errorf("%d more joins while one waits", len(sent))
	}
	x, _ := m.Member(me)
	next, ok := newHashChain(key, rules.Run, reanchor).preimage(x.NextAnchor)
	if h := protocol.Hash("beacon", next[:]); !ok || !bytes.Equal(h[:], x.NextAnchor[:]) {
		t.Error("the new anchor is not of this key")
	}
}
