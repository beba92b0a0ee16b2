package checkpoints

// This file holds the one rule for trying again.

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// attempts paces repetitions of something that may fail for a while: waits grow
// from 0.2 s to 5 s, with jitter, until limit has passed since the last progress.
type attempts struct {
	limit time.Duration
	pace  *backoff.ExponentialBackOff
}

func newAttempts(limit time.Duration) *attempts {
	pace := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(200*time.Millisecond),
		backoff.WithMaxInterval(5*time.Second),
		backoff.WithMaxElapsedTime(limit))
	return &attempts{limit: limit, pace: pace}
}

// progress starts the clock anew.
func (a *attempts) progress() { a.pace.Reset() }

// again waits for the next try and reports whether there is one.
func (a *attempts) again(ctx context.Context) bool {
	if a.limit <= 0 {
		return false
	}
	wait := a.pace.NextBackOff()
	if wait == backoff.Stop {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// retry runs op until it succeeds, fails for good or the time for it has passed.
func (o Options) retry(ctx context.Context, transient func(error) bool, op func() error) error {
	tries := newAttempts(o.retryFor())
	for {
		err := op()
		if err == nil || !transient(err) || ctx.Err() != nil {
			return err
		}
		if !tries.again(ctx) {
			return err
		}
		if o.Tell != nil {
			o.Tell(err)
		}
	}
}
