package solo

// This file holds the sample that held-out loss is measured on.

import (
	"context"
	"encoding/binary"

	"lode/engine"
	"lode/protocol"
	"lode/replica"
)

// Text is where held-out batches come from.
type Text interface {
	// HeldOut draws a batch of so many rows from what is never trained on.
	HeldOut(ctx context.Context, seed protocol.Digest, rows int) (engine.Batch, error)
}

// HeldOut draws a sample of at least so many targets, in batches of the manifest's
// score.held_out rows: the same for everybody with the same seed.
func HeldOut(ctx context.Context, r *replica.Rules, t Text, targets int) ([]engine.Batch, error) {
	var sample []engine.Batch
	for num := 0; num < targets; {
		seed := protocol.Hash("solo held out", r.Manifest.Seed[:], binary.LittleEndian.AppendUint64(nil, uint64(len(sample))))
		b, err := t.HeldOut(ctx, seed, int(r.Manifest.Score.HeldOut))
		if err != nil {
			return nil, err
		}
		sample, num = append(sample, b), num+b.NumTargets()
	}
	return sample, nil
}
