package journal

// This file holds the file and the records in it.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"lode/protocol"
)

// File is a file of records. Its methods may be called at the same time.
type File struct {
	db *bbolt.DB

	mu    sync.Mutex
	lists map[string]*Journal // those asked for so far, by bucket
}

// Journal is a list of one run in a file: its record, or the blocks of its ledger.
type Journal struct {
	db     *bbolt.DB
	bucket []byte
	length atomic.Uint64
	append sync.Mutex // held by Append from reading the length to moving it
}

// lockWait is how long Open waits for another process to let go of the file.
const lockWait = 2 * time.Second

// Open opens or makes the file at path.
func Open(path string) (*File, error) {
	if err := CheckLength(path); err != nil {
		return nil, fmt.Errorf("record %s: %w", path, err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("record %s: another process is using it: is a coordinator running already?", path)
	}
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", path, err)
	}
	return &File{db: db, lists: map[string]*Journal{}}, nil
}

// Record returns the record of a run, empty if the file has none. It is the same
// Journal for whoever asks: each keeps its length, and two would overwrite what
// the other appends.
func (f *File) Record(run protocol.RunID) (*Journal, error) { return f.list("record ", run) }

// list returns a list of a kind for a run.
func (f *File) list(kind string, run protocol.RunID) (*Journal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bucket := kind + string(run[:])
	if j := f.lists[bucket]; j != nil {
		return j, nil
	}
	j := &Journal{db: f.db, bucket: []byte(bucket)}
	err := f.db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(j.bucket)
		if err != nil {
			return err
		}
		k, _ := b.Cursor().Last()
		if k == nil {
			return nil
		}
		last, err := index(k)
		j.length.Store(last + 1)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("record %s of run %s: %w", f.db.Path(), run.Short(), err)
	}
	f.lists[bucket] = j
	return j, nil
}

// Close closes the file and with it all its records.
func (f *File) Close() error { return f.db.Close() }

// Len returns the number of entries.
func (j *Journal) Len() uint64 { return j.length.Load() }

// Append makes entries durable behind those that are there.
func (j *Journal) Append(entries [][]byte) error {
	j.append.Lock()
	defer j.append.Unlock()
	next := j.Len()
	err := j.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(j.bucket)
		b.FillPercent = 1 // keys only grow
		for i, e := range entries {
			if err := b.Put(key(next+uint64(i)), e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record: write entry %d: %w", next, err)
	}
	j.length.Store(next + uint64(len(entries)))
	return nil
}

// Read returns at most most entries from the given index on; none past the end.
func (j *Journal) Read(from uint64, most int) ([][]byte, error) {
	var out [][]byte
	err := j.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(j.bucket).Cursor()
		for k, v := c.Seek(key(from)); k != nil && len(out) < most; k, v = c.Next() {
			got, err := index(k)
			if err != nil {
				return err
			}
			if got != from+uint64(len(out)) {
				return fmt.Errorf("entry %d is missing, entry %d follows", from+uint64(len(out)), got)
			}
			out = append(out, append([]byte(nil), v...))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("record: read entry %d: %w", from, err)
	}
	return out, nil
}

func key(i uint64) []byte { return binary.BigEndian.AppendUint64(nil, i) }

func index(key []byte) (uint64, error) {
	if len(key) != 8 {
		return 0, fmt.Errorf("%x is no index of an entry", key)
	}
	return binary.BigEndian.Uint64(key), nil
}
