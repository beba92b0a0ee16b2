package data

import (
	"context"
	"testing"

	"lode/protocol"
)

// Indexing the default corpus is what a first start waits for.
func BenchmarkIndexDefault(b *testing.B) {
	ctx := context.Background()
	c, err := OpenDefault(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(c.Bytes()))
	for b.Loop() {
		if _, err := c.Index(ctx, 1<<16, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// The last of 4,096 workers pays most for its duty.
func BenchmarkDuty(b *testing.B) {
	p := Plan{pieces: maxPieces, training: maxPieces - maxPieces/50, piece: 1 << 16, rows: 8, steps: 256, inner: 30}
	for b.Loop() {
		p.Duty(protocol.Digest{1}, 4096, 4095)
	}
}
