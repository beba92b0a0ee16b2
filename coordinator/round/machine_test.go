package round_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lode/coordinator/round"
	"lode/gradient"
	"lode/protocol"
)

// direct plays lines and ends on a refusal.
func direct(t *testing.T, s *stage, text string) {
	t.Helper()
	for l := range strings.Lines(text) {
		out, err := s.line(strings.Fields(l))
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		for _, o := range out {
			if o[0] == '!' {
				t.Fatalf("%s: %s", l, o)
			}
		}
	}
}

const whole = `commit workers
sign validators
reveal listed
attest validators
sheet validators
show validators
propose proposer
cosign validators
`

func stageOf(t *testing.T, workers string) *stage {
	t.Helper()
	s := &stage{man: testManifest()}
	n := strings.Count(workers, ",") + 1
	direct(t, s, fmt.Sprintf("set workers=%d genesis=v1:100,v2:100\ngenesis\njoin validator v1,v2\njoin worker %s\n", n, workers))
	return s
}

// What a machine tells of finished rounds, and for how long.
func TestPast(t *testing.T) {
	s := stageOf(t, "w1,w2")
	m := s.p.machine
	parent := m.Current().Parent
	for n := range 10 {
		root := m.Current().Root
		direct(t, s, whole)
		past := m.Past()
		last := past[len(past)-1]
		if last.Round != protocol.Round(n) || last.Receipt.StateRoot != root || last.Receipt.Parent != parent || last.Root != m.Current().Root {
			t.Fatalf("round %d: summary of round %d does not link to its neighbours", n, last.Round)
		}
		parent = last.Receipt.Digest()
		// Window is 2: novelty looks back on two rounds; four more are kept.
		if len(past) != min(n+1, 6) {
			t.Fatalf("round %d: %d rounds are kept", n, len(past))
		}
		o, ok := last.Outcome(idOf("w2"))
		if !ok || o.Worker != idOf("w2") || o.Verdict.Reason != protocol.OK {
			t.Errorf("outcome of w2: %+v, %v", o, ok)
		}
		if _, ok := last.Outcome(idOf("w9")); ok {
			t.Error("an outcome of nobody")
		}
		if last.Seed == last.Eval || last.Seed == m.Current().Seed || last.Opened > last.Closed {
			t.Error("seeds repeat, or a round closed before it opened")
		}
	}
	if accepted, refused := m.Record(idOf("w1")); accepted != 10 || refused != 0 {
		t.Errorf("w1: %d accepted, %d refused", accepted, refused)
	}
	if m.Manifest().ID() != m.Run() || m.Now() != s.p.now {
		t.Error("run or instant are not what they were")
	}
	ev := protocol.Published{Round: 3, Manifest: protocol.Digest{1}}
	if _, err := s.p.step(ev); err != nil || m.Saved() != ev {
		t.Errorf("saved: %+v, %v", m.Saved(), err)
	}
}

// Waiting names those who owe something, in every phase.
func TestWaiting(t *testing.T) {
	s := stageOf(t, "w1,w2,w3")
	for _, c := range []struct{ line, want string }{
		{"commit w2", "w1 w3"},
		{"commit w1,w3", "v1 v2"},
		{"sign v1", "v2"},
		{"sign v2", "w1 w2 w3"},
		{"reveal w1,w2", "w3"},
		{"reveal w3", "v1 v2"},
		{"attest v2", "v1"},
		{"attest v1", "v1 v2"},
		{"sheet v1", "v2"},
		{"sheet v2", "v1 v2"},
		{"show v1", "v2"},
		{"show v2", "proposer"},
		{"propose proposer", "v1 v2"},
		{"cosign v2", "v1"},
		{"cosign v1", "w1 w2 w3"},
	} {
		direct(t, s, c.line)
		var got []string
		for _, n := range s.p.machine.Waiting() {
			got = append(got, s.p.name(n))
		}
		slices.Sort(got)
		if len(got) == 1 && c.want == "proposer" && got[0] == s.who("proposer")[0] {
			continue
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("after %s: waits for %v, want %s", c.line, got, c.want)
		}
	}
}

// A clone stays as it is while the round goes on.
func TestClone(t *testing.T) {
	s := stageOf(t, "w1,w2,w3")
	n := s.p.machine.Current().Number
	for l := range strings.Lines(whole) {
		cur := s.p.machine.Current()
		clone, want := cur.Clone(), fmt.Sprintf("%+v", *cur)
		entries := make([]*round.Entry, 0, 3)
		for _, w := range cur.Workers {
			entries = append(entries, clone.Entry(w))
		}
		direct(t, s, l)
		if got := fmt.Sprintf("%+v", *clone); got != want {
			t.Fatalf("%s: the clone changed\n%s\n%s", l, want, got)
		}
		for i, w := range clone.Workers {
			if clone.Entry(w) != entries[i] {
				t.Fatalf("%s: the clone finds another commit", l)
			}
		}
	}
	if s.p.machine.Current().Number != n+1 {
		t.Fatal("the round did not end")
	}
}

// Time stays where nothing overflows, and outages do not invent it.
func TestEndOfTime(t *testing.T) {
	s := stageOf(t, "w1,w2")
	m := s.p.machine
	for _, c := range []struct {
		now protocol.Instant
		ev  protocol.Event
	}{
		{math.MaxInt64, protocol.Tick{}},
		{1 << 62, protocol.Tick{}},
		{math.MinInt64, protocol.Tick{}},
		{start + 5, protocol.Resumed{Outage: 6}},
		{start + 5, protocol.Resumed{Outage: math.MaxInt64}},
		{start + 5, protocol.Resumed{Outage: math.MinInt64}},
	} {
		if _, err := m.Step(c.now, c.ev); err == nil {
			t.Errorf("%T at %d was taken", c.ev, c.now)
		}
	}
	s.p.now = 1<<62 - 1
	direct(t, s, "tick\n"+"commit w1,w2\n")
	if phase, _ := m.Phase(); phase != round.Closing {
		t.Fatalf("the run is %v", phase)
	}
	direct(t, s, "resumed 0s\nsign v1,v2\n")
	if _, deadline := m.Phase(); deadline < s.p.now {
		t.Errorf("a deadline at %d", deadline)
	}
}

// Norms in attestations may be of any size.
func TestHugeNorms(t *testing.T) {
	s := stageOf(t, "w1,w2,w3")
	direct(t, s, "commit workers\nsign validators\nreveal listed\n")
	for _, v := range []string{"v1", "v2"} {
		msg, ok := s.p.honest(v, func(*round.Entry) protocol.Finding {
			return protocol.Finding{NormHi: math.MaxUint64, NormLo: math.MaxUint64}
		})
		if !ok {
			t.Fatalf("%s owes nothing", v)
		}
		if _, err := s.p.step(msg); err != nil {
			t.Fatal(err)
		}
	}
	r := s.p.machine.Current()
	if len(r.Candidates) != 3 || !reflect.DeepEqual(r.Clips, []gradient.Clip{gradient.Unclipped, gradient.Unclipped, gradient.Unclipped}) {
		t.Errorf("%d candidates, clipped by %v", len(r.Candidates), r.Clips)
	}
}

func TestPhaseNames(t *testing.T) {
	seen := map[string]bool{}
	for p := round.Gathering; p <= round.Sealing; p++ {
		seen[p.String()] = true
	}
	if len(seen) != 8 || seen["phase 8"] || (round.Sealing+1).String() != "phase 8" {
		t.Errorf("phases are called %v", seen)
	}
}
