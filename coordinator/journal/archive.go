package journal

// This file holds the archive: the blocks of a run's ledger, and states to begin from.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"go.etcd.io/bbolt"

	"lode/protocol"
)

// ErrPruned says that blocks are asked for that are no longer kept.
var ErrPruned = errors.New("no longer kept")

// Archive keeps the blocks of one run's ledger by height, from 1, and its newest
// snapshots. All of it follows from the record: what a crash keeps it from taking is
// given to it again.
type Archive struct {
	blocks *Journal
	states []byte // bucket: height, snapshot
}

// keepStates is how many snapshots are kept: one may be on its way to somebody when the
// next is taken.
const keepStates = 2

// Archive returns the archive of a run, empty if the file has none.
func (f *File) Archive(run protocol.RunID) (*Archive, error) {
	blocks, err := f.list("blocks ", run)
	if err != nil {
		return nil, err
	}
	a := &Archive{blocks: blocks, states: append([]byte("states "), run[:]...)}
	err = f.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(a.states)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("archive %s of run %s: %w", f.db.Path(), run.Short(), err)
	}
	return a, nil
}

// Next returns the height of the block to come.
func (a *Archive) Next() uint64 { return a.blocks.Len() + 1 }

// Add keeps the block of height Next and, if it is not nil, a snapshot of the state
// after it; then it forgets older snapshots, and with prune the blocks up to the oldest
// one left. A crash leaves all of that or nothing.
func (a *Archive) Add(block, state []byte, prune bool) error {
	a.blocks.append.Lock()
	defer a.blocks.append.Unlock()
	height := a.Next()
	err := a.blocks.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(a.blocks.bucket)
		b.FillPercent = 1 // keys only grow
		if err := b.Put(key(height-1), block); err != nil || state == nil {
			return err
		}
		oldest, err := keepState(tx.Bucket(a.states), height, state)
		if err != nil || !prune {
			return err
		}
		return dropBelow(b, oldest)
	})
	if err != nil {
		return fmt.Errorf("archive: block %d: %w", height, err)
	}
	a.blocks.length.Store(height)
	return nil
}

// keepState puts a snapshot beside the newest others and returns the key of the oldest.
func keepState(states *bbolt.Bucket, height uint64, state []byte) (oldest []byte, err error) {
	if err := states.Put(key(height), state); err != nil {
		return nil, err
	}
	var kept [][]byte
	_ = states.ForEach(func(k, _ []byte) error {
		kept = append(kept, bytes.Clone(k))
		return nil
	})
	for ; len(kept) > keepStates; kept = kept[1:] {
		if err := states.Delete(kept[0]); err != nil {
			return nil, err
		}
	}
	return kept[0], nil
}

// Blocks returns at most most blocks from a height on; none past the last. It fails
// with [ErrPruned] below what is kept.
func (a *Archive) Blocks(from uint64, most int) ([][]byte, error) {
	if from == 0 {
		return nil, errors.New("archive: the first block has height 1")
	}
	var first uint64
	err := a.blocks.db.View(func(tx *bbolt.Tx) error {
		if k, _ := tx.Bucket(a.blocks.bucket).Cursor().First(); k != nil {
			i, err := index(k)
			first = i + 1
			return err
		}
		return nil
	})
	if err == nil && from < first {
		err = fmt.Errorf("archive: block %d, the first is %d: %w", from, first, ErrPruned)
	}
	if err != nil {
		return nil, err
	}
	return a.blocks.Read(from-1, most)
}

// dropBelow removes the blocks up to a height, but never all: the last key says how many
// there were.
func dropBelow(blocks *bbolt.Bucket, height []byte) error {
	last, _ := blocks.Cursor().Last()
	c := blocks.Cursor()
	for k, _ := c.First(); k != nil && string(k) < string(last); k, _ = c.First() {
		if binary.BigEndian.Uint64(k)+1 > binary.BigEndian.Uint64(height) {
			return nil
		}
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// State returns the newest snapshot that is not above a height, nil if there is none.
func (a *Archive) State(most uint64) (height uint64, state []byte, err error) {
	height, _, state, err = a.StatePart(most, 0, math.MaxInt)
	return height, state, err
}

// StatePart returns at most n bytes of that snapshot from an offset on, and its size; size
// 0 if there is none.
func (a *Archive) StatePart(most, offset uint64, n int) (height, size uint64, part []byte, err error) {
	err = a.blocks.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(a.states).Cursor()
		var state []byte
		for k, v := c.First(); k != nil && bytes.Compare(k, key(most)) <= 0; k, v = c.Next() {
			var err error
			if height, err = index(k); err != nil {
				return err
			}
			state = v
		}
		if size = uint64(len(state)); offset < size {
			rest := state[offset:]
			part = bytes.Clone(rest[:min(n, len(rest))])
		}
		return nil
	})
	return height, size, part, err
}
