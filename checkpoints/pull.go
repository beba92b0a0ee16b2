package checkpoints

// This file holds getting a checkpoint onto this machine.
//
// Order of writes: the old manifest goes if the directory holds another
// checkpoint; each file grows as NAME.part, is synced, checked against its digest
// and renamed; the manifest comes last. So a directory with a manifest is whole,
// and one without is continued where it was cut.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// PullOptions say what to get and whom to believe.
type PullOptions struct {
	Run     [32]byte            // zero: the run the store was last written by
	Round   *uint64             // nil: the latest round
	Trusted []ed25519.PublicKey // empty: any manifest that is consistent is taken
	Need    int                 // how many of Trusted must have signed; 0 means 1
	// Progress is told the bytes that are here and checked or received, and all.
	Progress func(done, total int64)
	RetryFor time.Duration // how long to go on without a byte; default 30 s, negative for one try
}

// Result is what a pull brought.
type Result struct {
	Manifest Manifest
	SignedBy int   // how many of the trusted keys have signed
	Fetched  int64 // bytes that were transferred; less than the size after a resumed or repeated pull
}

// Pull brings a checkpoint into dir, continuing what an earlier pull left there.
// Every file is checked against the manifest before it gets its name; files in
// dir that the manifest does not name stay as they are.
func Pull(ctx context.Context, src Source, dir string, opt PullOptions) (Result, error) {
	d, err := openDisk(dir)
	if err != nil {
		return Result{}, fmt.Errorf("pull into %q: %w", dir, err)
	}
	defer func() { _ = d.root.Close() }() // nothing is open below it any more
	res, err := pull(ctx, src, d, opt)
	if err != nil {
		return res, fmt.Errorf("pull into %q: %w", dir, err)
	}
	return res, nil
}

func pull(ctx context.Context, src Source, d disk, opt PullOptions) (Result, error) {
	m, err := choose(ctx, src, opt)
	if err != nil {
		return Result{}, err
	}
	res := Result{Manifest: m}
	if res.SignedBy, err = opt.believe(m); err != nil {
		return res, err
	}
	encoded := m.Encode()
	if err := dropOther(d, encoded); err != nil {
		return res, err
	}
	f := fetcher{src: src, disk: d, opt: opt, total: m.Size()}
	for _, file := range m.Files {
		if err := f.file(ctx, folder(m.Run, m.Round), file); err != nil {
			res.Fetched = f.fetched
			return res, fmt.Errorf("file %s: %w", file.Name, err)
		}
	}
	res.Fetched = f.fetched
	tmp, err := writeTmp(d, bytes.NewReader(encoded), int64(len(encoded)))
	if err != nil {
		return res, err
	}
	return res, place(d, tmp, manifestName)
}

func choose(ctx context.Context, src Source, opt PullOptions) (Manifest, error) {
	run := opt.Run
	if run == [32]byte{} {
		var err error
		if run, err = LatestRun(ctx, src); err != nil {
			return Manifest{}, err
		}
	}
	if opt.Round == nil {
		return Latest(ctx, src, run)
	}
	return At(ctx, src, run, *opt.Round)
}

// believe counts trusted signatures and refuses too few.
func (opt PullOptions) believe(m Manifest) (int, error) {
	if len(opt.Trusted) == 0 && opt.Need <= 0 {
		return 0, nil
	}
	n, need := m.SignedBy(opt.Trusted...), max(opt.Need, 1)
	if n < need {
		return n, fmt.Errorf("manifest of round %d: %d of the trusted keys have signed it, %d must: %w", m.Round, n, need, ErrUntrusted)
	}
	return n, nil
}

// ErrUntrusted says that too few trusted keys have signed a checkpoint.
var ErrUntrusted = errors.New("not signed by enough trusted keys")

// ErrCorrupt says that content is not what its digest or root says.
var ErrCorrupt = errors.New("content does not match its digest")

// dropOther removes the manifest of another checkpoint, so that a cut while its
// files are being replaced cannot leave a manifest beside files it does not name.
func dropOther(d disk, encoded []byte) error {
	old, err := readFile(d, manifestName, maxManifest)
	if notThere(err) || err == nil && bytes.Equal(old, encoded) {
		return nil
	}
	// One that cannot be read is replaced too.
	if err := d.remove(manifestName); err != nil {
		return err
	}
	return syncDir(d, ".")
}

// readFile reads a file of at most limit bytes.
func readFile(d disk, name string, limit int64) (_ []byte, err error) {
	f, err := d.open(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := seekIn(f, 0)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", name, size, limit)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}
