package score

// This file tests what holds of any board.

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/gradient"
	"lode/protocol"
)

// Splitting one worker's updates among identities changes nothing in what all of
// them are worth, as long as each sum is positive.
func TestSplittingGainsNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for range 50 {
		var one, two Board
		var whole, parts protocol.NanoNats
		for range 10 {
			a, b := protocol.NanoNats(rng.Int64N(1e12)), protocol.NanoNats(rng.Int64N(1e12))
			one.add([]Sum{{Validator: node(9), Worker: node(0), Total: a + b}})
			two.add([]Sum{{Validator: node(9), Worker: node(1), Total: a}, {Validator: node(9), Worker: node(2), Total: b}})
		}
		for _, s := range one.Opinions(rules) {
			whole += s.Total
		}
		for _, s := range two.Opinions(rules) {
			parts += s.Total
		}
		if whole != parts || whole == 0 {
			t.Fatalf("one identity %d, two %d", whole, parts)
		}
	}
}

// The merge of sums is a map from pairs to totals, sorted.
func TestAddAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	var b Board
	type pair struct{ v, w protocol.NodeID }
	want := map[pair]protocol.NanoNats{}
	for range 40 {
		round := map[pair]protocol.NanoNats{}
		for range rng.IntN(20) {
			round[pair{node(rng.IntN(4)), node(rng.IntN(600))}] = protocol.NanoNats(rng.IntN(100) - 50)
		}
		var news []Sum
		for k, n := range round { // in any order
			news = append(news, Sum{Validator: k.v, Worker: k.w, Total: n})
			want[k] += n
		}
		b.add(news)
	}
	if len(b.Sums) != len(want) || !slices.IsSortedFunc(b.Sums, compareSums) {
		t.Fatalf("%d sums, want %d in order", len(b.Sums), len(want))
	}
	for _, s := range b.Sums {
		if want[pair{s.Validator, s.Worker}] != s.Total {
			t.Fatalf("got %+v, want %d", s, want[pair{s.Validator, s.Worker}])
		}
	}
}

// randomRound returns sheets that a record could hold.
func randomRound(rng *rand.Rand, workers []Candidate) (sheets []Sheet) {
	for v := range 1 + rng.IntN(4) {
		s := vote(v, 1+rng.Uint64N(9))
		for range workers {
			r := protocol.Row{First: protocol.NanoNats(rng.IntN(200) - 60), Overlap: rng.Uint32N(1 << 16)}
			if r.Audited = rng.IntN(3) == 0; r.Audited {
				r.Paired = protocol.NanoNats(rng.IntN(200) - 60)
			}
			if r.Examined = rng.IntN(2) == 0; r.Examined {
				r.Work = protocol.NanoNats(rng.IntN(200) - 60)
			}
			s.Rows = append(s.Rows, r)
		}
		sheets = append(sheets, s)
	}
	return sheets
}

// Whatever sheets hold: verdicts do not depend on the order of sheets or
// candidates, standings and sums stay sorted, clones stay apart and a digest
// follows from the content.
func TestBoardProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 10))
	var b, twin Board
	for range 200 {
		var cs []Candidate
		var clips []gradient.Clip
		for _, w := range rng.Perm(12)[:rng.IntN(8)] {
			cs, clips = append(cs, Candidate{Worker: node(w), Norm: norm(1 + rng.Uint64N(1000))}), append(clips, 1+gradient.Clip(rng.Uint64N(1<<32)))
		}
		sheets := randomRound(rng, cs)
		clone := b.Clone()
		before := b.Digest()
		verdicts := b.Decide(rules, cs, clips, sheets)

		// The same round, told backwards.
		rcs, rclips, rsheets := slices.Clone(cs), slices.Clone(clips), slices.Clone(sheets)
		slices.Reverse(rcs)
		slices.Reverse(rclips)
		slices.Reverse(rsheets)
		for i := range rsheets {
			rsheets[i].Rows = slices.Clone(rsheets[i].Rows)
			slices.Reverse(rsheets[i].Rows)
		}
		backwards := twin.Decide(rules, rcs, rclips, rsheets)
		slices.Reverse(backwards)
		if !slices.Equal(verdicts, backwards) {
			t.Fatalf("got %+v, backwards %+v", verdicts, backwards)
		}
		refused := []protocol.NodeID{node(20 + rng.IntN(3))}
		b.Apply(verdicts, sheets, refused)
		twin.Apply(verdicts, sheets, refused)
		if b.Digest() != twin.Digest() || b.Digest() == before {
			t.Fatal("the digest does not follow the content")
		}
		if clone.Digest() != before {
			t.Fatal("applying changed a clone")
		}
		if !slices.IsSortedFunc(b.Standings, func(s, t Standing) int { return bytes.Compare(s.Worker[:], t.Worker[:]) }) {
			t.Fatal("standings out of order")
		}
		for _, v := range verdicts {
			if (v.Reason == protocol.OK) != (v.Clip > 0) || v.Reason == protocol.OK && v.Score <= 0 {
				t.Fatalf("impossible verdict %+v", v)
			}
		}
		if rng.IntN(10) == 0 {
			b.EndEpoch(rules, all)
			twin.EndEpoch(rules, all)
		}
	}
}
