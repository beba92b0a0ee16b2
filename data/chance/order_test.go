package chance

import (
	"slices"
	"testing"

	"lode/protocol"
)

// Every place has another number, for every length, and no length is the identity once
// it is long.
func TestOrderIsAPermutation(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 16, 17, 63, 64, 65, 1000, 4096, 4097} {
		o := NewOrder("test", n, protocol.Digest{1})
		seen, still := make([]bool, n), 0
		for i := range n {
			x := o.At(i)
			if x < 0 || x >= n || seen[x] {
				t.Fatalf("of %d, place %d has %d", n, i, x)
			}
			seen[x] = true
			if x == i {
				still++
			}
		}
		if n > 60 && still > 8 { // 1 is expected
			t.Errorf("of %d places %d are as they were", n, still)
		}
	}
}

// All permutations of four come about alike, and first places of a long order are
// spread evenly.
func TestOrderIsEven(t *testing.T) {
	times := map[[4]int]int{}
	var firsts []int
	for k := range 2400 {
		o, p := NewOrder("test", 4, protocol.Digest{}, k), [4]int{}
		for i := range p {
			p[i] = o.At(i)
		}
		times[p]++
		firsts = append(firsts, NewOrder("test", 1e6, protocol.Digest{}, k).At(0))
	}
	for p, n := range times { // deviation 10
		if len(times) != 24 || n < 50 || n > 150 {
			t.Errorf("%v came %d times of 2400, %d others did", p, n, len(times)-1)
		}
	}
	slices.Sort(firsts)
	if m := firsts[1200]; m < 450_000 || m > 550_000 || firsts[0] > 10_000 || firsts[2399] < 990_000 {
		t.Errorf("first places of a million from %d to %d, half below %d", firsts[0], firsts[2399], m)
	}
}

// The order is fixed for ever: what a worker trains on in which round follows from it.
func TestOrderGolden(t *testing.T) {
	o := NewOrder("golden", 1000, protocol.Digest{1, 2, 3}, 4)
	var got []int
	for i := range 8 {
		got = append(got, o.At(i))
	}
	if want := goldenOrder; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

var goldenOrder = []int{320, 613, 843, 497, 326, 591, 691, 230}
