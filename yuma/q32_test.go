package yuma

// This file holds the arithmetic against big integers and the plain series.

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// samples are numbers around every boundary and random ones of every size.
func samples(rng *rand.Rand) []Q32 {
	v := []Q32{
		0, 1, -1, one, -one, one - 1, one + 1, half, math.MaxInt64, math.MinInt64,
		math.MaxInt64 - 1, math.MinInt64 + 1, 1 << 31, -1 << 31, 20 * one, -20 * one,
	}
	for range 300 {
		v = append(v, Q32(rng.Uint64())>>rng.UintN(64))
	}
	return v
}

// saturate brings x into the range of a Q32.
func saturate(x *big.Int) Q32 {
	switch {
	case x.IsInt64():
		return Q32(x.Int64())
	case x.Sign() > 0:
		return math.MaxInt64
	}
	return math.MinInt64
}

func TestProductFloorsAndQuotientTruncates(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	v := samples(rng)
	for _, a := range v {
		for _, b := range v {
			x, y := big.NewInt(int64(a)), big.NewInt(int64(b))
			p := new(big.Int).Mul(x, y)
			if want := saturate(p.Rsh(p, 32)); mul(a, b) != want { // Rsh floors
				t.Fatalf("%d * %d = %d, want %d", a, b, mul(a, b), want)
			}
			want := Q32(0)
			if b != 0 {
				q := new(big.Int).Quo(x.Lsh(x, 32), y) // Quo truncates
				if q.IsInt64() {
					want = Q32(q.Int64())
				}
			}
			if div(a, b) != want {
				t.Fatalf("%d / %d = %d, want %d", a, b, div(a, b), want)
			}
			if 0 <= a && a <= b && quo(a, b) != want {
				t.Fatalf("quo(%d, %d) = %d, want %d", a, b, quo(a, b), want)
			}
		}
	}
}

// plainExp is the definition of exp.
func plainExp(x Q32) Q32 {
	x = clamp(x, -20*one, 20*one)
	if x == 0 {
		return one
	}
	if x == one {
		return 22802600 << 9
	}
	y := max(x, -x)
	r, term := one+y, y
	for i := Q32(2); i <= 31; i++ {
		term = mul(term, y) / i
		r += term
	}
	if x < 0 {
		return div(one, r)
	}
	return r
}

func TestExpIsItsSeries(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	check := func(x Q32) {
		if got, want := exp(x), plainExp(x); got != want {
			t.Fatalf("exp(%d) = %d, want %d", x, got, want)
		}
	}
	for _, x := range samples(rng) {
		check(x)
	}
	for range 20000 {
		check(Q32(rng.Int64N(int64(40*one))) - 20*one)
	}
}

func TestReciprocalsAreExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for i := uint64(2); i <= expTerms; i++ {
		for k := range 2000 {
			x := rng.Uint64() >> 1
			if k%2 == 0 {
				x = x/i*i - uint64(k%4)/2 // at a multiple and just below
			}
			hi := new(big.Int).Mul(new(big.Int).SetUint64(x), new(big.Int).SetUint64(reciprocals[i].mult))
			if got := hi.Rsh(hi, 64+reciprocals[i].shift).Uint64(); x < 1<<63 && got != x/i {
				t.Fatalf("%d / %d = %d, want %d", x, i, got, x/i)
			}
		}
	}
}

func TestStoredProportions(t *testing.T) {
	for _, c := range []struct {
		q    Q32
		want uint16
	}{{math.MinInt64, 0}, {-1, 0}, {0, 0}, {half, 32767}, {one - 1, 65534}, {one, 65535}, {math.MaxInt64, 65535}} {
		if got := c.q.Uint16(); got != c.want {
			t.Errorf("%d stored as %d, want %d", c.q, got, c.want)
		}
	}
	if got := one.Of(math.MaxUint64); got != math.MaxUint64 {
		t.Errorf("the whole of an amount is %d", got)
	}
	if got := (one / 3).Of(10); got != 3 {
		t.Errorf("a third of 10 is %d", got)
	}
}

// TestMaxUpscaleRoundsHalfUp compares large scores with exact fractions.
func TestMaxUpscaleRoundsHalfUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 500 {
		scores := make([]int64, 1+rng.IntN(6))
		var top int64
		for i := range scores {
			scores[i] = int64(rng.Uint64()>>1) >> rng.UintN(48)
			top = max(top, scores[i])
		}
		got := make([]uint16, len(scores))
		MaxUpscale(got, scores)
		for i, x := range scores {
			if top <= full {
				continue // covered by the golden cases, with the chain's own rounding
			}
			n := new(big.Int).Mul(big.NewInt(x), big.NewInt(2*full))
			n.Add(n, big.NewInt(top))
			if want := n.Div(n, new(big.Int).Mul(big.NewInt(2), big.NewInt(top))).Uint64(); uint64(got[i]) != want {
				// top is halved downwards: an exact half of an odd top cannot occur.
				t.Fatalf("%d of %d is %d, want %d", x, top, got[i], want)
			}
		}
	}
}
