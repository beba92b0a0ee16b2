package score

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/protocol"
)

// The definition: the least value such that the opinions at or below it hold at
// least half of the stake.
func slowMedian(opinions []Opinion[int]) int {
	best, found := 0, false
	for _, o := range opinions {
		var below, total uint64
		for _, p := range opinions {
			total += p.Stake
			if p.Value <= o.Value {
				below += p.Stake
			}
		}
		if 2*below >= total && (!found || o.Value < best) {
			best, found = o.Value, true
		}
	}
	return best
}

func TestMedianAgainstDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		opinions := make([]Opinion[int], rng.IntN(8))
		for i := range opinions {
			opinions[i] = Opinion[int]{Value: rng.IntN(7) - 3, Stake: rng.Uint64N(4)}
		}
		before := slices.Clone(opinions)
		got := Median(opinions)
		if want := slowMedian(opinions); got != want {
			t.Fatalf("%v: got %d, want %d", opinions, got, want)
		}
		if !slices.Equal(opinions, before) {
			t.Fatal("the opinions were moved")
		}
		rng.Shuffle(len(opinions), func(i, j int) { opinions[i], opinions[j] = opinions[j], opinions[i] })
		if again := Median(opinions); again != got {
			t.Fatalf("%v: %d in one order, %d in another", opinions, got, again)
		}
	}
}

func TestMedianCases(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []Opinion[int]
		want int
	}{
		{"none", nil, 0},
		{"one", []Opinion[int]{{7, 1}}, 7},
		{"two equal stakes, the lower", []Opinion[int]{{9, 5}, {4, 5}}, 4},
		{"more stake wins", []Opinion[int]{{9, 6}, {4, 5}}, 9},
		{"a third cannot move it up", []Opinion[int]{{1 << 40, 1}, {4, 1}, {5, 1}}, 5},
		{"a third cannot move it down", []Opinion[int]{{-1 << 40, 1}, {4, 1}, {5, 1}}, 4},
		{"stakes near the limit", []Opinion[int]{{1, math.MaxUint64 / 2}, {2, math.MaxUint64/2 + 1}}, 2},
	} {
		if got := Median(c.in); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestTwoThirds(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 3000 {
		whole := rng.Uint64() >> rng.IntN(64)
		part := rng.Uint64() >> rng.IntN(64)
		if rng.IntN(2) == 0 {
			part = whole/3*2 + rng.Uint64N(3) // at the edge
		}
		three, two := new(big.Int).SetUint64(part), new(big.Int).SetUint64(whole)
		want := three.Mul(three, big.NewInt(3)).Cmp(two.Mul(two, big.NewInt(2))) >= 0
		if got := TwoThirds(part, whole); got != want {
			t.Fatalf("%d of %d: got %v", part, whole, got)
		}
	}
}

func TestScaled(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 3000 {
		x, q := protocol.NanoNats(rng.Int64N(int64(protocol.MaxNanoNats)+1)), rng.Uint32N(1<<16+1)
		want := new(big.Int).Mul(big.NewInt(int64(x)), big.NewInt(int64(q)))
		if got := scaled(x, q); int64(got) != want.Rsh(want, 16).Int64() {
			t.Fatalf("%d · %d / 65536: got %d", x, q, got)
		}
	}
	if got := scaled(-5, 1<<16); got != 0 {
		t.Errorf("of a negative reference: got %d", got)
	}
}
