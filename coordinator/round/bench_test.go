package round_test

import (
	"fmt"
	"testing"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
)

// BenchmarkRound is one round of a full run, and of one with 256 workers; checking
// signatures is part of it. record-B is what a round takes in the record.
func BenchmarkRound(b *testing.B) {
	for _, size := range []struct{ workers, validators int }{{256, 4}, {4064, 32}} {
		b.Run(fmt.Sprintf("%dx%d", size.workers, size.validators), func(b *testing.B) { benchmarkRound(b, size.workers, size.validators) })
	}
}

func benchmarkRound(b *testing.B, numWorkers, numValidators int) {
	man := testManifest()
	man.Economy.Tempo = 10
	man.Members.MaxMembers, man.Members.MinWorkers = protocol.MaxListLen, uint32(numWorkers)
	var workers, validators []string
	for i := range numValidators {
		validators = append(validators, fmt.Sprint("v", i))
		man.Members.Genesis = append(man.Members.Genesis, protocol.Stake{Node: idOf(validators[i]), Stake: 1000})
	}
	man.Members.MinValidators = uint32(numValidators)
	p, err := newPlay(man)
	if err != nil {
		b.Fatal(err)
	}
	events, bytes := 0, 0
	step := func(ev protocol.Event) {
		if _, err := p.machine.Step(p.now, ev); err != nil {
			b.Fatal(err)
		}
	}
	step(protocol.Genesis{Run: p.chain.Run})
	for _, name := range validators {
		step(p.say(name, protocol.Join{Role: protocol.Validator, Name: name, Anchor: p.anchor(name, 0)}))
	}
	for i := range numWorkers {
		name := fmt.Sprint("w", i)
		workers = append(workers, name)
		step(p.say(name, protocol.Join{Role: protocol.Worker, Name: name}))
	}
	// turn has everybody say what they owe; only the machine is timed.
	turn := func(names []string) {
		b.StopTimer()
		var all []protocol.Event
		for _, name := range names {
			if w := replica.Weights(p.machine, keyOf(name)); w != nil {
				all = append(all, protocol.Transaction{Tx: w})
			}
			if msg, ok := p.honest(name, opened); ok {
				all = append(all, msg)
			}
		}
		for _, ev := range all {
			bytes += len(protocol.Encode(p.chain.Append(keyOf("coordinator"), p.now, ev)))
		}
		events += len(all)
		b.StartTimer()
		for _, ev := range all {
			step(ev)
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
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(events), "µs/event")
	b.ReportMetric(float64(bytes)/float64(b.N), "record-B")
}
