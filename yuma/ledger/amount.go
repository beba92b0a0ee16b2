package ledger

// This file holds the small types that other packages name things by.

import (
	"encoding/hex"
	"math/bits"
)

// Amount is a sum of money in units of 10⁻⁹ coin.
type Amount uint64

// Coin is one coin.
const Coin Amount = 1_000_000_000

// Hotkey identifies a participant: its public key.
type Hotkey [32]byte

// String returns the key in hexadecimal.
func (h Hotkey) String() string { return hex.EncodeToString(h[:]) }

// Round counts the rounds of a run from 0.
type Round uint64

// maxRound keeps differences and successors of rounds inside a Round.
const maxRound Round = 1 << 62

// Share is a part in 65535ths.
type Share uint16

// All is the share that is everything.
const All Share = 65535

// Of returns floor(a·s/65535).
func (s Share) Of(a Amount) Amount {
	hi, lo := bits.Mul64(uint64(a), uint64(s))
	q, _ := bits.Div64(hi, lo, uint64(All))
	return Amount(q)
}

// Role says what a neuron does. The zero Role is none.
type Role uint8

// The roles. Numbers are part of the state's encoding: append only.
const (
	Worker Role = iota + 1
	Validator
)

// String returns the role's name.
func (r Role) String() string {
	switch r {
	case Worker:
		return "worker"
	case Validator:
		return "validator"
	}
	return "none"
}
