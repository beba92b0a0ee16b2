package ledger

// This file holds the state as bytes, its root, and proofs from it.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"lode/protocol"
	"lode/yuma/ledger/tree"
)

// Root returns the digest of the whole state (docs/state-proof.md).
func (m *Machine) Root() protocol.Digest { return m.store.tree.Root() }

// Prove shows what the state has at a [Key].
func (m *Machine) Prove(key string) tree.Proof { return m.store.tree.Prove(key) }

// Key returns the key of a record: the letter of its table and the parts of its id, as
// docs/economy.md lists them; ok is false if there is no such table or id.
func Key(letter byte, id ...[]byte) (key string, ok bool) {
	key = string([]byte{letter}) + string(bytes.Join(id, nil))
	t, ok := tableAt(key)
	return key, ok && len(key) == 1+t.idLen
}

// Record reads the value at a key: a structure of this package, or an integer.
func Record(key string, value []byte) (any, error) {
	t, ok := tableAt(key)
	if !ok || len(key) != 1+t.idLen {
		return nil, fmt.Errorf("ledger: key %x: %w", key, ErrState)
	}
	v, err := t.read(string(value))
	if err != nil {
		return nil, fmt.Errorf("ledger: record %x: %w: %w", key, ErrState, err)
	}
	return v, nil
}

// magic begins a snapshot: name and format.
const magic = "lode ledger\x01"

// Snapshot returns the whole state as bytes that [Restore] reads: magic, then for each
// record, ascending by key, the length of key and value as uint16 and uint32, little-
// endian, key and value. Blocks follow only on a state in which none is open.
func (m *Machine) Snapshot() []byte {
	b := []byte(magic)
	for k, v := range m.store.tree.Ascend("") {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(k)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, k...)
		b = append(b, v...)
	}
	return b
}

// Restore reads what [Machine.Snapshot] wrote of the state that has a root, which the
// caller must know from elsewhere: that is the proof. It refuses everything else,
// and allocates a few times the length of data.
func Restore(data []byte, root protocol.Digest) (*Machine, error) {
	m := &Machine{}
	if err := m.read(data); err != nil {
		return nil, fmt.Errorf("ledger: restore: %w", err)
	}
	if got := m.Root(); got != root {
		return nil, fmt.Errorf("ledger: restore: root %s, want %s: %w", got.Short(), root.Short(), ErrState)
	}
	var ok bool
	if m.net, ok = load[Network](&m.store, networks.key()); !ok {
		return nil, fmt.Errorf("ledger: restore: no network: %w", ErrState)
	}
	if err := m.Audit(); err != nil {
		return nil, fmt.Errorf("ledger: restore: %w: %w", ErrState, err)
	}
	m.base = root
	return m, nil
}

func (m *Machine) read(data []byte) error {
	if len(data) < len(magic) || string(data[:len(magic)]) != magic {
		return fmt.Errorf("format: %w", ErrState)
	}
	last := ""
	for data = data[len(magic):]; len(data) > 0; {
		if len(data) < 6 {
			return fmt.Errorf("cut off: %w", ErrState)
		}
		keyLen, valueLen := int(binary.LittleEndian.Uint16(data)), int64(binary.LittleEndian.Uint32(data[2:]))
		if int64(len(data)) < 6+int64(keyLen)+valueLen {
			return fmt.Errorf("cut off: %w", ErrState)
		}
		key := string(data[6 : 6+keyLen])
		value := string(data[6+keyLen : 6+keyLen+int(valueLen)])
		if key <= last {
			return fmt.Errorf("key %x after %x: %w", key, last, ErrState)
		}
		if _, err := Record(key, []byte(value)); err != nil {
			return err
		}
		m.store.write(key, value)
		last, data = key, data[6+keyLen+int(valueLen):]
	}
	return nil
}

// tables are all kinds of records.
var tables = []table{
	networks, accounts, identities, totals, pools, positions, leavingPools, leavings, children, parents,
	runs, dissolved, runParams, runIDs, neurons, uids, weights, bonds, commits, offences,
	escrows, proposals, votes, agenda, proposers, bound,
}

// tableAt returns the table of a key.
func tableAt(key string) (table, bool) {
	i := slices.IndexFunc(tables, func(t table) bool { return key != "" && key[0] == t.letter })
	if i < 0 {
		return table{}, false
	}
	return tables[i], true
}

// Audit adds up the whole state and reports whether every coin and every unit that
// exists belongs to somebody.
func (m *Machine) Audit() error {
	s := sums{}
	for k, v := range m.store.tree.Ascend("") {
		s.count(m.net.Market, k, v, 1)
	}
	return s.check()
}
