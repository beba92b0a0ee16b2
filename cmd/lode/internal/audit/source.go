package audit

// This file holds what an audit reads from, and the live run as such.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"lode/checkpoints"
	"lode/cmd/lode/internal/models"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// Source is what a run left behind.
type Source struct {
	Manifest protocol.Manifest
	Record   Record
	Payloads replica.Fetcher
	Store    Shelf         // nil: no checkpoints are looked at
	Initial  tensor.Reader // the parameters that the manifest names; nil: not at hand
}

// Record is the run's record as far as it goes now.
type Record interface {
	// Entries calls each with every entry there is, in order, and returns the
	// first error.
	Entries(ctx context.Context, each func(entry []byte) error) error
}

// Shelf finds checkpoints.
type Shelf interface {
	// Rounds returns the rounds that have a checkpoint, ascending, given the last
	// one that the record names.
	Rounds(ctx context.Context, last protocol.Published) ([]uint64, error)
	// At returns where the checkpoint of one of those rounds lies.
	At(ctx context.Context, round uint64) (checkpoints.Source, error)
}

// Live returns the run of a connection as a source: its record up to now, what
// payloads its coordinator still has, and the one checkpoint it serves.
func Live(o *models.Observer) Source {
	return Source{Manifest: o.Rules.Manifest, Record: o, Payloads: o, Store: &served{observer: o}, Initial: o.Rules.Initial}
}

// served is the shelf of a coordinator: its last checkpoint.
type served struct {
	observer *models.Observer
	last     protocol.Published
}

// Rounds implements [Shelf].
func (s *served) Rounds(_ context.Context, last protocol.Published) ([]uint64, error) {
	s.last = last
	if last.Manifest == (protocol.Digest{}) {
		return nil, nil
	}
	return []uint64{uint64(last.Round)}, nil
}

// At implements [Shelf].
func (s *served) At(ctx context.Context, round uint64) (checkpoints.Source, error) {
	if round != uint64(s.last.Round) {
		return nil, fmt.Errorf("the coordinator serves the checkpoint of round %d only: %w", s.last.Round, fs.ErrNotExist)
	}
	return s.observer.Served(ctx, s.last)
}

// missing tells a payload that is not there, or places that follow from one, from one
// that is wrong.
func missing(err error) bool {
	reason := protocol.ReasonOf(err)
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, replica.ErrNoPlaces) || reason == protocol.NotFound || reason == protocol.Unavailable
}

// wrong tells content that is not what its digest says.
func wrong(err error) bool {
	reason := protocol.ReasonOf(err)
	return errors.Is(err, checkpoints.ErrCorrupt) || reason == protocol.WrongContent || reason == protocol.TooLarge
}
