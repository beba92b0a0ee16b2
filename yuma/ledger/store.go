package ledger

// This file holds the state as typed records in a tree, and the way back from a
// change.

import (
	"encoding/binary"
	"fmt"

	"lode/protocol"
	"lode/yuma/ledger/tree"
)

// store is the state. Every change is noted until it is kept.
type store struct {
	tree tree.Tree
	undo []change
}

// change is one write. An absent value is the empty string, which no record is.
type change struct{ key, old, new string }

func (s *store) set(key, value string) {
	old, _ := s.tree.Get(key)
	if old == value {
		return
	}
	s.undo = append(s.undo, change{key, old, value})
	s.write(key, value)
}

func (s *store) write(key, value string) {
	if value == "" {
		s.tree.Delete(key)
		return
	}
	s.tree.Put(key, value)
}

// revert takes all changes back that were not kept.
func (s *store) revert() {
	for i := len(s.undo) - 1; i >= 0; i-- {
		s.write(s.undo[i].key, s.undo[i].old)
	}
	s.keep()
}

func (s *store) keep() { s.undo = s.undo[:0] }

// table is one kind of records: all keys of a kind begin with its letter and have
// the same length.
type table struct {
	letter byte
	idLen  int
	read   func(value string) (any, error)
}

func tableOf[T any](letter byte, idLen int) table {
	return table{letter, idLen, func(value string) (any, error) {
		var v T
		err := protocol.Decode([]byte(value), &v)
		return v, err
	}}
}

// The kinds of records. Letters and layouts are part of the state's format
// (docs/economy.md): append only. Numbers in keys are big-endian.
var (
	networks     = tableOf[Network]('n', 0)
	accounts     = tableOf[Account]('a', 32)      // coldkey, or hotkey that signed
	identities   = tableOf[Identity]('h', 32)     // hotkey
	totals       = tableOf[Amount]('t', 4)        // run: units in all its pools
	pools        = tableOf[Pool]('p', 4+32)       // run, hotkey
	positions    = tableOf[uint64]('s', 4+32+32)  // run, hotkey, coldkey: shares of the pool
	leavingPools = tableOf[Pool]('l', 4+32)       // run, hotkey
	leavings     = tableOf[Leaving]('u', 4+32+32) // run, hotkey, coldkey
	children     = tableOf[Children]('f', 4+32)   // run, hotkey
	parents      = tableOf[uint64]('g', 4+32+32)  // run, child, parent: part of 2⁶⁴−1
	bound        = tableOf[uint8]('j', 32)        // coldkey that may stake and nothing else: 1
)

// key returns the key of a record.
func (t table) key(id ...[]byte) string {
	b := make([]byte, 1, 1+t.idLen)
	b[0] = t.letter
	for _, part := range id {
		b = append(b, part...)
	}
	if len(b) != 1+t.idLen {
		panic(fmt.Sprintf("ledger: a key of table %c has %d bytes", t.letter, len(b)))
	}
	return string(b)
}

// prefix returns what all keys begin with whose id begins so.
func (t table) prefix(id ...[]byte) string {
	b := []byte{t.letter}
	for _, part := range id {
		b = append(b, part...)
	}
	return string(b)
}

func (r Run) bytes() []byte  { return binary.BigEndian.AppendUint32(nil, uint32(r)) }
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
func uidBytes(u int) []byte  { return binary.BigEndian.AppendUint16(nil, uint16(u)) }

// load returns the record at a key, and whether there is one.
func load[T any](s *store, key string) (v T, ok bool) {
	b, ok := s.tree.Get(key)
	if ok {
		v = parse[T](b)
	}
	return v, ok
}

// parse reads a record that this package wrote or [Restore] checked.
func parse[T any](b string) (v T) {
	if err := protocol.Decode([]byte(b), &v); err != nil {
		panic("ledger: a record of the state cannot be read: " + err.Error())
	}
	return v
}

func save[T any](s *store, key string, v T) { s.set(key, string(protocol.Encode(v))) }

func (s *store) remove(key string) { s.set(key, "") }

func (s *store) has(key string) bool {
	_, ok := s.tree.Get(key)
	return ok
}

// ids returns the ids of a table's records that begin with a prefix, ascending. The
// state may change while the caller walks through them.
func (s *store) ids(prefix string) (ids [][]byte) {
	for k := range s.tree.Ascend(prefix) {
		ids = append(ids, []byte(k[1:]))
	}
	return ids
}
