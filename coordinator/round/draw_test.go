package round

import (
	"slices"
	"testing"

	"lode/protocol"
)

// A round draws its share of the workers; over many rounds all are drawn alike.
func TestDrawn(t *testing.T) {
	workers := make([]protocol.NodeID, 20)
	for i := range workers {
		workers[i] = protocol.NodeID{byte(i + 1)}
	}
	for share, want := range map[uint32]int{0: 20, 1: 1, protocol.Q16(0.05): 1, protocol.Q16(0.26): 5, protocol.Q16(0.5): 10, 1 << 16: 20} {
		num := protocol.Members{Fraction: share}.Taken(len(workers))
		times := map[protocol.NodeID]int{}
		for n := range 400 {
			got := drawn(workers, num, protocol.Digest{byte(n), byte(n >> 8)})
			if len(got) != want || !slices.IsSortedFunc(got, func(a, b protocol.NodeID) int { return slices.Compare(a[:], b[:]) }) {
				t.Fatalf("a share of %d of 2^16 takes %d of 20 workers, want %d in order", share, len(got), want)
			}
			for _, w := range got {
				times[w]++
			}
		}
		for w, n := range times { // deviation at most 10
			if mean := 400 * want / 20; want < 20 && (n < mean-40 || n > mean+40) || len(times) != 20 {
				t.Errorf("a share of %d of 2^16: worker %v was taken %d times of 400, %d workers in all", share, w[0], n, len(times))
			}
		}
	}
}
