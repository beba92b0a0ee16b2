package cuda

import (
	"math"
	"math/rand/v2"
	"testing"

	"lode/gradient"
	"lode/tensor"
)

// BenchmarkHostOfDots is what the host does so that the card can multiply updates of 16 million
// values (k 64, 2 bits): to unpack them into parcels, and to hand on their plain form.
func BenchmarkHostOfDots(b *testing.B) {
	l, err := tensor.NewLayout(tensor.Spec{Name: "w", Shape: []int{4096, 4096}})
	if err != nil {
		b.Fatal(err)
	}
	a := make(tensor.Flat, l.Len())
	r := rand.New(rand.NewPCG(1, 1))
	for i := range a {
		a[i] = float32(r.NormFloat64())
	}
	const num = 8
	var all []tiled
	var u *gradient.Update
	for range num {
		if u, err = gradient.Encode(l, gradient.DefaultParams(), a); err != nil {
			b.Fatal(err)
		}
		all = append(all, u)
	}
	values := func(b *testing.B) {
		b.ReportMetric(float64(num*l.Len())*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gvalues/s")
	}
	b.Run("unpack", func(b *testing.B) {
		var p parcel
		var entries []gradient.Entry
		host := make([]byte, 1<<20)
		for b.Loop() {
			for range num {
				for c := range l.Chunks() {
					var exp int
					entries, exp = u.Entries(entries[:0], c)
					p.add(c, entries, math.Ldexp(1, exp))
					if p.bytes() > 1<<19 {
						p.layOut(host)
					}
				}
				p.layOut(host)
			}
		}
		values(b)
	})
	b.Run("plain", func(b *testing.B) {
		host := make([]byte, exchangeBytes/2)
		for b.Loop() {
			for piece := range pieces(l, u.Tiles(), len(host)/num-sumBytes, sumBytes) {
				from, to := ends(piece)
				gather(host, all, from, to)
			}
		}
		values(b)
	})
}
