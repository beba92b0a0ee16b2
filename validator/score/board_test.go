package score

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"lode/gradient"
	"lode/protocol"
)

var rules = protocol.Score{Threshold: 1 << 15, Overlap: 1 << 15, WorkGate: 1 << 14, WorkMin: 2}

// all says that every validator said what it thinks.
func all(protocol.NodeID) bool { return true }

func node(i int) protocol.NodeID { return protocol.NodeID{byte(i), byte(i >> 8)} }

func norm(n uint64) gradient.Norm { return gradient.Norm{Lo: n * n} }

// vote is one sheet: stake and rows.
func vote(validator int, stake uint64, rows ...protocol.Row) Sheet {
	return Sheet{Validator: node(1000 + validator), Stake: stake, Rows: rows}
}

func row(n protocol.NanoNats) protocol.Row { return protocol.Row{First: n} }

func audited(n, paired protocol.NanoNats) protocol.Row {
	return protocol.Row{First: n, Audited: true, Paired: paired}
}

func examined(n, work protocol.NanoNats) protocol.Row {
	return protocol.Row{First: n, Examined: true, Work: work}
}

func candidates(n int) (cs []Candidate, clips []gradient.Clip) {
	for i := range n {
		cs, clips = append(cs, Candidate{Worker: node(i), Norm: norm(100)}), append(clips, gradient.Unclipped>>1)
	}
	return cs, clips
}

// play decides and applies one round.
func play(b *Board, p protocol.Score, n int, sheets ...Sheet) []Verdict {
	cs, clips := candidates(n)
	v := b.Decide(p, cs, clips, sheets)
	b.Apply(v, sheets, nil)
	return v
}

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name   string
		scores []protocol.NanoNats // accepted before
		sheets []Sheet
		want   protocol.Reason
		score  protocol.NanoNats
	}{
		{"improves", nil, []Sheet{vote(0, 1, row(1))}, protocol.OK, 1},
		{"does nothing", nil, []Sheet{vote(0, 1, row(0))}, protocol.NoImprovement, 0},
		{"harms", nil, []Sheet{vote(0, 1, row(-1))}, protocol.NoImprovement, -1},
		{"nobody scored", nil, nil, protocol.NoImprovement, 0},
		{"at the threshold", []protocol.NanoNats{100}, []Sheet{vote(0, 1, row(50))}, protocol.NoImprovement, 50},
		{"above the threshold", []protocol.NanoNats{100}, []Sheet{vote(0, 1, row(51))}, protocol.OK, 51},
		{"threshold of the lower median", []protocol.NanoNats{100, 300, 20, 8000}, []Sheet{vote(0, 1, row(51))}, protocol.OK, 51},
		{"a liar cannot raise", nil, []Sheet{vote(0, 1, row(-1)), vote(1, 1, row(-1)), vote(2, 1, row(protocol.MaxNanoNats))}, protocol.NoImprovement, -1},
		{"a liar cannot lower", nil, []Sheet{vote(0, 1, row(5)), vote(1, 1, row(5)), vote(2, 1, row(-protocol.MaxNanoNats))}, protocol.OK, 5},
		{"half lowers", nil, []Sheet{vote(0, 1, row(5)), vote(1, 1, row(-7))}, protocol.NoImprovement, -7},
		{"audit finds improvement", nil, []Sheet{vote(0, 1, audited(5, 1))}, protocol.OK, 5},
		{"audit finds nothing", nil, []Sheet{vote(0, 1, audited(5, 0))}, protocol.NoImprovement, 5},
		{"audit cannot help", nil, []Sheet{vote(0, 1, audited(-5, 9))}, protocol.NoImprovement, -5},
		{"one of three audits", nil, []Sheet{vote(0, 1, audited(5, -9)), vote(1, 1, row(5)), vote(2, 1, row(5))}, protocol.OK, 5},
		{"half audits", nil, []Sheet{vote(0, 2, audited(5, -9)), vote(1, 1, row(5)), vote(2, 1, row(5))}, protocol.NoImprovement, 5},
		{"most audits find improvement", nil, []Sheet{vote(0, 1, audited(5, -9)), vote(1, 1, audited(5, 1)), vote(2, 1, audited(5, 1))}, protocol.OK, 5},
		{"overlap at the limit", nil, []Sheet{vote(0, 1, protocol.Row{First: 5, Overlap: 1 << 15})}, protocol.OK, 5},
		{"overlap above it", nil, []Sheet{vote(0, 1, protocol.Row{First: 5, Overlap: 1<<15 + 1})}, protocol.NotNovel, 5},
		{
			"overlap by one of three", nil,
			[]Sheet{vote(0, 1, protocol.Row{First: 5, Overlap: 1 << 16}), vote(1, 1, row(5)), vote(2, 1, row(5))},
			protocol.OK, 5,
		},
	} {
		b := Board{Scores: c.scores}
		before := b.Clone()
		cs, clips := candidates(1)
		got := b.Decide(rules, cs, clips, c.sheets)
		want := Verdict{Worker: node(0), Norm: norm(100), Reason: c.want, Score: c.score}
		if c.want == protocol.OK {
			want.Clip = gradient.Unclipped >> 1
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, want)
		}
		if !reflect.DeepEqual(b, before) {
			t.Errorf("%s: deciding changed the board", c.name)
		}
	}
}

func TestClip(t *testing.T) {
	third := gradient.Clip(1<<32) / 3
	for _, c := range []struct {
		name      string
		norm, ref gradient.Norm
		clip      gradient.Clip
		reason    protocol.Reason
	}{
		{"weaker", norm(99), norm(100), gradient.Unclipped, protocol.OK},
		{"equal", norm(100), norm(100), gradient.Unclipped, protocol.OK},
		{"just above", norm(101), norm(100), gradient.Clip(math.Floor(100.0 / 101 * (1 << 32))), protocol.OK},
		{"three times", norm(300), norm(100), third, protocol.OK},
		{"four times", norm(400), norm(100), 1 << 30, protocol.OK},
		{"a hair above four times", gradient.Norm{Lo: 160001}, norm(100), 0, protocol.TooStrong},
		{"a hundred times", norm(10000), norm(100), 0, protocol.TooStrong},
		{"beyond 64 bits", gradient.Norm{Hi: 9}, gradient.Norm{Hi: 1}, third, protocol.OK},
		{"beyond all", gradient.Norm{Hi: math.MaxUint64}, norm(1), 0, protocol.TooStrong},
		{"no reference", norm(1 << 31), gradient.Norm{}, gradient.Unclipped, protocol.OK},
		{"empty", gradient.Norm{}, norm(100), gradient.Unclipped, protocol.OK},
	} {
		clip, reason := Clip(c.norm, c.ref, 4)
		if clip != c.clip || reason != c.reason {
			t.Errorf("%s: got %d %v, want %d %v", c.name, clip, reason, c.clip, c.reason)
		}
	}
}

func TestReference(t *testing.T) {
	of := func(norms ...uint64) (cs []Candidate) {
		for _, n := range norms {
			cs = append(cs, Candidate{Norm: norm(n)})
		}
		return cs
	}
	for _, c := range []struct {
		name     string
		accepted []uint64
		today    []Candidate
		want     uint64
	}{
		{"nothing", nil, nil, 0},
		{"first round", nil, of(10, 30, 20, 40), 20},
		{"empty updates have no say", nil, of(0, 0, 0, 10, 30, 20, 40), 20},
		{"only empty updates", nil, of(0, 0), 0},
		{"near the running one", []uint64{100}, of(90, 150, 170), 150},
		{"at most twice it", []uint64{100, 100, 900}, of(900, 900, 900), 200},
		{"at least half of it", []uint64{100, 100, 1}, of(1, 1, 1), 50},
		{"none today", []uint64{100}, nil, 50},
	} {
		var b Board
		for _, n := range c.accepted {
			b.Norms = append(b.Norms, norm(n))
		}
		if got := b.Reference(c.today); got != norm(c.want) {
			t.Errorf("%s: got %v, want that of %d", c.name, got, c.want)
		}
	}
}

// The reference looks back on the accepted updates of the last four rounds.
func TestWindow(t *testing.T) {
	var b Board
	for r := range 10 {
		n := r % 3 // so many accepted, one more refused
		var rows []protocol.Row
		for range n {
			rows = append(rows, row(protocol.NanoNats(1000+r)))
		}
		play(&b, rules, n+1, vote(0, 1, append(rows, row(-1))...))
		var want []protocol.NanoNats
		for past := max(0, r-normRounds+1); past <= r; past++ {
			for range past % 3 {
				want = append(want, protocol.NanoNats(1000+past))
			}
		}
		if !slices.Equal(b.Scores, want) || len(b.Norms) != len(want) {
			t.Fatalf("after round %d: %v, want %v; %d norms", r, b.Scores, want, len(b.Norms))
		}
	}
}

// The gate opens and closes on the running mean, after WorkMin examinations that
// could be compared with those of others.
func TestGate(t *testing.T) {
	var b Board
	sheet := func(work protocol.NanoNats) Sheet {
		return vote(0, 1, examined(1000, 8), examined(1000, 8), examined(1000, work))
	}
	var got []protocol.Reason
	for range 5 {
		got = append(got, play(&b, rules, 3, sheet(0))[2].Reason)
	}
	// Two rounds set the measure, one examination is forgiven.
	if want := []protocol.Reason{0, 0, 0, protocol.NoWork, protocol.NoWork}; !slices.Equal(got, want) {
		t.Errorf("a free-rider: got %v, want %v", got, want)
	}
	if s := b.Standing(node(0)); s.Work != 1<<16 || s.Accepted != 5 || s.Refused != 0 {
		t.Errorf("an honest worker: %+v", s)
	}
	rounds := 0
	for play(&b, rules, 3, sheet(8))[2].Reason != protocol.OK {
		if rounds++; rounds > 20 {
			t.Fatal("honest work never opens the gate again")
		}
	}
	if rounds == 0 {
		t.Error("one examination reopens the gate")
	}
	if s := b.Standing(node(7)); s != (Standing{Worker: node(7)}) {
		t.Errorf("somebody unknown: %+v", s)
	}
}

// A single validator cannot close the gate by examining whom it likes.
func TestExaminationNeedsHalfTheStake(t *testing.T) {
	b := Board{Works: []protocol.NanoNats{8, 8, 8, 8}}
	for range 5 {
		v := play(&b, rules, 3, vote(0, 1, examined(1000, -100), row(1000), row(1000)), vote(1, 1, row(1000), row(1000), row(1000)), vote(2, 1, row(1000), row(1000), row(1000)))
		if v[0].Reason != protocol.OK {
			t.Fatalf("refused: %v", v[0].Reason)
		}
	}
	if s := b.Standing(node(0)); s.Examined != 0 || len(b.Works) != 4 {
		t.Errorf("it counts: %+v, %v", s, b.Works)
	}
}

// What a validator did not say waits for another epoch.
func TestUnsaidWaits(t *testing.T) {
	var b Board
	for range 2 {
		play(&b, rules, 1, vote(0, 1, row(100)), vote(1, 1, row(100)))
		b.EndEpoch(rules, func(v protocol.NodeID) bool { return v == node(1000) })
	}
	play(&b, rules, 1, vote(0, 1, row(100)), vote(1, 1, row(100)))
	if got := b.Opinions(rules); len(got) != 2 || got[0].Total != 100 || got[1].Total != 300 {
		t.Errorf("opinions %v", got)
	}
}

// One or two workers by themselves work as much as anybody does.
func TestAlone(t *testing.T) {
	p := rules
	p.Examine = 2
	var b Board
	for range p.WorkMin {
		if v := play(&b, p, 2, vote(0, 1, row(100), row(50))); v[0].Reason != protocol.OK {
			t.Fatal(v[0].Reason)
		}
	}
	if got := b.Opinions(p); len(got) != 2 || got[0].Total != 100*protocol.NanoNats(p.WorkMin) {
		t.Errorf("it is paid for %v", got)
	}
}

// The largest scores that a record can hold do not overflow anything.
func TestExtremes(t *testing.T) {
	const big = protocol.MaxNanoNats
	for _, work := range []protocol.NanoNats{big, -big} {
		b := Board{Works: []protocol.NanoNats{1, 1, 1, 1}}
		p := rules
		p.Threshold = 1 << 16
		for range 40 {
			r := protocol.Row{First: big, Examined: true, Work: work, Audited: true, Paired: work, Overlap: 1 << 16}
			play(&b, p, 3, vote(0, math.MaxInt64, r, r, r))
			b.Works = []protocol.NanoNats{1, 1, 1, 1}
		}
		s := b.Standing(node(0))
		if s.Examined != 40 || (s.Work > 0) != (work > 0) || s.Work > maxShare || s.Work < -maxShare {
			t.Errorf("work of %d: %+v", work, s)
		}
	}
	b := Board{Sums: []Sum{{Validator: node(1000), Worker: node(0), Total: maxSum - 1}}}
	b.add([]Sum{{Validator: node(1000), Worker: node(0), Total: math.MaxInt64}})
	if got := b.Sums[0].Total; got != maxSum {
		t.Errorf("a sum at its bound becomes %d", got)
	}
}

// Opinions are sums over the epoch, negative rounds included; only positive ones
// are told; the next epoch begins afresh.
func TestOpinions(t *testing.T) {
	var b Board
	play(&b, rules, 3, vote(0, 1, row(10), row(5), row(-3)), vote(1, 1, row(20), row(-8), row(-3)))
	play(&b, rules, 3, vote(0, 1, row(30), row(-9), row(4)), vote(1, 1, row(-20), row(-8), row(4)))
	want := []Sum{
		{Validator: node(1000), Worker: node(0), Total: 40},
		{Validator: node(1000), Worker: node(2), Total: 1},
		{Validator: node(1001), Worker: node(2), Total: 1},
	}
	if got := b.Opinions(rules); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	b.EndEpoch(rules, all)
	if got := b.Opinions(rules); len(got) != 0 {
		t.Errorf("after the epoch: %v", got)
	}
	if b.Standing(node(0)).Accepted == 0 || len(b.Scores) == 0 {
		t.Error("the end of an epoch forgets more than opinions")
	}
}

func TestWorth(t *testing.T) {
	for _, c := range []struct {
		name string
		row  protocol.Row
		want protocol.NanoNats
	}{
		{"accepted", row(7), 7},
		{"accepted, audited better", audited(7, 9), 7},
		{"accepted, audited worse", audited(7, 3), 7},
		{"refused by an audit", audited(7, -3), -3},
		{"refused by its score", row(-5), -5},
		{"refused, audited better", audited(-5, 9), -5},
		{"not novel", protocol.Row{First: 7, Overlap: 1 << 16}, 0},
	} {
		var b Board
		play(&b, rules, 1, vote(0, 1, c.row))
		var got protocol.NanoNats
		if len(b.Sums) > 0 {
			got = b.Sums[0].Total
		}
		if got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

// Where work is examined, who was not examined often enough is not paid yet: the
// opinion waits, over the end of an epoch too, and is lost if no work is found.
func TestUnprovenWait(t *testing.T) {
	p := rules
	p.Examine = 2
	b := Board{Works: []protocol.NanoNats{8, 8, 8, 8}}
	workers := func() (ws []protocol.NodeID, totals []protocol.NanoNats) {
		for _, s := range b.Opinions(p) {
			ws, totals = append(ws, s.Worker), append(totals, s.Total)
		}
		return ws, totals
	}
	for range p.WorkMin {
		play(&b, p, 3, vote(0, 1, examined(100, 8), row(100), row(100)))
	}
	if ws, _ := workers(); !slices.Equal(ws, []protocol.NodeID{node(0)}) {
		t.Fatalf("paid are %v, want the examined one", ws)
	}
	b.EndEpoch(p, all)
	if ws, _ := workers(); len(ws) != 0 {
		t.Fatalf("after the epoch: %v", ws)
	}
	for range p.WorkMin {
		play(&b, p, 3, vote(0, 1, row(100), examined(100, 8), row(100)))
	}
	n := protocol.NanoNats(p.WorkMin)
	if ws, totals := workers(); len(ws) != 2 || totals[0] != 100*n || totals[1] != 200*n {
		t.Fatalf("owed are %v to %v, want the second for both epochs", totals, ws)
	}
	for range 8 {
		play(&b, p, 3, vote(0, 1, row(100), examined(100, -8), row(100)))
	}
	if ws, _ := workers(); !slices.Equal(ws, []protocol.NodeID{node(0)}) {
		t.Fatalf("paid are %v, although the other was found idle", ws)
	}
}

// Those examined least come first; beyond that the seed decides, and everybody
// draws the same.
func TestChoose(t *testing.T) {
	p := rules
	p.Audit, p.Examine, p.WorkMin = 2, 2, 3
	cs, _ := candidates(5)
	var b Board
	for i, n := range []uint32{9, 1, 3, 0, 2} {
		b.Standings = append(b.Standings, Standing{Worker: node(i), Examined: n})
	}
	seen := map[int]int{}
	for i := range 60 {
		seed := protocol.Digest{byte(i)}
		audits, exams := b.Choose(p, seed, cs)
		again, exams2 := b.Choose(p, seed, cs)
		if !slices.Equal(audits, again) || !slices.Equal(exams, exams2) || len(audits) != 2 {
			t.Fatalf("seed %d draws %v and %v, then %v and %v", i, audits, exams, again, exams2)
		}
		if !slices.Equal(exams, []int{3, 1}) {
			t.Fatalf("examined are %v, want the least examined", exams)
		}
		for _, a := range audits {
			seen[a]++
		}
	}
	if len(seen) != 5 {
		t.Errorf("only %v were ever audited", seen)
	}
	if a, e := b.Choose(p, protocol.Digest{}, cs[:2]); len(a) != 2 || len(e) != 0 {
		t.Errorf("of two candidates %v are audited and %v examined", a, e)
	}
}
