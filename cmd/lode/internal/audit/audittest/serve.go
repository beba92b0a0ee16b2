package audittest

// This file puts a run where observers find it: behind a server, or on disk.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"lode/checkpoints"
	"lode/coordinator/journal"
	"lode/protocol"
	"lode/transport"
)

// Serve serves the run on this machine until the test ends and returns its link.
func (r *Run) Serve(tb testing.TB) string {
	tb.Helper()
	s, err := transport.Listen("127.0.0.1:0", r.Key, transport.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, desk{r}) }() // ends with ctx
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			tb.Error(err)
		}
	})
	return protocol.Link{Coordinator: r.Manifest.Coordinator, Addr: s.Addr().String(), Run: r.Rules.Run}.Format()
}

// Write writes record and payloads below dir as a coordinator keeps them, and
// returns the file of the one and the folder of the other.
func (r *Run) Write(tb testing.TB, dir string) (record, payloads string) {
	tb.Helper()
	record, payloads = filepath.Join(dir, "record.db"), filepath.Join(dir, "payloads")
	file, err := journal.Open(record)
	if err != nil {
		tb.Fatal(err)
	}
	j, err := file.Record(r.Rules.Run)
	if err == nil {
		err = j.Append(r.Entries)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		tb.Fatal(err)
	}
	blobs, err := checkpoints.OpenBlobs(payloads, r.Rules.Run, 1<<30, 1<<30)
	if err != nil {
		tb.Fatal(err)
	}
	for d, b := range r.Payloads {
		if _, err := blobs.Append(tb.Context(), d, int64(len(b)), 0, bytes.NewReader(b)); err != nil {
			tb.Fatal(err)
		}
	}
	return record, payloads
}

// desk answers observers; it takes nothing.
type desk struct{ run *Run }

// Hello implements transport.Door.
func (d desk) Hello(context.Context, protocol.NodeID, transport.Hello) (transport.Welcome, error) {
	return transport.Welcome{
		Version: protocol.Version, Run: d.run.Rules.Run, Manifest: protocol.Encode(d.run.Manifest),
		Next: uint64(len(d.run.Entries)), Software: "audittest",
	}, nil
}

// Gone implements transport.Door.
func (desk) Gone(protocol.NodeID) {}

// Member implements transport.Door: everybody observes.
func (desk) Member(context.Context, protocol.NodeID) bool { return false }

// Submit implements transport.Inbox.
func (desk) Submit(context.Context, protocol.NodeID, []byte) error {
	return protocol.Refuse(protocol.WrongRole, "observers only")
}

// Follow implements transport.Record.
func (d desk) Follow(ctx context.Context, _ protocol.NodeID, from uint64, send func([]byte) error) error {
	for _, e := range d.run.Entries[min(from, uint64(len(d.run.Entries))):] {
		if err := send(e); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// PutOffset implements transport.Intake.
func (desk) PutOffset(context.Context, protocol.NodeID, protocol.Digest, int64) (int64, error) {
	return 0, protocol.Refuse(protocol.NotExpected, "observers only")
}

// Put implements transport.Intake.
func (desk) Put(context.Context, protocol.NodeID, protocol.Digest, int64, int64, io.Reader) (int64, error) {
	return 0, protocol.Refuse(protocol.NotExpected, "observers only")
}

// Open implements transport.Shelf.
func (d desk) Open(_ context.Context, _ protocol.NodeID, digest protocol.Digest) (io.ReadSeekCloser, int64, error) {
	b, ok := d.run.Payloads[digest]
	if !ok {
		return nil, 0, protocol.Refuse(protocol.NotFound, "no payload %s here", digest.Short())
	}
	return reading{bytes.NewReader(b)}, int64(len(b)), nil
}

type reading struct{ *bytes.Reader }

// Close implements io.Closer.
func (reading) Close() error { return nil }

// Status implements transport.Teller.
func (desk) Status(context.Context, protocol.NodeID) ([]byte, error) { return []byte("{}"), nil }
