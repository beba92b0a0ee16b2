package replica_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"lode/aggregation"
	"lode/data"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
	"lode/validator/score"
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
		kept, want := map[int]bool{}, min((num+2)/5, 12) // a round trains on 3·4
		if want > 4 {
			want -= want % 4
		}
		for b, err := range p.Measure(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			for _, class := range b.Targets.IDs {
				kept[int(class)] = true
			}
		}
		if len(kept) != p.Kept() || p.Len()+p.Kept() != num || p.Len() < 1 || num >= 5 && p.Kept() != want {
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

// A worker that has three samples goes through all of them before one comes again,
// whatever rounds it does so in.
func ExamplePrivate() {
	man := manifest()
	man.Data.Mode, man.Train.InnerSteps, man.Train.Rows = protocol.DataPrivate, 1, 1
	rules, err := replica.NewRules(man)
	if err != nil {
		fmt.Println(err)
		return
	}
	own, err := rules.Private(idOf(1), numbered(3), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	for epoch := range 2 {
		seen := map[int32]bool{}
		for n := range 3 {
			for b, err := range own.Batches(context.Background(), protocol.Round(3*epoch+n), protocol.Digest{}, 1, 0) {
				if err != nil {
					fmt.Println(err)
					return
				}
				seen[b.Targets.IDs[0]] = true
			}
		}
		fmt.Println("epoch", epoch, "has", len(seen), "different samples")
	}
	// Output:
	// epoch 0 has 3 different samples
	// epoch 1 has 3 different samples
}

// A worker that claims as many samples as count, M, moves the mean by M/(M + samples of the
// others) of its update, and no further: three with 10, 20 and 30 samples against one.
func TestClaimMovesTheMean(t *testing.T) {
	const most = 40
	r := rulesOf(t, func(m *protocol.Manifest) {
		m.Data.Mode = protocol.DataPrivate
		m.Update = protocol.Update{Codec: "dense", Bits: 32, Decay: protocol.Q16(0.95), MinExp: -40, MaxExp: -4, Boost: 1}
		m.Merge = protocol.Merge{Rule: "mean", Optimizer: "sgd", Rate: protocol.Q16(1), StepBits: 24, Refuse: 4, MaxSamples: most}
		m.Score.Overlap = protocol.Q16(1)
	})
	model, err := replica.NewModel(r)
	if err != nil {
		t.Fatal(err)
	}
	constant := func(v float32) *gradient.Update {
		a := make(tensor.Flat, r.Layout.Len())
		for i := range a {
			a[i] = v
		}
		u, err := gradient.Encode(r.Layout, r.Codec(0), a)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	ok := score.Verdict{Reason: protocol.OK, Clip: gradient.Unclipped}
	for claim, want := range map[uint32]float64{1: 59.0 / 61, 20: 40.0 / 80, most: 20.0 / 100} {
		var all []aggregation.Contribution
		for _, n := range []uint32{10, 20, 30} {
			all = append(all, replica.Contribution(constant(0.5), ok, protocol.Commit{Samples: n}))
		}
		all = append(all, replica.Contribution(constant(-0.5), ok, protocol.Commit{Samples: claim}))
		merged, err := model.Merge(all)
		if err != nil {
			t.Fatal(err)
		}
		vals := make([]float32, tensor.ChunkLen)
		for c := range r.Layout.Chunks() {
			clear(vals)
			merged.Step.SubtractFrom(c, vals[:c.Len])
			for _, v := range vals[:c.Len] {
				if got := float64(-v) / 0.5; math.Abs(got-want) > 1e-5 {
					t.Fatalf("against 60 samples a claim of %d leaves %v of the others' step, want %v", claim, got, want)
				}
			}
		}
	}
}
