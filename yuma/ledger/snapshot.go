package ledger

// This file holds the state as bytes. There is one encoding of a state: integers
// are little-endian and of fixed width, accounts ascend by key, neurons by uid,
// bonds by target, and nothing follows.
//
//	magic    "lode ledger" and the format number, one byte
//	params   as appendParams writes them
//	totals   next round, genesis, emitted, burned, unpaid: uint64 each
//	accounts uint32 count, then key[32], balance, stake: uint64 each
//	neurons  uint16 count, then key[32], role uint8, joined uint64,
//	         bonds: uint16 count, then target and value uint16 each
//
// A ledger of volunteers begins "lode volunteers" and has its number of places,
// uint16, where the other has its parameters.

import (
	"crypto/sha256"
	"encoding/binary"
)

const (
	magic  = "lode ledger"
	format = 1
	// rootDomain keeps a state's digest apart from all other digests.
	rootDomain = "lode/ledger/state/1\x00"

	volunteerMagic  = "lode volunteers"
	volunteerDomain = "lode/volunteers/state/1\x00"
)

// Root returns the digest of the whole state: SHA-256 of the domain
// "lode/ledger/state/1", a zero byte and the bytes of [Machine.Snapshot].
func (m *Machine) Root() [32]byte {
	return sha256.Sum256(m.appendState([]byte(rootDomain)))
}

// Snapshot returns the whole state as bytes that [Restore] reads.
func (m *Machine) Snapshot() []byte { return m.appendState(nil) }

func (m *Machine) appendState(b []byte) []byte {
	b = append(b, magic...)
	b = append(b, format)
	b = appendParams(b, m.params)
	return m.appendTo(b)
}

// Root returns the digest of the whole state: SHA-256 of the domain
// "lode/volunteers/state/1", a zero byte and the bytes of [Volunteer.Snapshot].
func (v *Volunteer) Root() [32]byte {
	return sha256.Sum256(v.appendState([]byte(volunteerDomain)))
}

// Snapshot returns the whole state as bytes that [RestoreVolunteer] reads.
func (v *Volunteer) Snapshot() []byte { return v.appendState(nil) }

func (v *Volunteer) appendState(b []byte) []byte {
	b = append(b, volunteerMagic...)
	b = append(b, format)
	b = binary.LittleEndian.AppendUint16(b, uint16(v.room))
	return v.appendTo(b)
}

func (b *books) appendTo(dst []byte) []byte {
	le := binary.LittleEndian
	for _, v := range []Amount{Amount(b.next), b.genesis, b.emitted, b.burned, b.unpaid} {
		dst = le.AppendUint64(dst, uint64(v))
	}
	dst = le.AppendUint32(dst, uint32(len(b.accounts)))
	for _, a := range b.accounts {
		dst = append(dst, a.key[:]...)
		dst = le.AppendUint64(dst, uint64(a.balance))
		dst = le.AppendUint64(dst, uint64(a.stake))
	}
	dst = le.AppendUint16(dst, uint16(len(b.neurons)))
	for _, n := range b.neurons {
		dst = append(dst, n.key[:]...)
		dst = append(dst, byte(n.role))
		dst = le.AppendUint64(dst, uint64(n.joined))
		dst = le.AppendUint16(dst, uint16(len(n.bonds)))
		for _, e := range n.bonds {
			dst = le.AppendUint16(dst, e.UID)
			dst = le.AppendUint16(dst, e.Value)
		}
	}
	return dst
}

// appendParams writes the fields in the order they are declared.
func appendParams(b []byte, p Params) []byte {
	le := binary.LittleEndian
	y := p.Yuma
	b = append(b, byte(y.Version))
	b = le.AppendUint16(b, y.Kappa)
	b = le.AppendUint16(b, y.BondsPenalty)
	b = le.AppendUint32(b, y.BondsMovingAverage)
	b = appendBool(b, y.LiquidAlpha)
	b = le.AppendUint16(b, y.AlphaLow)
	b = le.AppendUint16(b, y.AlphaHigh)
	b = le.AppendUint16(b, uint16(y.Steepness))
	b = appendBool(b, y.LiquidDecaysAbsent)
	b = le.AppendUint64(b, uint64(y.MaxValidators))
	b = appendBool(b, y.CurrentPermits)
	b = le.AppendUint64(b, y.StakeThreshold)
	b = le.AppendUint64(b, y.ActivityCutoff)
	b = le.AppendUint64(b, y.Tempo)
	b = appendBool(b, y.CommitReveal)
	b = append(b, p.Owner[:]...)
	b = le.AppendUint16(b, uint16(p.OwnerCut))
	b = le.AppendUint64(b, uint64(p.Cap))
	b = le.AppendUint64(b, uint64(p.Emission))
	return le.AppendUint16(b, uint16(p.MaxNeurons))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
