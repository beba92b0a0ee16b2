package round_test

import (
	"crypto/ed25519"
	"fmt"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
)

// A coordinator's machine and a replica fed from its record agree on what
// happens. One worker and one validator are enough for a round to open.
func Example() {
	man := testManifest()
	coordinator := ed25519.NewKeyFromSeed(make([]byte, 32))
	man.Coordinator = protocol.NodeID(coordinator.Public().(ed25519.PublicKey))
	man.Members.MinWorkers, man.Members.MinValidators = 1, 1
	validator, worker := keyOf("validator"), keyOf("worker")
	man.Members.Genesis = []protocol.Stake{{Node: idOf("validator"), Stake: 100}}

	run := man.ID()
	anchor := protocol.Hash("beacon", make([]byte, 32))
	machine, follower := round.New(man), round.NewReplica(man)
	enter, err := replica.Enter(machine, replica.Entry{Node: worker, Role: protocol.Worker})
	if err != nil {
		fmt.Println(err)
	}
	record := protocol.Chain{Run: run, Coordinator: man.Coordinator}
	for i, ev := range []protocol.Event{
		protocol.Genesis{Run: run},
		protocol.Sign(validator, run, 0, protocol.Join{Role: protocol.Validator, Name: "judge", Anchor: anchor}),
		protocol.Sign(worker, run, 0, protocol.Join{Role: protocol.Worker, Name: "miner", Enter: enter}),
		protocol.Sign(worker, run, 0, protocol.Reveal{}),
	} {
		now := protocol.Instant(i) * protocol.Instant(protocol.Second)
		if _, err := machine.Step(now, ev); err != nil {
			fmt.Println(err)
			continue
		}
		entry := protocol.Encode(record.Append(coordinator, now, ev))
		effects, err := follower.Feed(entry)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, e := range effects {
			fmt.Printf("%T %v\n", e, e)
		}
	}
	phase, _ := follower.Machine.Phase()
	owed, _ := follower.Machine.Owes(idOf("worker"))
	fmt.Println(phase, owed == protocol.KindCommit)
	// Output:
	// round.Entered {0 training}
	// round.Wake {62000000000}
	// refused (8): too early or too late in the round: the list of round 0 is not signed yet: keep the key
	// training true
}
