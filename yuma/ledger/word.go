package ledger

// This file holds the small types that everything else is said in.

import (
	"math"
	"math/bits"

	"lode/protocol"
)

// Amount is a sum of money in units of 10⁻⁹ coin, of the network's coin or of a
// run's own.
type Amount uint64

// Coin is one coin.
const Coin Amount = 1_000_000_000

// maxAmount keeps every sum of two amounts inside 63 bits.
const maxAmount = 1 << 62

// Coldkey is the Ed25519 public key that owns funds.
type Coldkey [32]byte

// String returns the key as 52 characters of lower-case base32.
func (c Coldkey) String() string { return protocol.NodeID(c).String() }

// MarshalText implements [encoding.TextMarshaler].
func (c Coldkey) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Hotkey is the Ed25519 public key that a node works with.
type Hotkey = protocol.NodeID

// Run numbers a run from 1, in the order in which they were created. No number is
// used twice.
type Run uint32

// Root is where stake counts for all runs together.
const Root Run = 0

// full is the share that is everything: shares are in 65535ths.
const full = math.MaxUint16

// share returns floor(a·s/65535), for s up to 65535.
func share(a Amount, s uint64) Amount { return mulDiv(a, s, full) }

// mulDiv returns floor(a·b/c) for a quotient that fits. c must not be 0.
func mulDiv(a Amount, b, c uint64) Amount {
	hi, lo := bits.Mul64(uint64(a), b)
	q, _ := bits.Div64(hi, lo, c)
	return Amount(q)
}

// mulDivUp returns ceil(a·b/c) for a quotient that fits. c must not be 0.
func mulDivUp(a Amount, b, c uint64) Amount {
	hi, lo := bits.Mul64(uint64(a), b)
	q, r := bits.Div64(hi, lo, c)
	if r > 0 {
		q++
	}
	return Amount(q)
}

// fits reports whether a·b/c is below [maxAmount].
func fits(a Amount, b, c uint64) bool {
	hi, _ := bits.Mul64(uint64(a), b)
	return c > 0 && hi < c && mulDiv(a, b, c) < maxAmount
}
