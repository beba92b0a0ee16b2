package round

// This file holds the replica: a machine fed from a record.

import (
	"fmt"

	"lode/protocol"
)

// Replica is a machine that follows somebody else's record. It trusts nobody:
// every entry must continue the hash chain, bear the coordinator's signature and
// be an event the machine accepts.
type Replica struct {
	Machine *Machine
	Chain   protocol.Chain
	// Pin is a place that the record must come through, if Next is not 0: the
	// history that was followed before.
	Pin Pin
}

// Pin is a place in a record: how many entries, and the digest of the last.
type Pin struct {
	Next uint64
	Head protocol.Digest
}

// NewReplica returns a replica before the first entry of man's record.
func NewReplica(man protocol.Manifest) *Replica {
	return &Replica{
		Machine: New(man),
		Chain:   protocol.Chain{Run: man.ID(), Coordinator: man.Coordinator},
	}
}

// Feed applies the next entry. After an error the replica is of no more use: the
// record is not the one this run's rules allow.
func (r *Replica) Feed(entry []byte) ([]Effect, error) {
	var e protocol.Entry
	if err := protocol.Decode(entry, &e); err != nil {
		return nil, fmt.Errorf("record: entry %d: %w", r.Chain.Next, err)
	}
	ev, err := r.Chain.Accept(e)
	if err != nil {
		return nil, err
	}
	if r.Chain.Next == r.Pin.Next && r.Chain.Head != r.Pin.Head {
		return nil, fmt.Errorf("record: entry %d is not the one that was followed before: the record was forked", e.Index)
	}
	effects, err := r.Machine.Step(e.Now, ev)
	if err != nil {
		return nil, fmt.Errorf("record: entry %d holds what the rules refuse: %w", e.Index, err)
	}
	return effects, nil
}
