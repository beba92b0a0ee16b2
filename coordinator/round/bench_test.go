package round_test

import (
	"fmt"
	"testing"

	"lode/coordinator/round"
	"lode/protocol"
)

// BenchmarkRound is one round of a full run: 4,064 workers and 32 validators.
// Checking 8,300 signatures is part of it.
func BenchmarkRound(b *testing.B) {
	man := testManifest()
	man.Members.MaxMembers, man.Members.MinWorkers = protocol.MaxListLen, 4064
	for i := range 32 {
		man.Members.Genesis = append(man.Members.Genesis, protocol.Stake{Node: idOf(fmt.Sprint("v", i)), Stake: 1000})
	}
	man.Members.MinValidators = 32
	p, err := newPlay(man)
	if err != nil {
		b.Fatal(err)
	}
	step := func(ev protocol.Event) {
		if _, err := p.machine.Step(p.now, ev); err != nil {
			b.Fatal(err)
		}
	}
	step(protocol.Genesis{Run: p.chain.Run})
	var workers, validators []string
	for i := range 32 {
		name := fmt.Sprint("v", i)
		validators = append(validators, name)
		step(p.say(name, protocol.Join{Role: protocol.Validator, Name: name, Anchor: p.anchor(name, 0)}))
	}
	for i := range 4064 {
		name := fmt.Sprint("w", i)
		workers = append(workers, name)
		step(p.say(name, protocol.Join{Role: protocol.Worker, Name: name}))
	}
	// turn has everybody say what they owe; only the machine is timed.
	turn := func(names []string) {
		b.StopTimer()
		var all []protocol.Message
		for _, name := range names {
			if msg, ok := p.honest(name, opened); ok {
				all = append(all, msg)
			}
		}
		b.StartTimer()
		for _, msg := range all {
			step(msg)
		}
	}
	for b.Loop() {
		n := p.machine.Current().Number
		turn(workers)
		turn(validators)
		turn(workers)
		for range 5 { // attest, sheet, show, propose, co-sign
			turn(validators)
		}
		if phase, _ := p.machine.Phase(); p.machine.Current().Number != n+1 || phase != round.Training {
			b.Fatalf("round %d ends in %v", n, phase)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/8.3, "µs/event")
}
