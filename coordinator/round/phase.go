package round

// This file names the phases of a round.

import "fmt"

// Phase is where in a round the run stands.
type Phase uint8

// Phases, in order.
const (
	Gathering Phase = iota // waiting for enough members to open a round
	Training               // workers train and commit
	Closing                // validators sign the closed list of commits
	Revealing              // workers give keys
	Attesting              // validators say which updates arrived and are valid
	Scoring                // validators score and commit their sheets
	Showing                // validators show their sheets
	Sealing                // a validator proposes the receipt, the others co-sign
)

// NumPhases is how many phases there are.
const NumPhases = int(Sealing) + 1

var phaseNames = [...]string{"gathering", "training", "closing", "revealing", "attesting", "scoring", "showing", "sealing"}

// String returns the phase's name.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase %d", uint8(p))
}
