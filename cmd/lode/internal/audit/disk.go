package audit

// This file holds the run on this machine's disk: a coordinator's record and
// payloads, opened without changing either.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"lode/checkpoints"
	"lode/coordinator/journal"
	"lode/protocol"
)

// ErrInUse says that a coordinator has the record open.
var ErrInUse = errors.New("a coordinator is running on this record")

// Paths say where on disk a run lies.
type Paths struct {
	Record   string            // file of the record
	Payloads string            // folder of the payloads
	Store    checkpoints.Store // nil: no checkpoints are looked at
}

// Disk is a run on this machine. Close it after use.
type Disk struct {
	Source
	db *bbolt.DB
}

// lockWait is how long a coordinator that is just stopping is waited for.
const lockWait = 500 * time.Millisecond

// OpenDisk opens the run of a manifest for reading. While a coordinator runs, its
// record is locked: verify over its link then.
func OpenDisk(man protocol.Manifest, p Paths) (*Disk, error) {
	for _, path := range []string{p.Record, p.Payloads} { // opening must not make them
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
	}
	if err := journal.CheckLength(p.Record); err != nil {
		return nil, fmt.Errorf("record %s: %w", p.Record, err)
	}
	db, err := bbolt.Open(p.Record, 0o400, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("record %s: %w: stop it, or verify over its link (lode verify lode://…)", p.Record, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", p.Record, err)
	}
	run := man.ID()
	const unbounded = 1 << 62 // nothing is written
	blobs, err := checkpoints.OpenBlobs(p.Payloads, run, unbounded, unbounded)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	d := &Disk{db: db, Source: Source{Manifest: man, Record: bolt{db, run}, Payloads: local{blobs}}}
	if p.Store != nil {
		d.Store = store{p.Store, run}
	}
	return d, nil
}

// Close lets go of the record.
func (d *Disk) Close() error { return d.db.Close() }

// bolt is a journal opened for reading; package coordinator/journal writes it: a
// bucket for each run, entries under their index, 8 bytes big-endian.
type bolt struct {
	db  *bbolt.DB
	run protocol.RunID
}

// Entries implements [Record].
func (j bolt) Entries(ctx context.Context, each func([]byte) error) error {
	return j.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(append([]byte("record "), j.run[:]...))
		if b == nil {
			return fmt.Errorf("%s holds no record of run %s: it is another run's, or the manifest is", j.db.Path(), j.run.Short())
		}
		var next uint64
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if len(k) != 8 || binary.BigEndian.Uint64(k) != next {
				return &Mismatch{What: "record", Entry: &next, Means: "an entry is missing: somebody removed it, or the file is damaged"}
			}
			if err := each(append([]byte(nil), v...)); err != nil {
				return err
			}
			next++
		}
		return nil
	})
}

// local are payloads on this machine. Their digests are checked: a disk forgets.
type local struct{ blobs *checkpoints.Blobs }

// Fetch implements replica.Fetcher.
func (l local) Fetch(_ context.Context, d protocol.Digest, most int64) (_ []byte, err error) {
	r, size, err := l.blobs.Open(d)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if size > most {
		return nil, protocol.Refuse(protocol.TooLarge, "%d bytes, at most %d are allowed", size, most)
	}
	b, err := io.ReadAll(io.LimitReader(r, size))
	if err != nil {
		return nil, err
	}
	if got := protocol.Sum(b); got != d {
		return nil, &damaged{got}
	}
	return b, nil
}

// damaged is a payload with other bytes than it is named after.
type damaged struct{ got protocol.Digest }

// Error implements error.
func (e *damaged) Error() string { return fmt.Sprintf("the bytes there have digest %s", e.got) }

// Is makes it a kind of checkpoints.ErrCorrupt.
func (e *damaged) Is(target error) bool { return target == checkpoints.ErrCorrupt }

// store is the shelf of a whole store.
type store struct {
	checkpoints.Store
	run protocol.RunID
}

// Rounds implements [Shelf].
func (s store) Rounds(ctx context.Context, _ protocol.Published) ([]uint64, error) {
	return checkpoints.List(ctx, s.Store, s.run)
}

// At implements [Shelf].
func (s store) At(context.Context, uint64) (checkpoints.Source, error) { return s.Store, nil }
