package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"lode/protocol"
)

// rolls are dice that the fuzzer throws; once it has no more they fall by a seed.
func rolls(data []byte) func() uint32 {
	rest := rand.New(rand.NewPCG(uint64(len(data)), 1))
	return func() uint32 {
		if len(data) >= 2 {
			v := binary.LittleEndian.Uint16(data)
			data = data[2:]
			return uint32(v) * 0x10001
		}
		return rest.Uint32()
	}
}

// Whatever people ask for in whatever order: nothing panics, nothing is refused halfway,
// and the sum stays.
func FuzzApply(f *testing.F) {
	for _, seed := range []string{"", "stake and unstake", "weights, epochs, votes and evidence"} {
		f.Add([]byte(seed), seed == "")
	}
	f.Fuzz(func(t *testing.T, data []byte, market bool) {
		w := newWorld(t, market, func(g *Genesis) {
			g.Params.MaxRuns, g.Params.MinLock = 3, 1000*uint64(Coin)
			g.Runs[0].Params.MaxUIDs = 7
		})
		d := dice{m: w.Machine, roll: rolls(data)}
		for range 10 + len(data)/4 {
			before := w.Root()
			if !d.act(t) && w.Root() != before {
				t.Fatal("a refused transaction changed something")
			}
		}
		w.audit()
	})
}

// Any bytes as the body of any kind, by anybody.
func FuzzBody(f *testing.F) {
	w := newWorld(f, false)
	w.pass(6)
	d := dice{m: w.Machine, roll: rand.New(rand.NewPCG(3, 3)).Uint32}
	for range 60 {
		who, body := d.tx()
		f.Add(who, byte(body.Kind()), protocol.Encode(body))
	}
	f.Fuzz(func(t *testing.T, who string, kind byte, data []byte) {
		signer, known := pubs[who]
		body, err := (Tx{Type: Kind(kind), Body: data}).body()
		if err != nil || !known {
			return
		}
		if !bytes.Equal(protocol.Encode(body), data) {
			t.Fatalf("kind %d: %x reads as %+v", kind, data, body)
		}
		w := newWorld(t, false)
		w.pass(6)
		before := w.Root()
		if _, err = w.unsigned(Tx{Signer: signer}, body); err != nil && w.Root() != before {
			t.Fatal("a refused transaction changed something")
		}
		if errors.Is(err, ErrImbalance) {
			t.Fatal(err)
		}
		w.audit()
		w.pass(6)
	})
}

func FuzzDecode(f *testing.F) {
	w := newWorld(f, false)
	b := Block{Header: w.Next(1, protocol.Digest{}), Txs: transfers(w, 2)}
	f.Add(protocol.Encode(b.Txs[0]))
	f.Add(protocol.Encode(b))
	f.Fuzz(func(t *testing.T, data []byte) {
		if x, err := DecodeTx(data); err == nil {
			if !bytes.Equal(protocol.Encode(x), data) {
				t.Fatal("a transaction has two encodings")
			}
			if _, err := w.Apply(x); err == nil && x.Digest() != b.Txs[0].Digest() {
				t.Fatal("a transaction nobody signed was applied")
			}
		}
		if x, err := DecodeBlock(data); err == nil && !bytes.Equal(protocol.Encode(x), data) {
			t.Fatal("a block has two encodings")
		}
	})
}

// Only a state's own bytes are read back.
func FuzzRestore(f *testing.F) {
	small, err := New(Genesis{Params: DefaultNetworkParams(), Cap: Coin, Grants: []Grant{{Balance: 7}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small.Snapshot())
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Machine
		if m.read(data) != nil {
			return
		}
		if !bytes.Equal(m.Snapshot(), data) {
			t.Fatal("a snapshot has two encodings")
		}
		if r, err := Restore(data, m.Root()); err == nil && r.Root() != m.Root() {
			t.Fatal("a state with another root")
		}
	})
}
