package replica_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"lode/data"
	"lode/protocol"
	"lode/replica"
)

// numbered are samples that tell their number: records of one value.
type numbered int

func (n numbered) Len() int { return int(n) }

func (n numbered) Batch(_ context.Context, of []int) (data.Batch, error) {
	b := data.Batch{Rows: len(of), Steps: 1}
	for _, i := range of {
		if i < 0 || i >= int(n) {
			return b, fmt.Errorf("no sample %d", i)
		}
		b.Records = append(b.Records, byte(i), byte(i))
	}
	return b, nil
}

func privateRules(t *testing.T) *replica.Rules {
	t.Helper()
	man := manifest()
	man.Data.Mode, man.Score.Examine = protocol.DataPrivate, 0
	man.Train.InnerSteps, man.Train.Rows = 3, 4
	r, err := replica.NewRules(man)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// drawn returns the samples that rounds train on, round after round.
func drawn(t *testing.T, p *replica.Private, from, to protocol.Round) (all []int) {
	t.Helper()
	for n := from; n < to; n++ {
		h := 0
		for b, err := range p.Batches(t.Context(), n, protocol.Digest{byte(n)}, 9, 7) {
			if err != nil || b.Rows != 4 {
				t.Fatalf("%d rows, %v", b.Rows, err)
			}
			for _, class := range b.Targets.IDs {
				all = append(all, int(class))
			}
			h++
		}
		if h != 3 {
			t.Fatalf("round %d has %d batches", n, h)
		}
	}
	return all
}

// In every epoch each sample but those kept back comes once, in another order, whatever
// rounds and epochs have in common; and a round draws the same whoever asks again.
func TestPrivateDraws(t *testing.T) {
	r := privateRules(t)
	for _, num := range []int{1, 5, 12, 31, 100} {
		p, err := r.Private(protocol.NodeID{1}, numbered(num), 0.2)
		if err != nil {
			t.Fatal(err)
		}
		kept := map[int]bool{}
		for b, err := range p.Measure(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			for _, class := range b.Targets.IDs {
				kept[int(class)] = true
			}
		}
		if len(kept) != p.Kept() || p.Len()+p.Kept() != num || p.Len() < 1 || num >= 5 && p.Kept() != (num+2)/5 {
			t.Fatalf("of %d samples %d are trained on, %d kept back, %d measured with", num, p.Len(), p.Kept(), len(kept))
		}
		all := drawn(t, p, 0, 40)
		var first []int
		for epoch := range slices.Chunk(all, p.Len()) {
			seen := map[int]bool{}
			for _, i := range epoch {
				if seen[i] || kept[i] {
					t.Fatalf("of %d samples %d came twice in an epoch, or was kept back: %v", num, i, kept[i])
				}
				seen[i] = true
			}
			if first != nil && num > 20 && slices.Equal(first, epoch) {
				t.Error("two epochs have one order")
			}
			first = epoch
		}
		if again := drawn(t, p, 17, 19); !slices.Equal(again, all[17*12:19*12]) {
			t.Errorf("of %d samples rounds 17 and 18 draw %v when asked again, not %v", num, again, all[17*12:19*12])
		}
	}
	p, err := r.Private(protocol.NodeID{1}, numbered(100), 0)
	if err != nil {
		t.Fatal(err)
	}
	q, err := r.Private(protocol.NodeID{2}, numbered(100), 0)
	if err != nil {
		t.Fatal(err)
	}
	if p.Kept() != 0 || slices.Equal(drawn(t, p, 0, 1), drawn(t, q, 0, 1)) {
		t.Error("two nodes draw the same")
	}
	for _, bad := range []float64{-0.1, 1} {
		if _, err := r.Private(protocol.NodeID{1}, numbered(9), bad); err == nil {
			t.Errorf("a share of %v was kept back", bad)
		}
	}
	if _, err := r.Private(protocol.NodeID{1}, numbered(0), 0.5); err == nil {
		t.Error("no samples at all")
	}
}
