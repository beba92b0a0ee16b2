package replica

// This file follows a record.

import (
	"context"

	"lode/coordinator/round"
)

// Record is where entries come from.
type Record interface {
	// Follow calls each with every entry of the record from the given index on,
	// in order, as they come into being, until ctx ends or each fails.
	Follow(ctx context.Context, from uint64, each func(entry []byte) error) error
}

// backlog is how many entries may wait for a slow owner before the sender is
// made to wait.
const backlog = 256

// Follow feeds rep from rec and calls changed after every batch of entries that
// arrived together, with the rounds that became final in it. Everything happens
// on the calling goroutine, so rep needs no lock. It returns the first error,
// once nothing it started runs any more; entries that arrived before rec failed
// are taken in first.
func Follow(ctx context.Context, rec Record, rep *round.Replica, changed func(final []round.Summary) error) error {
	return FollowWoken(ctx, rec, rep, nil, changed)
}

// FollowWoken is [Follow] that calls changed, with no rounds, for what comes from wake too.
func FollowWoken(ctx context.Context, rec Record, rep *round.Replica, wake <-chan struct{}, changed func(final []round.Summary) error) error {
	ctx, cancel := context.WithCancel(ctx)
	entries := make(chan []byte, backlog)
	var ended error
	from := rep.Chain.Next
	go func() { // ends with ctx, which ends when Follow returns
		defer close(entries)
		ended = rec.Follow(ctx, from, func(entry []byte) error {
			select {
			case entries <- entry:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	err := take(entries, wake, rep, changed)
	cancel()
	for range entries { // until the goroutine has ended
	}
	if err == nil {
		err = ended
	}
	return err
}

// take feeds rep until entries ends or something fails.
func take(entries <-chan []byte, wake <-chan struct{}, rep *round.Replica, changed func(final []round.Summary) error) error {
	for {
		var entry []byte
		more := false
		select {
		case entry, more = <-entries:
			if !more {
				return nil
			}
		case <-wake:
		}
		var final []round.Summary
		for more {
			merged, err := feed(rep, entry)
			if err != nil {
				return err
			}
			final = append(final, merged...)
			select {
			case entry, more = <-entries:
			default:
				more = false
			}
		}
		if err := changed(final); err != nil {
			return err
		}
	}
}

func feed(rep *round.Replica, entry []byte) ([]round.Summary, error) {
	effects, err := rep.Feed(entry)
	if err != nil {
		return nil, err
	}
	var final []round.Summary
	for _, e := range effects {
		if m, ok := e.(round.Merged); ok {
			final = append(final, m.Summary)
		}
	}
	return final, nil
}
