package economy

// This file holds the comparison of the number format with integers of any size.

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"lode/yuma"
)

func (x fixed) big() *big.Int {
	b := new(big.Int).SetUint64(x.hi)
	return b.Lsh(b, 64).Add(b, new(big.Int).SetUint64(x.lo))
}

func TestFixedIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 42))
	draw := func() fixed {
		x := whole(rng.Uint64() >> rng.UintN(64))
		x.lo |= uint64(rng.Uint32())
		return x
	}
	check := func(what string, got, want *big.Int) {
		t.Helper()
		if got.Cmp(want) != 0 {
			t.Fatalf("%s: got %v, want %v", what, got, want)
		}
	}
	for k := range 20_000 {
		a, b := draw(), draw()
		q := yuma.Q32(rng.Uint64N(uint64(one) + 1))
		if k%10 == 0 {
			q, b = one, a
		}
		check("plus", a.plus(b).big(), new(big.Int).Add(a.big(), b.big()))
		diff := new(big.Int).Sub(a.big(), b.big())
		if diff.Sign() < 0 {
			diff.SetInt64(0)
		}
		check("minus", a.minus(b).big(), diff)
		prod := new(big.Int).Mul(a.big(), big.NewInt(int64(q)))
		check("times", a.times(q).big(), prod.Rsh(prod, 32))
		total := a.plus(b)
		if total == (fixed{}) {
			continue
		}
		part := new(big.Int).Lsh(a.big(), 32)
		check("partOf", big.NewInt(int64(a.partOf(total))), part.Div(part, total.big()))
	}
	if got := (fixed{}).partOf(fixed{}); got != 0 {
		t.Errorf("nothing of nothing is %d", got)
	}
	if got := (fixed{hi: 1 << 32}).floor(); got != 1<<64-1 {
		t.Errorf("2⁶⁴ is floored to %d", got)
	}
}

// The factor is the largest that halves in time.
func TestDecayFactorIsTheLargest(t *testing.T) {
	for n := uint16(1); n < 3000; n += 7 {
		f := DecayFactor(n)
		if power(f, n) > one/2 || power(f+1, n) <= one/2 {
			t.Fatalf("half-life %d: %d", n, f)
		}
	}
	if DecayFactor(0) != 0 {
		t.Error("a half-life of 0 leaves something")
	}
}
