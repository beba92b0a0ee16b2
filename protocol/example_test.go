package protocol_test

import (
	"crypto/ed25519"
	"fmt"
	"log"

	"lode/protocol"
)

// A worker signs a commit, the coordinator puts it on the record, and somebody
// who only has the record reads it back.
func Example() {
	run := protocol.RunID{1}
	worker := ed25519.NewKeyFromSeed(make([]byte, 32))
	commit := protocol.Sign(worker, run, 3, protocol.Commit{Size: 70_000, Loss: 5_400_000_000})

	coordinator := ed25519.NewKeyFromSeed(append(make([]byte, 31), 1))
	id := protocol.NodeID(coordinator.Public().(ed25519.PublicKey))
	writer := protocol.Chain{Run: run, Coordinator: id}
	wire := [][]byte{
		protocol.Encode(writer.Append(coordinator, 1_000, protocol.Genesis{Run: run})),
		protocol.Encode(writer.Append(coordinator, 2_000, commit)),
	}

	reader := protocol.Chain{Run: run, Coordinator: id}
	for _, b := range wire {
		var entry protocol.Entry
		if err := protocol.Decode(b, &entry); err != nil {
			log.Fatal(err)
		}
		event, err := reader.Accept(entry)
		if err != nil {
			log.Fatal(err)
		}
		if m, ok := event.(protocol.Message); ok {
			body, err := m.Open(run)
			if err != nil {
				log.Fatal(err)
			}
			c := body.(protocol.Commit)
			fmt.Printf("entry %d, round %d: %d bytes at a loss of %.1f nats\n", entry.Index, m.Round, c.Size, c.Loss.Nats())
		}
	}
	fmt.Println("same head:", reader.Head == writer.Head)

	// A message for another run is refused, and the refusal has a number.
	_, err := commit.Open(protocol.RunID{2})
	fmt.Println(uint16(protocol.ReasonOf(err)), protocol.ReasonOf(err))
	// Output:
	// entry 1, round 3: 70000 bytes at a loss of 5.4 nats
	// same head: true
	// 3 another run
}
