package ledger

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"lode/protocol"
)

// transfers are a block's worth of them.
func transfers(w world, n uint64) (txs []Tx) {
	for i := range n {
		txs = append(txs, Sign(person("ann"), w.net.ID, i, 0, Transfer{To: cold("bob"), Amount: Coin + Amount(i)}))
	}
	return txs
}

// Blocks that do not follow are refused and change nothing; refused transactions stop
// nobody.
func TestExecute(t *testing.T) {
	w := newWorld(t, false)
	txs := transfers(w, 3)
	txs[1].Sig[0] ^= 1
	b := Block{Header: w.Next(5, protocol.Digest{1}), Txs: txs}
	for name, spoil := range map[string]func(*Header){
		"version": func(h *Header) { h.Version++ },
		"network": func(h *Header) { h.Network[0]++ },
		"height":  func(h *Header) { h.Height++ },
		"parent":  func(h *Header) { h.Parent[0]++ },
		"state":   func(h *Header) { h.State[0]++ },
		"time":    func(h *Header) { h.Time = -1 },
	} {
		bad := b
		spoil(&bad.Header)
		root := w.Root()
		if _, _, err := w.Execute(bad); !errors.Is(err, ErrBlock) || w.Root() != root {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, out, err := w.Execute(b)
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Err != nil || !errors.Is(out[1].Err, ErrSignature) || !errors.Is(out[2].Err, ErrNonce) {
		t.Errorf("outcomes %v", out)
	}
	n := w.Network()
	equal(t, "height", n.Height, 1)
	equal(t, "block", n.Block, b.Digest())
	equal(t, "time", n.Time, 5)
	if _, _, err := w.Execute(b); !errors.Is(err, ErrBlock) {
		t.Errorf("a block twice: %v", err)
	}
	again, err := DecodeBlock(protocol.Encode(b))
	if err != nil || again.Digest() != b.Digest() {
		t.Errorf("block read back: %v", err)
	}
}

// The same blocks give the same state, and a snapshot goes on as the original does.
func TestReplayAndRestore(t *testing.T) {
	for _, market := range []bool{false, true} {
		a, b := newWorld(t, market), newWorld(t, market)
		da := dice{m: a.Machine, roll: rand.New(rand.NewPCG(5, 6)).Uint32}
		db := dice{m: b.Machine, roll: rand.New(rand.NewPCG(5, 6)).Uint32}
		for i := range 1500 {
			da.act(t)
			db.act(t)
			if i%300 == 299 {
				for _, m := range []*Machine{a.Machine, b.Machine} {
					if _, _, err := m.Seal(m.net.Time, protocol.Digest{}, false); err != nil {
						t.Fatal(err)
					}
				}
				m, err := Restore(b.Snapshot(), a.Root())
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(m.Snapshot(), a.Snapshot()) {
					t.Fatal("a snapshot of a snapshot differs")
				}
				b.Machine, db.m = m, m
			}
		}
		equal(t, "root", a.Root(), b.Root())
	}
}

func TestRestoreRefuses(t *testing.T) {
	w := newWorld(t, false)
	good, root := w.Snapshot(), w.Root()
	if _, err := Restore(good, root); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "format": good[1:], "cut off": good[:len(good)-1], "more": append(bytes.Clone(good), 0),
		"empty": []byte(magic),
	} {
		if _, err := Restore(data, root); !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := 0; i < len(good); i += 11 {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if _, err := Restore(bad, root); !errors.Is(err, ErrState) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	// A state with the right root of a wrong sum.
	w.credit(cold("ann"), 5)
	if _, err := Restore(w.Snapshot(), w.Root()); !errors.Is(err, ErrImbalance) {
		t.Errorf("money out of nothing: %v", err)
	}
}

func TestProofOfAccount(t *testing.T) {
	w := newWorld(t, false)
	for who, there := range map[string]bool{"ann": true, "zoe": false} {
		k, known := Key('a', bytesOf(who))
		equal(t, "an account's key", known, true)
		v, ok, err := w.Prove(k).Check(w.Root(), []byte(k))
		if err != nil || ok != there {
			t.Fatalf("%s: %v, %v", who, ok, err)
		}
		if ok {
			r, err := Record(k, v)
			if a, ok := r.(Account); err != nil || !ok || a.Balance != rich {
				t.Errorf("record %v, %v", r, err)
			}
		}
	}
}

func bytesOf(who string) []byte { k := pub(who); return k[:] }

// A step that would make money is taken back.
func TestImbalanceIsRefused(t *testing.T) {
	w := newWorld(t, false)
	root := w.Root()
	for name, do := range map[string]func(){
		"balance": func() { w.credit(cold("ann"), 1) },
		"supply":  func() { w.mint(1) },
		"stake":   func() { save(&w.store, pools.key(Run(1).bytes(), bytesOf("v1")), Pool{Units: 1, Shares: 1}) },
		"total":   func() { w.restake(1, 1, 0) },
	} {
		if _, err := w.step(func() error { do(); return nil }); !errors.Is(err, ErrImbalance) || w.Root() != root {
			t.Errorf("%s: %v", name, err)
		}
	}
}
