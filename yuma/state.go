package yuma

// This file holds what the epoch reads and what it returns.

import "fmt"

// MaxNeurons bounds n, so that sums of 16-bit values fit the integer part of a Q32.
const MaxNeurons = 1 << 15

// Entry is one cell of a sparse row: a target and a value of 0 to 65535.
type Entry struct {
	UID   uint16
	Value uint16
}

// Neuron is one participant; its index in [State] is its uid. Blocks are any
// counter that grows (a run uses its rounds).
type Neuron struct {
	Stake      uint64
	LastUpdate uint64 // block of its last weights, or of its commit to them
	Registered uint64 // block at which it took this uid
	Permit     bool   // validator permit from the previous epoch
	Owner      bool   // the owner's: no threshold, permanent permit, may weigh itself
	HasCommit  bool   // there is an unexpired commit, the oldest made at Commit
	Commit     uint64
	// Weights and Bonds are sorted by uid without repeats. Weights are relative
	// to each other; an explicit zero keeps a liquid bond from vanishing.
	// Bonds are what the previous epoch returned.
	Weights, Bonds []Entry
}

// State is the input of one epoch. Epoch reads it and keeps nothing of it.
type State struct {
	Block    uint64
	LastStep uint64 // block of the previous epoch; 0 if there was none
	Emission uint64 // units to hand out
	Neurons  []Neuron
}

// Result is the outcome of one epoch; every vector has length n.
type Result struct {
	Stake          []Q32 // share of all stake
	ActiveStake    []Q32 // share of the stake that voted
	Consensus      []Q32 // the weight that kappa of the active stake supports
	ValidatorTrust []Q32 // sum of a validator's clipped weights
	Rank           []Q32 // stake-weighted sum of clipped weights
	Trust          []Q32 // rank over the same sum unclipped
	Incentive      []Q32 // normalised rank: the worker's share
	Dividends      []Q32 // the validator's share

	Server    []uint64 // floor of the incentive part of the emission
	Validator []uint64 // floor of the dividend part
	Combined  []uint64 // floor of both together; up to 1 above their sum

	Bonds   [][]Entry // new bonds, sorted by uid, zeros left out
	Permits []bool    // validator permits for the next epoch
	Active  []bool    // updated within the activity cutoff
}

// check reports the first malformed row.
func (s State) check() error {
	n := len(s.Neurons)
	if n > MaxNeurons {
		return fmt.Errorf("yuma: %d neurons, at most %d are allowed", n, MaxNeurons)
	}
	for i := range s.Neurons {
		if err := checkRow(s.Neurons[i].Weights, n); err != nil {
			return fmt.Errorf("yuma: weights of uid %d: %w", i, err)
		}
		if err := checkRow(s.Neurons[i].Bonds, n); err != nil {
			return fmt.Errorf("yuma: bonds of uid %d: %w", i, err)
		}
	}
	return nil
}

func checkRow(row []Entry, n int) error {
	prev := -1
	for _, e := range row {
		switch uid := int(e.UID); {
		case uid >= n:
			return fmt.Errorf("uid %d of %d", uid, n)
		case uid <= prev:
			return fmt.Errorf("uid %d follows %d", uid, prev)
		default:
			prev = uid
		}
	}
	return nil
}
