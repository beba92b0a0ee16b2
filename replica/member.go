package replica

// This file holds what every member of a run is handed: a way to it, and a place
// for files.

import (
	"context"
	"io"
)

// Link is how a member reaches its run.
type Link interface {
	Record
	Fetcher
	Submitter
	Uploader
}

// Files is where a member keeps what must survive it. Put replaces a file as a
// whole or not at all.
type Files interface {
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error)
}
