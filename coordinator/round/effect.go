package round

// This file holds what a step asks to be done.

import (
	"lode/protocol"
	"lode/yuma/ledger"
)

// Effect is something that must now happen outside the machine: one of
// [Entered], [Wake], [Sealed] and [Merged].
type Effect interface{ effect() }

// Entered says that the run entered a phase. Nodes ask [Machine.Owes] what that
// means for them.
type Entered struct {
	Round protocol.Round
	Phase Phase
}

// Wake asks for a Tick at or after the instant; a later Wake replaces an earlier
// one. The zero instant asks for none.
type Wake struct{ At protocol.Instant }

// Merged says that a round is final.
type Merged struct{ Summary Summary }

// Sealed says that a block of the ledger ended, with what fell due. Every round ends
// one, and so does a crowd of newcomers.
type Sealed struct {
	Block ledger.Block
	Due   []ledger.Event
}

func (Entered) effect() {}
func (Wake) effect()    {}
func (Sealed) effect()  {}
func (Merged) effect()  {}
