package economy

// This file holds when an epoch is due.

import (
	"math"
	"math/bits"
)

// maxPause is the number of blocks without a successful epoch after which one is
// due whatever the tempo says.
const maxPause = 50_400

// FirstEpoch returns the block that a new run counts as its last epoch's, so that
// runs created together do not fall due together. A tempo of 0 never does.
func FirstEpoch(block, run, tempo uint64) uint64 {
	if tempo == 0 {
		return block
	}
	return block - min(block, run%tempo)
}

// UntilEpoch returns the number of blocks until the next epoch falls due by tempo;
// the largest uint64 if tempo is 0, which is never.
func UntilEpoch(last, tempo, block uint64) uint64 {
	if tempo == 0 {
		return math.MaxUint64
	}
	due, over := bits.Add64(last, tempo, 0)
	if over != 0 {
		due = math.MaxUint64
	}
	return due - min(due, block)
}

// UntilEpochLegacy is the rule in force until 2026, one epoch in tempo+1 blocks:
// tempo − (block + run + 1) mod (tempo + 1).
func UntilEpochLegacy(run, tempo uint16, block uint64) uint64 {
	if tempo == 0 {
		return math.MaxUint64
	}
	every := uint64(tempo) + 1
	return uint64(tempo) - (block%every+uint64(run)+1)%every
}

// Schedule is what decides whether a run's epoch is due.
type Schedule struct {
	Last    uint64 // block of the last epoch
	Step    uint64 // block of the last one that succeeded
	Tempo   uint64 // blocks between epochs; 0 is never
	Trigger uint64 // block at which the owner asked for one; 0 if he did not
}

// Due reports whether an epoch is due at block.
func (s Schedule) Due(block uint64) bool {
	if s.Tempo == 0 {
		return false
	}
	triggered := s.Trigger != 0 && block >= s.Trigger
	paused := block > s.Step && block-s.Step > maxPause
	return triggered || paused || UntilEpoch(s.Last, s.Tempo, block) == 0
}
