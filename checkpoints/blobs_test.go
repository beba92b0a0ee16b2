package checkpoints_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/iotest"

	"lode/checkpoints"
)

var blobRun = [32]byte{7}

func openBlobs(t testing.TB, dir string, limit, budget int64) *checkpoints.Blobs {
	t.Helper()
	b, err := checkpoints.OpenBlobs(dir, blobRun, limit, budget)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func blob(seed byte, n int) ([]byte, [32]byte) {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) ^ byte(i>>8) ^ seed
	}
	return b, sha256.Sum256(b)
}

func TestBlobsUpload(t *testing.T) {
	dir := t.TempDir()
	want, digest := blob(1, 100_000)
	b := openBlobs(t, dir, 1<<20, 1<<20)
	if at, err := b.Offset(digest); at != 0 || err != nil || b.Has(digest) {
		t.Fatalf("an unknown payload: offset %d, %v", at, err)
	}
	// Cut by an error, cut by an early end, continued by a store opened anew.
	broken := errors.New("broken")
	at, err := b.Append(t.Context(), digest, 100_000, 0, io.MultiReader(bytes.NewReader(want[:30_000]), iotest.ErrReader(broken)))
	if at != 30_000 || !errors.Is(err, broken) {
		t.Fatalf("a broken source: %d, %v", at, err)
	}
	if at, err = b.Append(t.Context(), digest, 100_000, at, bytes.NewReader(want[at:60_000])); at != 60_000 || err != nil {
		t.Fatalf("a first part: %d, %v", at, err)
	}
	if _, _, err := b.Open(digest); !errors.Is(err, fs.ErrNotExist) || b.Has(digest) {
		t.Errorf("a part is given out: %v", err)
	}
	b = openBlobs(t, dir, 1<<20, 1<<20)
	if at, err := b.Offset(digest); at != 60_000 || err != nil {
		t.Fatalf("after opening again: %d, %v", at, err)
	}
	for _, wrong := range []int64{0, 59_999, 60_001, -1} {
		at, err := b.Append(t.Context(), digest, 100_000, wrong, bytes.NewReader(want))
		if off, ok := errors.AsType[checkpoints.OffsetError](err); !ok || off.Want != 60_000 || at != 60_000 {
			t.Errorf("offset %d: %d, %v", wrong, at, err)
		}
	}
	// More than announced is not taken.
	if at, err = b.Append(t.Context(), digest, 100_000, 60_000, bytes.NewReader(append(want[60_000:], 1, 2, 3))); at != 100_000 || err != nil {
		t.Fatalf("the last part: %d, %v", at, err)
	}
	r, size, err := b.Open(digest)
	if err != nil || size != 100_000 || !b.Has(digest) {
		t.Fatal(size, err)
	}
	if _, err := r.Seek(99_000, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want[99_000:]) {
		t.Errorf("read at an offset: %d bytes, %v", len(got), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if at, err := b.Append(t.Context(), digest, 100_000, 0, iotest.ErrReader(broken)); at != 100_000 || err != nil {
		t.Errorf("appending to a whole payload: %d, %v", at, err)
	}
	if _, err := b.Append(t.Context(), digest, 99_999, 0, bytes.NewReader(want)); err == nil {
		t.Error("another size for a whole payload is accepted")
	}
	if err := b.Delete(digest); err != nil || b.Has(digest) {
		t.Errorf("Delete: %v", err)
	}
	if err := b.Delete(digest); err != nil {
		t.Errorf("Delete of nothing: %v", err)
	}
}

func TestBlobsRefusesOtherContent(t *testing.T) {
	b := openBlobs(t, t.TempDir(), 1<<20, 1<<20)
	want, digest := blob(1, 1000)
	bad := bytes.Clone(want)
	bad[0] ^= 1
	if at, err := b.Append(t.Context(), digest, 1000, 0, bytes.NewReader(bad)); at != 0 || !errors.Is(err, checkpoints.ErrCorrupt) {
		t.Errorf("%d, %v", at, err)
	}
	if at, err := b.Offset(digest); at != 0 || err != nil {
		t.Errorf("what was refused is still there: %d, %v", at, err)
	}
	// A sender that lies about the size first does not spoil the next one.
	if _, err := b.Append(t.Context(), digest, 2000, 0, bytes.NewReader(make([]byte, 1500))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(t.Context(), digest, 1000, 0, bytes.NewReader(want)); !errors.Is(err, checkpoints.ErrCorrupt) {
		t.Errorf("a part longer than the payload: %v", err)
	}
	if at, err := b.Append(t.Context(), digest, 1000, 0, bytes.NewReader(want)); at != 1000 || err != nil {
		t.Errorf("then the right content: %d, %v", at, err)
	}
}

func TestBlobsBounds(t *testing.T) {
	dir := t.TempDir()
	b := openBlobs(t, dir, 1000, 2500)
	for _, size := range []int64{-1, 1001, 1 << 62} {
		if _, err := b.Append(t.Context(), [32]byte{1}, size, 0, bytes.NewReader(nil)); err == nil {
			t.Errorf("size %d is accepted", size)
		}
	}
	var digests [][32]byte
	for i := range byte(2) {
		content, digest := blob(i, 1000)
		digests = append(digests, digest)
		if _, err := b.Append(t.Context(), digest, 1000, 0, bytes.NewReader(content[:10])); err != nil {
			t.Fatal(err)
		}
	}
	// Parts count with their full size.
	third, digest := blob(9, 501)
	if _, err := b.Append(t.Context(), digest, 501, 0, bytes.NewReader(third)); !errors.Is(err, checkpoints.ErrFull) {
		t.Errorf("past the budget: %v", err)
	}
	if err := b.Delete(digests[0]); err != nil {
		t.Fatal(err)
	}
	if at, err := b.Append(t.Context(), digest, 501, 0, bytes.NewReader(third)); at != 501 || err != nil {
		t.Errorf("after making room: %d, %v", at, err)
	}
	// What lies there counts after opening again.
	b = openBlobs(t, dir, 1000, 1510)
	full, digest := blob(8, 1000)
	if _, err := b.Append(t.Context(), digest, 1000, 0, bytes.NewReader(full)); !errors.Is(err, checkpoints.ErrFull) {
		t.Errorf("past the budget after opening again: %v", err)
	}
	empty := sha256.Sum256(nil)
	if _, err := b.Append(t.Context(), empty, 0, 0, bytes.NewReader(nil)); err != nil || !b.Has(empty) {
		t.Errorf("the empty payload: %v", err)
	}
}

// A refused or empty upload must not hold room.
func TestBlobsBudgetComesBack(t *testing.T) {
	b := openBlobs(t, t.TempDir(), 1000, 1000)
	for i := range 10 {
		if _, err := b.Append(t.Context(), [32]byte{byte(i)}, 1000, 5, bytes.NewReader(nil)); err == nil {
			t.Fatal("a wrong offset is accepted")
		}
		if _, err := b.Append(t.Context(), [32]byte{byte(i)}, 1000, 0, bytes.NewReader(make([]byte, 1000))); !errors.Is(err, checkpoints.ErrCorrupt) {
			t.Fatal(err)
		}
	}
	content, digest := blob(1, 1000)
	if _, err := b.Append(t.Context(), digest, 1000, 0, bytes.NewReader(content)); err != nil {
		t.Errorf("room was lost: %v", err)
	}
}

func TestBlobsBusy(t *testing.T) {
	b := openBlobs(t, t.TempDir(), 1000, 10_000)
	content, digest := blob(1, 1000)
	other, otherDigest := blob(2, 1000)
	inner := func() (int, error) {
		if _, err := b.Append(t.Context(), digest, 1000, 0, bytes.NewReader(content)); !errors.Is(err, checkpoints.ErrBusy) {
			t.Errorf("two writers of one payload: %v", err)
		}
		if err := b.Delete(digest); !errors.Is(err, checkpoints.ErrBusy) {
			t.Errorf("deleting under a writer: %v", err)
		}
		if _, err := b.Append(t.Context(), otherDigest, 1000, 0, bytes.NewReader(other)); err != nil {
			t.Errorf("another payload meanwhile: %v", err)
		}
		return 0, io.EOF
	}
	source := io.MultiReader(bytes.NewReader(content[:500]), readFunc(inner), bytes.NewReader(content[500:]))
	if at, err := b.Append(t.Context(), digest, 1000, 0, source); at != 1000 || err != nil {
		t.Errorf("the first writer: %d, %v", at, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Append(ctx, [32]byte{3}, 10, 0, bytes.NewReader(make([]byte, 10))); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

type readFunc func() (int, error)

func (f readFunc) Read([]byte) (int, error) { return f() }
