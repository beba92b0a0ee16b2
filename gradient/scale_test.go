package gradient

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestNormDoubleAndHalf(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		n := Norm{rng.Uint64() >> (2 + rng.IntN(62)), rng.Uint64()}
		if got := n.Double().Half(); got != n {
			t.Fatalf("half of twice %v is %v", n, got)
		}
		if n.Exceeds(n.Double(), 1) || !n.Double().Exceeds(n, 1) && n != (Norm{}) || n.Double().Exceeds(n, 2) {
			t.Fatalf("twice %v is %v", n, n.Double())
		}
	}
	if top := (Norm{math.MaxUint64, 0}).Double(); top != (Norm{math.MaxUint64, math.MaxUint64}) {
		t.Fatalf("twice the largest is %v", top)
	}
}
