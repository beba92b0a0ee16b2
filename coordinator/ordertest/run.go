package ordertest

// This file holds the conformance test.

import (
	"bytes"
	"testing"

	"lode/coordinator"
	"lode/protocol"
	"lode/yuma/ledger"
)

// Place is where one engine lives.
type Place interface {
	// Start starts the engine as a new process does; one that runs is ended.
	Start(t *testing.T) coordinator.Engine
	// Genesis is where the ledger began.
	Genesis() ledger.Genesis
	// Pass waits until so many more blocks are committed.
	Pass(t *testing.T, blocks int)
	// Transfer returns a transaction that can be executed, the n-th of its signer.
	Transfer(n uint64) ledger.Tx
}

// Run tests the engine at a place, where n transfers can be made.
func Run(t *testing.T, p Place, n int) {
	e := p.Start(t)
	var proposed []protocol.Digest
	for i := range n {
		tx := p.Transfer(uint64(i))
		if err := e.Propose(t.Context(), tx); err != nil {
			t.Fatalf("transfer %d: %v", i, err)
		}
		proposed = append(proposed, tx.Digest())
		if err := e.Propose(t.Context(), tx); protocol.ReasonOf(err) != protocol.NotApplied {
			t.Errorf("transfer %d twice: %v", i, err)
		}
		forged := p.Transfer(uint64(i) + 1)
		forged.Sig[0] ^= 1
		if err := e.Propose(t.Context(), forged); protocol.ReasonOf(err) != protocol.NotApplied {
			t.Errorf("transfer %d with a wrong signature: %v", i, err)
		}
		if i == n/2 {
			p.Pass(t, 1)
		}
	}
	p.Pass(t, 2)
	before := check(t, e, p.Genesis(), proposed)
	e = p.Start(t)
	after := check(t, e, p.Genesis(), proposed)
	for i, b := range before {
		if i < len(after) && b.Digest() != after[i].Digest() {
			t.Errorf("block %d changed with a restart", i+1)
		}
	}
	if len(after) < len(before) {
		t.Errorf("%d blocks are left of %d", len(after), len(before))
	}
	votes, err := e.Validators(t.Context())
	if err != nil || len(votes) == 0 || votes[0].Stake == 0 {
		t.Errorf("validators %v, %v", votes, err)
	}
	for i := 1; i < len(votes); i++ {
		if bytes.Compare(votes[i-1].Node[:], votes[i].Node[:]) >= 0 {
			t.Error("validators are not sorted")
		}
	}
}

// check executes all blocks from genesis, and from a snapshot, and returns them.
func check(t *testing.T, e coordinator.Engine, g ledger.Genesis, proposed []protocol.Digest) []ledger.Block {
	t.Helper()
	blocks := all(t, e, 1)
	whole, err := ledger.New(g)
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for _, b := range blocks {
		_, outcomes, err := whole.Execute(b)
		if err != nil {
			t.Fatalf("block %d: %v", b.Header.Height, err)
		}
		for i, o := range outcomes {
			if o.Err != nil {
				t.Errorf("block %d holds what is refused: %v", b.Header.Height, o.Err)
			}
			if next < len(proposed) && b.Txs[i].Digest() == proposed[next] {
				next++
			}
		}
	}
	if next != len(proposed) {
		t.Errorf("%d of %d transfers are in blocks, in their order", next, len(proposed))
	}
	fromState(t, e, blocks, whole)
	return blocks
}

// fromState begins with the newest snapshot that a header proves.
func fromState(t *testing.T, e coordinator.Engine, blocks []ledger.Block, whole *ledger.Machine) {
	t.Helper()
	height, snapshot, err := e.State(uint64(len(blocks)) - 1)
	if err != nil {
		t.Fatal(err)
	}
	if snapshot == nil {
		return
	}
	m, err := ledger.Restore(snapshot, blocks[height].Header.State)
	if err != nil {
		t.Fatalf("state of height %d: %v", height, err)
	}
	for _, b := range all(t, e, height+1) {
		if b.Header.Height > uint64(len(blocks)) {
			break
		}
		if _, _, err := m.Execute(b); err != nil {
			t.Fatalf("block %d after the state of height %d: %v", b.Header.Height, height, err)
		}
	}
	if m.Root() != whole.Root() {
		t.Errorf("from the state of height %d another state follows", height)
	}
}

// all reads the blocks from a height on, a few at a time.
func all(t *testing.T, e coordinator.Engine, from uint64) (blocks []ledger.Block) {
	t.Helper()
	for {
		some, err := e.Blocks(from, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			return blocks
		}
		blocks = append(blocks, some...)
		from += uint64(len(some))
	}
}
