package sim

// This file holds the link of a node in the coordinator's own process.

import (
	"context"
	"io"

	"lode/coordinator"
	"lode/protocol"
	"lode/replica"
)

// link is one node's way to the coordinator.
type link struct {
	to   *coordinator.Coordinator
	node protocol.NodeID
}

// Follow implements replica.Record.
func (l link) Follow(ctx context.Context, from uint64, each func([]byte) error) error {
	return l.to.Follow(ctx, from, each)
}

// Submit implements replica.Submitter.
func (l link) Submit(ctx context.Context, message []byte) error {
	return l.to.Submit(ctx, l.node, message)
}

// Put implements replica.Uploader.
func (l link) Put(ctx context.Context, digest protocol.Digest, size int64, r io.ReaderAt) error {
	offset, err := l.to.PutOffset(ctx, l.node, digest, size)
	if err != nil || offset == size {
		return err
	}
	_, err = l.to.Put(ctx, l.node, digest, size, offset, io.NewSectionReader(r, offset, size-offset))
	return err
}

// Fetch implements replica.Fetcher.
func (l link) Fetch(ctx context.Context, digest protocol.Digest, most int64) ([]byte, error) {
	r, size, err := l.to.Open(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return replica.ReadPayload(r, size, digest, most)
}
