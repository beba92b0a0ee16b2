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

import (
	"crypto/sha256"
	"encoding/binary"
)

const (
	magic  = "lode ledger"
	format = 1
	// rootDomain keeps a state's digest apart from all other digests.
	rootDomain = "lode/ledger/state/1\x00"
)

// Root returns the digest of the whole state: SHA-256 of the domain
// "lode/ledger/state/1", a zero byte and the bytes of [Machine.Snapshot].
func (m *Machine) Root() [32]byte {
	return sha256.Sum256(m.appendState([]byte(rootDomain)))
}

// Snapshot returns the whole state as bytes that [Restore] reads.
func (m *Machine) Snapshot() []byte { return m.appendState(nil) }

func (m *Machine) appendState(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, magic...)
	b = append(b, format)
	b = appendParams(b, m.params)
	for _, v := range []Amount{Amount(m.next), m.genesis, m.emitted, m.burned, m.unpaid} {
		b = le.AppendUint64(b, uint64(v))
	}
	b = le.AppendUint32(b, uint32(len(m.accounts)))
	for _, a := range m.accounts {
		b = append(b, a.key[:]...)
		b = le.AppendUint64(b, uint64(a.balance))
		b = le.AppendUint64(b, uint64(a.stake))
	}
	b = le.AppendUint16(b, uint16(len(m.neurons)))
	for _, n := range m.neurons {
		b = append(b, n.key[:]...)
		b = append(b, byte(n.role))
		b = le.AppendUint64(b, uint64(n.joined))
		b = le.AppendUint16(b, uint16(len(n.bonds)))
		for _, e := range n.bonds {
			b = le.AppendUint16(b, e.UID)
			b = le.AppendUint16(b, e.Value)
		}
	}
	return b
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
	b = appendBool(b, y.LiquidDropsAbsent)
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
