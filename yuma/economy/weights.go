package economy

// This file holds which weights are taken, and when hidden ones may be shown.

import (
	"errors"
	"fmt"
	"slices"

	"lode/yuma"
)

// Why weights are refused, in the order in which it is asked.
var (
	ErrLengths   = errors.New("as many values as targets are needed")
	ErrTooMany   = errors.New("more targets than neurons")
	ErrStake     = errors.New("too little stake")
	ErrVersion   = errors.New("older than the run's version")
	ErrRate      = errors.New("too soon after the last ones")
	ErrPermit    = errors.New("no validator permit")
	ErrDuplicate = errors.New("a target is named twice")
	ErrTarget    = errors.New("a target is not there")
	ErrTooFew    = errors.New("too few targets")
	ErrTooLarge  = errors.New("too much on one target")
)

// WeightRules are a run's rules for weights.
type WeightRules struct {
	MinTargets     int    // that a row must name, or all if there are fewer
	MaxWeight      uint16 // largest share of a row, in 1/65535; 65535 is no limit
	Version        uint64 // least version of the setter's software; 0 takes any
	RateLimit      uint64 // blocks between two rows of one setter
	StakeThreshold uint64
	// CommitReveal moves the rate limit from setting to committing.
	CommitReveal bool
}

// Setter is who sets weights.
type Setter struct {
	UID        uint16
	Stake      uint64 // as it votes, see [StakeWeight]
	LastUpdate uint64 // block of its last weights; 0 if there were none
	Version    uint64
	Permit     bool
	Owner      bool // of the run: needs neither stake nor permit
}

// Check returns why a setter's row is not taken at block, among n neurons, or nil. A
// row that weighs the setter alone needs no permit, no number of targets and no
// limit (subnets/weights.rs). A row that is taken is stored as [yuma.MaxUpscale]
// scales it.
func (r WeightRules) Check(block uint64, n int, s Setter, uids, values []uint16) error {
	self := len(uids) == 1 && uids[0] == s.UID
	since := block - min(block, s.LastUpdate)
	switch {
	case len(uids) != len(values):
		return fmt.Errorf("economy: %d targets, %d values: %w", len(uids), len(values), ErrLengths)
	case len(uids) > n:
		return fmt.Errorf("economy: %d targets of %d neurons: %w", len(uids), n, ErrTooMany)
	case s.Stake < r.StakeThreshold && !s.Owner:
		return fmt.Errorf("economy: stake %d, %d is needed: %w", s.Stake, r.StakeThreshold, ErrStake)
	case s.Version < r.Version:
		return fmt.Errorf("economy: version %d, %d is needed: %w", s.Version, r.Version, ErrVersion)
	case !r.CommitReveal && s.LastUpdate != 0 && since < r.RateLimit:
		return fmt.Errorf("economy: %d blocks since the last weights, %d are needed: %w", since, r.RateLimit, ErrRate)
	case !s.Permit && !s.Owner && !self:
		return fmt.Errorf("economy: uid %d: %w", s.UID, ErrPermit)
	}
	if err := checkTargets(n, uids); err != nil {
		return err
	}
	switch {
	case self:
		return nil
	case len(uids) < min(n, r.MinTargets):
		return fmt.Errorf("economy: %d targets, %d are needed: %w", len(uids), min(n, r.MinTargets), ErrTooFew)
	case !yuma.WithinLimit(values, r.MaxWeight):
		return fmt.Errorf("economy: at most %d/65535 is allowed: %w", r.MaxWeight, ErrTooLarge)
	}
	return nil
}

func checkTargets(n int, uids []uint16) error {
	sorted := slices.Sorted(slices.Values(uids))
	for k := 1; k < len(sorted); k++ {
		if sorted[k] == sorted[k-1] {
			return fmt.Errorf("economy: uid %d: %w", sorted[k], ErrDuplicate)
		}
	}
	if k := len(sorted); k > 0 && int(sorted[k-1]) >= n {
		return fmt.Errorf("economy: uid %d of %d: %w", sorted[k-1], n, ErrTarget)
	}
	return nil
}

// MaxCommits is how many commits of one setter may wait to be shown.
const MaxCommits = 10

// Phase says whether hidden weights may be shown.
type Phase uint8

// Hidden weights are shown in one epoch: before it they are [Early], after it
// [Expired].
const (
	Early Phase = iota
	Open
	Expired
)

// RevealPhase returns where weights committed in an epoch stand in the epoch now,
// if they are shown period epochs later.
func RevealPhase(commit, period, now uint64) Phase {
	switch {
	case now < commit || now-commit < period:
		return Early
	case now-commit == period:
		return Open
	}
	return Expired
}
