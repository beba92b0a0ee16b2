package round_test

// This file holds what is true of every course a run can take: random plays with
// absences, lies and junk; and the same facts told in another order.

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"lode/coordinator/round"
	"lode/protocol"
)

// crowd is a play with many members and its own dice.
type crowd struct {
	*play
	rng     *rand.Rand
	members []string
	said    []protocol.Message // everything that was ever accepted
}

func newCrowd(t *testing.T, seed uint64) *crowd {
	t.Helper()
	man := testManifest()
	man.Members.MinWorkers, man.Members.MinValidators = 1, 1
	man.Members.Invitation = protocol.NodeID(protocol.InviteSeed{1}.Key()[32:])
	man.Members.InvitedStake = 90
	if seed%3 == 2 {
		man.Economy.Ledger, man.Economy.Emission = protocol.LedgerVolunteer, 0
	}
	var names []string
	for i := range 5 {
		name := fmt.Sprint("v", i)
		names = append(names, name)
		if i < 4 {
			man.Members.Genesis = append(man.Members.Genesis, protocol.Stake{Node: idOf(name), Stake: 60 + 20*uint64(i)})
		}
	}
	for i := range 6 {
		names = append(names, fmt.Sprint("w", i))
	}
	p, err := newPlay(man)
	if err != nil {
		t.Fatal(err)
	}
	p.invite = &protocol.InviteSeed{1}
	c := &crowd{play: p, rng: rand.New(rand.NewPCG(seed, 0)), members: names}
	c.mustStep(t, protocol.Genesis{Run: p.chain.Run})
	return c
}

func (c *crowd) mustStep(t *testing.T, ev protocol.Event) {
	t.Helper()
	if _, err := c.step(ev); err != nil {
		t.Fatalf("event %d, %T: %v", len(c.record), ev, err)
	}
	if msg, ok := ev.(protocol.Message); ok {
		c.said = append(c.said, msg)
	}
}

// duty returns what a member owes, said honestly, joining included.
func (c *crowd) duty(name string) (protocol.Message, bool) {
	kind, ok := c.machine.Owes(c.id(name))
	if !ok || kind != protocol.KindJoin {
		return c.honest(name, opened)
	}
	j := protocol.Join{Role: protocol.Worker, Name: name}
	if name[0] == 'v' {
		j.Role, j.Anchor = protocol.Validator, c.anchor(name, 0)
	}
	j.Invitation = protocol.InviteSeed{1}.Invite(c.chain.Run, idOf(name))
	return c.say(name, j), true
}

// reanchor keeps the short test chains from running out.
func (c *crowd) reanchor(t *testing.T, name string) {
	x, ok := c.machine.Member(idOf(name))
	if ok && x.Revealed > 40 && x.NextAnchor == (protocol.Digest{}) {
		c.mustStep(t, c.say(name, protocol.Join{Role: protocol.Validator, Name: name, Anchor: c.anchor(name, int(c.rng.Uint32()))}))
	}
}

// wait lets time pass, to the deadline if there is one.
func (c *crowd) wait(t *testing.T) {
	if _, deadline := c.machine.Phase(); deadline != 0 {
		c.now = max(c.now, deadline)
		c.mustStep(t, protocol.Tick{})
	}
}

// What a node owes is always taken, whoever comes and goes; and when everybody is
// back the run goes on.
func TestRunGoesOn(t *testing.T) {
	seeds := 3
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		c := newCrowd(t, seed)
		for trouble := range 10 {
			for range 50 {
				c.now = c.now.Add(protocol.Span(c.rng.Int64N(int64(2 * protocol.Second))))
				name := c.members[c.rng.IntN(len(c.members))]
				x, joined := c.machine.Member(idOf(name))
				switch {
				case joined && c.rng.IntN(12) == 0:
					if x.Present {
						c.mustStep(t, protocol.Absent{Node: x.Node})
					} else {
						c.mustStep(t, protocol.Present{Node: x.Node})
					}
				case c.rng.IntN(30) == 0:
					c.wait(t)
				case !joined || x.Present:
					if msg, ok := c.duty(name); ok {
						c.mustStep(t, msg)
					}
				}
			}
			c.recover(t, seed, trouble)
		}
	}
}

// recover brings everybody back, apart from at most one validator whom the others
// are two thirds without, and expects two rounds to end soon, the first of which
// may be one that was spoilt.
func (c *crowd) recover(t *testing.T, seed uint64, trouble int) {
	t.Helper()
	away := c.dispensable()
	for _, x := range c.machine.Members() {
		if x.Present == (x.Node == away) {
			if x.Present {
				c.mustStep(t, protocol.Absent{Node: x.Node})
			} else {
				c.mustStep(t, protocol.Present{Node: x.Node})
			}
		}
	}
	goal := c.machine.Current().Number + 2
	for range 40 {
		for _, name := range c.members {
			if idOf(name) == away {
				continue
			}
			for {
				if msg, ok := c.duty(name); ok {
					c.mustStep(t, msg)
					continue
				}
				c.reanchor(t, name)
				break
			}
		}
		if c.machine.Current().Number >= goal {
			return
		}
		c.wait(t)
	}
	phase, deadline := c.machine.Phase()
	t.Fatalf("seed %d, trouble %d: who is back does what it owes, but the run stands in round %d, %v until %d, waiting for %d",
		seed, trouble, c.machine.Current().Number, phase, deadline, len(c.machine.Waiting()))
}

// dispensable draws a validator of the roster that the others are a quorum
// without, or nobody.
func (c *crowd) dispensable() (n protocol.NodeID) {
	r := c.machine.Current()
	if len(r.Seats) == 0 || c.rng.IntN(3) == 0 {
		return n
	}
	s := r.Seats[c.rng.IntN(len(r.Seats))]
	if 3*s.Stake <= r.Stake() {
		n = s.Node
	}
	return n
}

// junk returns an event that is most likely out of place.
func (c *crowd) junk() protocol.Event {
	rng := c.rng
	name := c.members[rng.IntN(len(c.members))]
	var d protocol.Digest
	if rng.IntN(2) == 0 {
		d[rng.IntN(32)] = byte(rng.Uint32())
	}
	n := protocol.NanoNats(rng.Uint64())
	if rng.IntN(2) == 0 {
		n %= 1000
	}
	switch rng.IntN(16) {
	case 0:
		return protocol.Tick{}
	case 1:
		return protocol.Present{Node: c.id(name)}
	case 2:
		return protocol.Absent{Node: protocol.NodeID(d)}
	case 3:
		return protocol.Resumed{Outage: protocol.Span(n)}
	case 4:
		return protocol.Published{Round: protocol.Round(rng.IntN(4)), Manifest: d}
	case 5:
		return protocol.Genesis{Run: protocol.RunID(d)}
	case 6, 7: // again, and perhaps damaged
		if len(c.said) == 0 {
			return protocol.Tick{}
		}
		msg := c.said[rng.IntN(len(c.said))]
		switch rng.IntN(4) {
		case 0:
			msg.Body = slices.Clone(msg.Body)
			msg.Body[rng.IntN(len(msg.Body))] ^= 1 << rng.IntN(8)
		case 1:
			msg.Type = protocol.Kind(rng.IntN(80))
		case 2:
			msg.Node = idOf(name)
		}
		return msg
	}
	round := c.machine.Current().Number
	if rng.IntN(8) == 0 {
		round += protocol.Round(rng.IntN(3)) - 1
	}
	return protocol.Sign(keyOf(name), c.chain.Run, round, c.junkBody(name, d, n))
}

func (c *crowd) junkBody(name string, d protocol.Digest, n protocol.NanoNats) protocol.Body {
	rng, r := c.rng, c.machine.Current()
	c.id(name)
	switch rng.IntN(9) {
	case 0:
		return protocol.Join{Role: protocol.Role(rng.IntN(5)), Name: name, Anchor: d}
	case 1:
		commit := c.commitOf(name)
		if rng.IntN(2) == 0 {
			commit = c.commitOf(c.members[rng.IntN(len(c.members))])
		}
		if rng.IntN(2) == 0 {
			commit.Loss = n
		}
		return commit
	case 2:
		return protocol.ListSignature{List: d}
	case 3:
		return protocol.Reveal{Key: d}
	case 4:
		a := protocol.Attestation{List: r.List, Preimage: c.preimage(name), Findings: make([]protocol.Finding, rng.IntN(8))}
		for i := range a.Findings {
			a.Findings[i] = protocol.Finding{Reason: protocol.Reason(rng.IntN(3) * rng.IntN(1<<16)), NormHi: rng.Uint64(), NormLo: rng.Uint64()}
		}
		return a
	case 5:
		return protocol.SheetCommit{Sheet: d}
	case 6:
		s := c.sheetOf()
		s.Rows = append(s.Rows, protocol.Row{First: n, Overlap: rng.Uint32()})[rng.IntN(2):]
		return protocol.SheetReveal{Sheet: s}
	case 7:
		receipt := c.receiptOf()
		if rng.IntN(2) == 0 {
			receipt.Step = d
		} else {
			receipt.Decision = d
		}
		return protocol.Proposal{Receipt: receipt}
	default:
		return protocol.CoSign{Receipt: d, Before: n}
	}
}

// Nothing that anybody sends makes the machine panic, a refusal changes nothing,
// and the invariants of play.step hold all the while.
func TestJunk(t *testing.T) {
	events := 6000
	if testing.Short() {
		events = 1000
	}
	refused, rounds := 0, protocol.Round(0)
	for seed := range uint64(3) {
		c := newCrowd(t, 100+seed)
		for range events / 3 {
			name := c.members[c.rng.IntN(len(c.members))]
			if c.rng.IntN(50) == 0 {
				c.now = c.now.Add(protocol.Span(c.rng.Int64N(int64(90 * protocol.Second))))
			}
			ev := c.junk()
			if c.rng.IntN(2) == 0 {
				c.reanchor(t, name)
				if msg, ok := c.duty(name); ok {
					ev = msg
				}
			}
			_, err := c.step(ev)
			var f fault
			switch {
			case errors.As(err, &f):
				t.Fatalf("seed %d, event %d, %T: %v", seed, len(c.record), ev, err)
			case err != nil:
				refused++
			default:
				if msg, ok := ev.(protocol.Message); ok {
					c.said = append(c.said, msg)
				}
			}
		}
		rounds += c.machine.Current().Number
	}
	t.Logf("%d of %d events refused, %d rounds", refused, events, rounds)
	if refused < events/4 || int(rounds) < events/1000 {
		t.Errorf("%d of %d events refused and %d rounds done: the dice are wrong", refused, events, rounds)
	}
}

// I1: the same record gives the same state, and the same roots on the way.
func TestReplay(t *testing.T) {
	entries := 0
	for _, file := range scripts(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := perform(t, string(text))
		rep := round.NewReplica(p.man)
		for _, e := range p.record {
			if _, err := rep.Feed(e); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			entries++
		}
		if !round.Same(rep.Machine, p.machine) || rep.Machine.Current().Root != p.machine.Current().Root {
			t.Errorf("%s: a replay ends in another state", file)
		}
	}
	if entries == 0 {
		t.Error("no script records anything")
	}
}

// A replica takes nothing that the record's rules forbid.
func TestReplicaRefuses(t *testing.T) {
	text, err := os.ReadFile("testdata/happy.txt")
	if err != nil {
		t.Fatal(err)
	}
	p, _ := perform(t, string(text))
	second := p.record[1]
	other := p.chain
	other.Next, other.Head, other.Now = 0, protocol.Digest{}, 0
	genesis := other.Append(keyOf("coordinator"), start, protocol.Genesis{Run: p.chain.Run})
	early := other.Append(keyOf("coordinator"), start, protocol.Tick{})
	forged := genesis
	forged.Sig[0] ^= 1
	for name, feed := range map[string][][]byte{
		"skips an entry":      {p.record[0], p.record[2]},
		"repeats an entry":    {p.record[0], p.record[0]},
		"is cut":              {p.record[0][:len(p.record[0])-1]},
		"is forged":           {protocol.Encode(forged)},
		"breaks the rules":    {protocol.Encode(genesis), protocol.Encode(early)},
		"begins in the midst": {second},
	} {
		rep := round.NewReplica(p.man)
		for i, e := range feed {
			_, err := rep.Feed(e)
			if last := i == len(feed)-1; last != (err != nil) {
				t.Errorf("a record that %s, entry %d: %v", name, i, err)
			}
		}
	}
}

// Facts told in another order, within each phase, lead to the same verdicts and
// the same pay.
func TestOrderDoesNotMatter(t *testing.T) {
	lines := func(seed uint64) (all []string) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := &stage{man: testManifest()}
		s.man.Economy.Tempo = 1
		do := func(text string, shuffled ...string) {
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			for _, l := range append([]string{text}, shuffled...) {
				if l == "" {
					continue
				}
				out, err := s.line(strings.Fields(l))
				if err != nil {
					t.Fatalf("%s: %v", l, err)
				}
				for _, o := range out {
					if o[:3] == ">  " || o[0] == '!' {
						all = append(all, o)
					}
				}
			}
		}
		do("set workers=5 validators=3 genesis=v1:30,v2:40,v3:50")
		do("genesis")
		do("join validator v1,v2,v3")
		do("join worker w1,w2,w3,w4,w5")
		for range 3 {
			do("", "commit w1", "commit w2", "commit w3", "commit w4", "commit w5")
			do("", "sign v1", "sign v2", "sign v3")
			do("", "reveal w1", "reveal w2", "reveal w3", "reveal w4", "reveal w5")
			do("",
				"attest v1 w1=ok:80 w2=ok:120 w3=ok:9000 w4=ok:90 w5=ciphertext-does-not-open",
				"attest v2 w1=ok:81 w2=ok:120 w3=ok:9000 w4=ok:90 w5=payload-never-arrived",
				"attest v3 w1=ok:82 w2=ok:120 w3=ok:9000 w4=payload-never-arrived w5=ok:5")
			do("",
				"sheet v1 w1=500/work:3 w2=900/paired:1",
				"sheet v2 w1=400/work:2 w2=800/paired:-1",
				"sheet v3 w1=700/work:-2 w2=100/paired:3")
			do("", "show v1", "show v2", "show v3")
			do("propose proposer")
			do("", "cosign v1", "cosign v2", "cosign v3")
		}
		slices.Sort(all) // outcomes stand in the order of commits
		return all
	}
	want := lines(0)
	if len(want) < 15 {
		t.Fatalf("only %q came of it", want)
	}
	for seed := range uint64(8) {
		if got := lines(seed + 1); !slices.Equal(got, want) {
			t.Fatalf("order %d: got\n%q\nwant\n%q", seed, got, want)
		}
	}
}
