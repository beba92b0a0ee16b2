package replica

// This file sends what a node owes, again and again until it is taken or refused.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/cenkalti/backoff/v4"

	"lode/protocol"
)

// Submitter sends one encoded message of a member. A refusal is a
// *protocol.Refusal; any other error leaves open whether the message arrived.
type Submitter interface {
	Submit(ctx context.Context, message []byte) error
}

// Uploader uploads a payload; it goes on where an earlier attempt stopped.
type Uploader interface {
	Put(ctx context.Context, digest protocol.Digest, size int64, r io.ReaderAt) error
}

// Submit sends a message until it is taken, refused, or ctx ends. Sending a
// message twice does no harm: the second is refused as a duplicate.
func Submit(ctx context.Context, to Submitter, m protocol.Message) error {
	b := protocol.Encode(m)
	return retry(ctx, func() error { return to.Submit(ctx, b) })
}

// Transact sends a transaction as [Submit] sends a message. A second time its number is
// used up.
func Transact(ctx context.Context, to Submitter, tx []byte) error {
	return retry(ctx, func() error { return to.Submit(ctx, tx) })
}

// Upload sends a payload until it is taken, refused, or ctx ends.
func Upload(ctx context.Context, to Uploader, payload []byte) error {
	d := protocol.Sum(payload)
	return retry(ctx, func() error { return to.Put(ctx, d, int64(len(payload)), bytes.NewReader(payload)) })
}

func retry(ctx context.Context, try func() error) error {
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(0))
	return backoff.Retry(func() error {
		err := try()
		var refusal *protocol.Refusal
		if errors.As(err, &refusal) && refusal.Reason != protocol.Busy && refusal.Reason != protocol.Internal {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(pause, ctx))
}
