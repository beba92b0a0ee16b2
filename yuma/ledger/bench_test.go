package ledger

import (
	"encoding/binary"
	"runtime"
	"testing"

	"lode/protocol"
)

// crowd is a world with so many accounts besides.
func crowd(b testing.TB, n int) world {
	w := newWorld(b, false)
	if _, err := w.step(func() error {
		for i := range uint64(n) {
			if err := w.endow(Coin); err != nil {
				return err
			}
			w.credit(member(i), Coin)
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	w.Root()
	return w
}

func member(i uint64) (c Coldkey) {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], i)
	return Coldkey(protocol.Sum(n[:]))
}

// Transfers among a million accounts: with the signature, without, and with a root
// after each hundred.
func BenchmarkTransfer(b *testing.B) {
	const n = 1_000_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w := crowd(b, n)
	runtime.GC()
	runtime.ReadMemStats(&after)
	perAccount := float64(after.HeapAlloc-before.HeapAlloc) / n
	signer := pub("bob")
	body := func(i int) Transfer { return Transfer{To: member(uint64(i*7919) % n), Amount: 1000} }
	b.Run("signed", func(b *testing.B) {
		a, _ := w.Account(cold("ann"))
		txs := make([]Tx, b.N)
		for i := range txs {
			txs[i] = Sign(person("ann"), w.net.ID, a.Nonce+uint64(i), 0, body(i))
		}
		b.ResetTimer()
		for i := range txs {
			if _, err := w.Apply(txs[i]); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(perAccount, "B/account")
	})
	for name, every := range map[string]int{"known": 1 << 60, "known, root": 100} {
		b.Run(name, func(b *testing.B) {
			a, _ := w.Account(cold("bob"))
			for i := range b.N {
				if _, err := w.unsigned(Tx{Signer: signer, Nonce: a.Nonce + uint64(i)}, body(i)); err != nil {
					b.Fatal(err)
				}
				if i%every == 0 {
					w.Root()
				}
			}
		})
	}
}

// A block without transactions, with so many runs.
func BenchmarkBlock(b *testing.B) {
	w := newWorld(b, false, func(g *Genesis) {
		for i := range 127 {
			r := g.Runs[0]
			r.ID[1] = byte(i + 1)
			g.Runs = append(g.Runs, r)
		}
	})
	for b.Loop() {
		w.pass(1)
	}
}
