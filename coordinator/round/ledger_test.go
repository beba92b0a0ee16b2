package round_test

import (
	"fmt"
	"testing"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/yuma/ledger"
)

// Nobody can fill a round's block, alone or with others, so that joins and weights find
// no room; the next round has room again.
func TestRoomInABlock(t *testing.T) {
	man := testManifest()
	man.Members.MinValidators = 1
	man.Members.Genesis = []protocol.Stake{{Node: idOf("v"), Stake: 100}}
	man.Economy.Tempo = 1
	p, err := newPlay(man)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{man: man, p: p}
	for _, line := range [][]string{{"genesis"}, {"join", "validator", "v"}, {"join", "worker", "w1,w2"}, {"rounds", "3"}} {
		if _, err := s.line(line); err != nil {
			t.Fatal(err)
		}
	}
	pay := func(who string) error {
		_, err := p.step(s.transaction(who, ledger.Transfer{To: ledger.Coldkey(idOf("friend")), Amount: 1}))
		return err
	}
	taken := 0
	for err = pay("w1"); err == nil; err = pay("w1") {
		taken++
	}
	if protocol.ReasonOf(err) != protocol.Full || taken < 10 || taken > 100 {
		t.Errorf("%d transfers of one account, then %v", taken, err)
	}
	if err := pay("w2"); err != nil {
		t.Errorf("another account: %v", err)
	}
	if _, err := s.line([]string{"rounds", "1"}); err != nil {
		t.Fatal(err)
	}
	if err := pay("w1"); err != nil {
		t.Errorf("in the next round: %v", err)
	}
}

// More newcomers than a block has room for end it, and all of them join.
func TestCrowdJoins(t *testing.T) {
	man := testManifest()
	man.Members.MaxMembers, man.Members.MinWorkers = 4096, 4000
	man.Members.Genesis = []protocol.Stake{{Node: idOf("v"), Stake: 100}}
	p, err := newPlay(man)
	if err != nil {
		t.Fatal(err)
	}
	step := func(ev protocol.Event) (sealed int) {
		effects, err := p.machine.Step(p.now, ev)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range effects {
			if _, ok := e.(round.Sealed); ok {
				sealed++
			}
		}
		return sealed
	}
	step(protocol.Genesis{Run: p.chain.Run})
	blocks := 0
	for i := range 2000 {
		name := fmt.Sprint("w", i)
		blocks += step(p.say(name, protocol.Join{Role: protocol.Worker, Name: name}))
	}
	if blocks == 0 {
		t.Error("2000 newcomers fit into one block")
	}
	if err := p.money(); err != nil {
		t.Error(err)
	}
}

// Every manifest that is valid makes a ledger, at the bounds of its fields too.
func TestManifestsMakeLedgers(t *testing.T) {
	tried := 0
	for _, members := range []uint32{2, 16, 4096} {
		for _, tempo := range []uint32{1, 10, 1_000_000} {
			for _, limit := range []uint64{1, 21e15, 1 << 61} {
				for _, stake := range []uint64{1, 1e12, 1 << 40} {
					for _, validators := range []int{0, 1, 2, 5} {
						man := testManifest()
						man.Members.MaxMembers, man.Economy.Tempo, man.Economy.Cap, man.Economy.Emission = members, tempo, limit, limit
						man.Members.Invitation, man.Members.InvitedStake = protocol.NodeID{7}, stake
						for i := range validators {
							man.Members.Genesis = append(man.Members.Genesis, protocol.Stake{Node: idOf(fmt.Sprint("v", i)), Stake: stake})
						}
						if man.Validate() == nil {
							round.New(man) // panics if there is none
							tried++
						}
					}
				}
			}
		}
	}
	if tried < 50 {
		t.Errorf("%d manifests were valid", tried)
	}
}

// Votes change how Yuma counts, and nothing that joining, scoring or pay rest on.
func TestVotable(t *testing.T) {
	s := &stage{man: testManifest()}
	s.man.Members.MinValidators = 1
	s.man.Members.Genesis = []protocol.Stake{{Node: idOf("v"), Stake: uint64(1000 * ledger.Coin)}}
	var err error
	if s.p, err = newPlay(s.man); err != nil {
		t.Fatal(err)
	}
	for _, line := range [][]string{{"genesis"}, {"join", "validator", "v"}} {
		if _, err := s.line(line); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		on   ledger.Run
		want protocol.Reason
	}{
		"tempo": {round.Run, protocol.NotApplied}, "commit_reveal": {round.Run, protocol.NotApplied}, "open": {round.Run, protocol.NotApplied},
		"min_price": {round.Run, protocol.NotApplied}, "max_uids": {round.Run, protocol.NotApplied}, "kappa": {round.Run, protocol.OK},
		"emission": {ledger.Root, protocol.NotApplied}, "identity_fee": {ledger.Root, protocol.NotApplied},
	} {
		number, ok := ledger.RunParam(name)
		if c.on == ledger.Root {
			number, ok = ledger.NetworkParam(name)
		}
		if !ok {
			t.Fatal(name)
		}
		p := ledger.Propose{Hot: idOf("v"), Run: c.on, Changes: []ledger.Change{{Param: number, Value: 1}}}
		if _, err := s.p.step(s.transaction("v", p)); protocol.ReasonOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
