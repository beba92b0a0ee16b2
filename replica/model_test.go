package replica_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/validator/score"
)

// finished plays one round of num workers on model: the summary a machine would
// give, and the merge it rests on. Payloads go to the shelf.
func finished(t testing.TB, m *replica.Model, store shelf, num int) (*round.Summary, *replica.Merged) {
	t.Helper()
	n := m.Next
	codec, err := m.Codec()
	if err != nil {
		t.Fatal(err)
	}
	s := &round.Summary{Round: n}
	var accepted []aggregation.Contribution
	for w := range byte(num) {
		u := updateOf(t, m.Rules, codec, uint64(w+1))
		one := sealUpdate(m.Rules, n, w+1, u)
		store.put(one.payload)
		o := round.Outcome{Worker: one.worker, Commit: one.commit, Revealed: true, Key: one.key, Verdict: score.Verdict{Worker: one.worker}}
		if w%3 == 2 {
			o.Verdict.Reason = protocol.NoImprovement
		} else {
			o.Verdict.Clip = gradient.Unclipped / gradient.Clip(w+1)
			accepted = append(accepted, aggregation.Contribution{Update: u, Clip: o.Verdict.Clip})
		}
		s.Outcomes = append(s.Outcomes, o)
	}
	merged, err := m.Merge(accepted)
	if err != nil {
		t.Fatal(err)
	}
	wire := merged.Step.Wire()
	store.put(wire)
	s.Receipt = protocol.Receipt{
		Round: n, Step: protocol.Sum(merged.Step.Plain()), Payload: protocol.Sum(wire), Size: uint64(len(wire)),
		Model: merged.Model, Outer: merged.State,
	}
	if len(wire) > m.Rules.MaxStep(n) {
		t.Errorf("a step of %d bytes, at most %d are said to be possible", len(wire), m.Rules.MaxStep(n))
	}
	return s, merged
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// Who merges, who applies the step and who catches up end at the same bits.
func TestApplyIsMerge(t *testing.T) {
	for name, changes := range map[string][]func(*protocol.Manifest){
		"momentum": nil, "plain": {plain}, "shared places": {plain, shared}, "shared places, momentum": {shared},
	} {
		t.Run(name, func(t *testing.T) {
			r := rulesOf(t, changes...)
			validator, worker, late := modelOf(t, r), modelOf(t, r), modelOf(t, r)
			store := shelf{}
			var all []*round.Summary
			for n := range protocol.Round(4) {
				num := 5
				if n == 2 {
					num = 0 // a round that accepts nothing
				}
				before := slices.Clone(validator.Params)
				s, merged := finished(t, validator, store, num)
				all = append(all, s)
				if !sameBits(before, validator.Params) || validator.Next != n {
					t.Fatal("merging moved the model")
				}
				if err := validator.Adopt(merged, s.Receipt); err != nil {
					t.Fatal(err)
				}
				if err := worker.Apply(s.Receipt, store[s.Receipt.Payload]); err != nil {
					t.Fatal(err)
				}
				if !sameBits(validator.Params, worker.Params) || worker.Next != n+1 {
					t.Fatalf("round %d: the step leads elsewhere than the merge", n)
				}
				if moved := !sameBits(before, validator.Params); moved != (num > 0) {
					t.Errorf("round %d of %d workers: the model moved: %v", n, num, moved)
				}
			}
			for _, s := range all {
				for range 2 { // a round it has left changes nothing
					if err := late.Catch(context.Background(), store, s); err != nil {
						t.Fatal(err)
					}
				}
			}
			if !sameBits(validator.Params, late.Params) || late.Next != 4 {
				t.Error("catching up leads elsewhere")
			}
			for i := range validator.Outer {
				if !slices.Equal(validator.Outer[i], late.Outer[i]) {
					t.Error("the outer optimizers differ")
				}
			}
		})
	}
}

// I1: the order in which updates come does not matter.
func TestMergeInAnyOrder(t *testing.T) {
	r := rulesOf(t)
	m := modelOf(t, r)
	var accepted []aggregation.Contribution
	for i := range 5 {
		accepted = append(accepted, aggregation.Contribution{Update: updateOf(t, r, r.Codec(0), uint64(i)), Clip: gradient.Unclipped / gradient.Clip(i+1)})
	}
	one, err := m.Merge(accepted)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(accepted)
	two, err := m.Merge(accepted)
	if err != nil {
		t.Fatal(err)
	}
	if one.Model != two.Model || one.State != two.State || !bytes.Equal(one.Step.Plain(), two.Step.Plain()) {
		t.Error("another order, another model")
	}
}

// What does not lead to the receipt's state is refused and moves nothing.
func TestModelRefuses(t *testing.T) {
	r := rulesOf(t)
	store := shelf{}
	m := modelOf(t, r)
	s, merged := finished(t, m, store, 3)
	start := m.Encode()
	wire := store[s.Receipt.Payload]
	for name, change := range map[string]func(*protocol.Receipt){
		"another round": func(rc *protocol.Receipt) { rc.Round++ },
		"another step":  func(rc *protocol.Receipt) { rc.Step[0] ^= 1 },
		"another model": func(rc *protocol.Receipt) { rc.Model[0] ^= 1 },
	} {
		rc := s.Receipt
		change(&rc)
		if err := m.Apply(rc, wire); err == nil {
			t.Errorf("%s: applied", name)
		}
		if err := m.Adopt(merged, rc); err == nil {
			t.Errorf("%s: adopted", name)
		}
	}
	rc := s.Receipt
	rc.Outer[0] ^= 1
	if err := m.Adopt(merged, rc); err == nil {
		t.Error("another outer state: adopted")
	}
	for name, payload := range map[string][]byte{
		"nothing": nil, "cut": wire[:len(wire)-1], "longer": append(slices.Clone(wire), 0), "junk": []byte("LGS\x01junk"),
	} {
		if err := m.Apply(s.Receipt, payload); err == nil {
			t.Errorf("a step that is %s: applied", name)
		}
	}
	missing := shelf{}
	if err := m.Catch(context.Background(), missing, s); protocol.ReasonOf(errors.Unwrap(err)) != protocol.NotFound {
		t.Errorf("payloads that nobody has: %v", err)
	}
	ahead := *s
	ahead.Round++
	if err := m.Catch(context.Background(), store, &ahead); err == nil {
		t.Error("a round ahead: caught up with")
	}
	if !slices.Equal(m.Encode(), start) {
		t.Error("a refusal moved the model")
	}
	if err := m.Catch(context.Background(), store, s); err != nil {
		t.Error(err)
	}
}

// Updates and steps of a finished round are checked against what was recorded.
func TestUpdatesAndStep(t *testing.T) {
	r := rulesOf(t)
	store := shelf{}
	s, merged := finished(t, modelOf(t, r), store, 6)
	ctx := context.Background()
	accepted, err := r.Accepted(ctx, store, r.Codec(s.Round), s, replica.NewPile(nil))
	if err != nil || len(accepted) != 4 {
		t.Fatalf("%d updates, %v; want the 4 accepted", len(accepted), err)
	}
	for i, w := range []int{0, 1, 3, 4} {
		if accepted[i].Clip != s.Outcomes[w].Verdict.Clip {
			t.Errorf("accepted update %d has clip factor %d, its verdict says %d", i, accepted[i].Clip, s.Outcomes[w].Verdict.Clip)
		}
	}
	step, err := r.Step(ctx, store, s.Receipt)
	if err != nil || !slices.Equal(step.Plain(), merged.Step.Plain()) {
		t.Errorf("another step, or %v", err)
	}
	rc := s.Receipt
	rc.Step[0] ^= 1
	if _, err := r.Step(ctx, store, rc); err == nil {
		t.Error("another step than the receipt's is taken")
	}
	s.Outcomes[0].Key[0] ^= 1
	if _, err := r.Accepted(ctx, store, r.Codec(s.Round), s, replica.NewPile(nil)); protocol.ReasonOf(err) != protocol.NotOpened {
		t.Errorf("an update under another key: %v", err)
	}
}

// Where workers share places, all who stand before one round know the same ones: who
// merged, who applied the step, and who took the model up from a file. Who has not
// seen the last step does not.
func TestSharedPlaces(t *testing.T) {
	r := rulesOf(t, plain, shared)
	validator, worker, store := modelOf(t, r), modelOf(t, r), shelf{}
	var before []byte
	for n := range protocol.Round(3) {
		s, merged := finished(t, validator, store, 4)
		if err := errors.Join(validator.Adopt(merged, s.Receipt), worker.Apply(s.Receipt, store[s.Receipt.Payload])); err != nil {
			t.Fatal(err)
		}
		kept := modelOf(t, r)
		if err := kept.Decode(validator.Encode()); err != nil {
			t.Fatal(err)
		}
		want := updateUnder(t, validator)
		if !bytes.Equal(updateUnder(t, worker), want) || !bytes.Equal(updateUnder(t, kept), want) {
			t.Fatalf("after round %d places differ", n)
		}
		if bytes.Equal(want, before) {
			t.Errorf("after round %d places are those of the round before", n)
		}
		before = want
	}
	if len(validator.Encode()) > validator.MaxEncoded() {
		t.Error("the file is longer than is said to be possible")
	}
	lost := modelOf(t, r)
	for _, last := range [][]byte{validator.Last(), nil} {
		if err := lost.Stand(3, last); err != nil {
			t.Fatal(err)
		}
		if _, err := lost.Codec(); (last == nil) != errors.Is(err, replica.ErrNoPlaces) {
			t.Errorf("places after a step of %d bytes: %v", len(last), err)
		}
	}
	if err := lost.Stand(5, []byte("LGS")); err == nil || lost.Next != 3 {
		t.Errorf("a step that is none: %v", err)
	}
}

// updateUnder returns the plain form of one fixed vector under the model's codec.
func updateUnder(t *testing.T, m *replica.Model) []byte {
	t.Helper()
	codec, err := m.Codec()
	if err != nil {
		t.Fatal(err)
	}
	return updateOf(t, m.Rules, codec, 77).Plain()
}

func TestFile(t *testing.T) {
	r := rulesOf(t)
	m := modelOf(t, r)
	s, merged := finished(t, m, shelf{}, 3)
	if err := m.Adopt(merged, s.Receipt); err != nil {
		t.Fatal(err)
	}
	b := m.Encode()
	if len(b) > m.MaxEncoded() {
		t.Errorf("%d bytes, at most %d are said to be possible", len(b), m.MaxEncoded())
	}
	again := modelOf(t, r)
	if err := again.Decode(b); err != nil {
		t.Fatal(err)
	}
	if again.Next != 1 || !sameBits(again.Params, m.Params) || !slices.Equal(again.Outer[0], m.Outer[0]) || !slices.Equal(again.Encode(), b) {
		t.Error("another model comes back")
	}

	refuse := func(name string, m *replica.Model, b []byte) {
		t.Helper()
		before := m.Encode()
		if err := m.Decode(b); !errors.Is(err, replica.ErrModelFile) {
			t.Errorf("%s: got %v", name, err)
		}
		if !slices.Equal(m.Encode(), before) {
			t.Errorf("%s: the model changed", name)
		}
	}
	for _, n := range []int{0, 1, 35, 36, 100, len(b) - 1} {
		refuse("cut", again, b[:n])
	}
	refuse("longer", again, append(slices.Clone(b), 0))
	for i := 0; i < len(b); i += 1 + len(b)/200 {
		bad := slices.Clone(b)
		bad[i] ^= 0x10
		refuse("damaged", again, bad)
	}
	refuse("another run's", modelOf(t, rulesOf(t, func(m *protocol.Manifest) { m.Name = "other" })), b)
	refuse("with planes this run has none of", modelOf(t, rulesOf(t, plain)), b)
	refuse("with a header of any length", again, resum(append([]byte{255, 255, 255, 255}, b[4:]...)))
	refuse("with another header", again, resum(append([]byte{0, 0, 0, 0}, b[4:]...)))
	refuse("of a shorter model", again, resum(slices.Delete(slices.Clone(b), 100, 104)))
}
