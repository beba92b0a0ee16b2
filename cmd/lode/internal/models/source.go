package models

// This file shows the checkpoint that a coordinator serves as a source of named
// objects.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"lode/checkpoints"
	"lode/protocol"
	"lode/replica"
)

// getter gets a payload by ranges: from an offset to the end.
type getter interface {
	Get(ctx context.Context, digest protocol.Digest, offset int64, w io.Writer) (int64, error)
}

// maxManifest bounds the manifest of a checkpoint in bytes. It has a line for
// each file and signature; a coordinator writes three files.
const maxManifest = 1 << 20

// Served is the checkpoint that a coordinator serves, by the names of its files.
// It implements [checkpoints.Source].
type Served struct {
	Manifest checkpoints.Manifest

	from    getter
	encoded []byte // the manifest's file
	files   map[string]checkpoints.File
}

// Served fetches the manifest that the record names and returns the checkpoint.
func (o *Observer) Served(ctx context.Context, p protocol.Published) (*Served, error) {
	return newServed(ctx, o.Rules.Run, p, o.peer, o.peer)
}

func newServed(ctx context.Context, run protocol.RunID, p protocol.Published, fetch replica.Fetcher, from getter) (*Served, error) {
	b, err := fetch.Fetch(ctx, p.Manifest, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("manifest of the checkpoint of round %d: %w", p.Round, gone(err))
	}
	m, err := checkpoints.ParseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("manifest of the checkpoint of round %d: %w", p.Round, err)
	}
	if m.Run != run || m.Round != uint64(p.Round) {
		return nil, fmt.Errorf("the record names a checkpoint of round %d, its manifest is that of run %s, round %d", p.Round, protocol.RunID(m.Run).Short(), m.Round)
	}
	s := &Served{Manifest: m, from: from, encoded: b, files: map[string]checkpoints.File{}}
	for _, f := range m.Files {
		s.files[m.Path(f.Name)] = f
	}
	return s, nil
}

// Get implements [checkpoints.Source]. It returns once the first byte is here, so
// that what the coordinator refuses is an error of Get.
func (s *Served) Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	if name == s.Manifest.Path(checkpoints.ManifestFile) {
		return section(bytes.NewReader(s.encoded), int64(len(s.encoded)), offset)
	}
	f, ok := s.files[name]
	switch {
	case !ok:
		return nil, 0, fmt.Errorf("the coordinator serves no %s: %w", name, fs.ErrNotExist)
	case offset < 0 || offset >= f.Size:
		return section(bytes.NewReader(nil), f.Size, offset)
	}
	r, err := s.open(ctx, f.SHA256, offset)
	if err != nil {
		return nil, 0, fmt.Errorf("get %s: %w", name, gone(err))
	}
	return r, f.Size, nil
}

// section returns what follows an offset of an object that is in memory, or of
// which nothing is left.
func section(r io.ReaderAt, size, offset int64) (io.ReadCloser, int64, error) {
	if offset < 0 || offset > size {
		return nil, 0, fmt.Errorf("no byte %d in an object of %d", offset, size)
	}
	return io.NopCloser(io.NewSectionReader(r, offset, size-offset)), size, nil
}

// gone says what to do when a coordinator has given a checkpoint up.
func gone(err error) error {
	if protocol.ReasonOf(err) == protocol.NotFound {
		return fmt.Errorf("the coordinator serves its last checkpoint only, and this one is no more; run the same command again for the new one: %w", err)
	}
	return err
}

// incoming is a payload on its way.
type incoming struct {
	*bufio.Reader
	pipe   *io.PipeReader
	cancel context.CancelFunc
	ended  chan struct{}
}

func (s *Served) open(ctx context.Context, digest protocol.Digest, offset int64) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	out, in := io.Pipe()
	r := &incoming{Reader: bufio.NewReaderSize(out, 64<<10), pipe: out, cancel: cancel, ended: make(chan struct{})}
	go func() { // ends with the payload, or with Close
		defer close(r.ended)
		_, err := s.from.Get(ctx, digest, offset, in)
		in.CloseWithError(err) // nil reads as the end
	}()
	if _, err := r.Peek(1); err != nil {
		_ = r.Close() // never fails
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return r, nil
}

// Close ends the transfer.
func (r *incoming) Close() error {
	r.cancel()
	_ = r.pipe.Close() // always nil
	<-r.ended
	return nil
}
