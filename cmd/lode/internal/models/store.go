package models

// This file holds pulling from a store: which checkpoint, and the record it is
// compared with where there is one.

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"lode/checkpoints"
	"lode/protocol"
	"lode/replica"
)

// Witness is a run's record, beside a store that may hold its checkpoints.
type Witness struct {
	Manifest protocol.Manifest
	Entries  func(ctx context.Context, each func(entry []byte) error) error
	Close    func()
}

// pullStore brings a checkpoint of a store, compared with its receipt if there is
// a record of its run. Nothing is made before the checkpoint is known.
func pullStore(ctx context.Context, store checkpoints.Source, opt Options) (Result, error) {
	m, err := find(ctx, store, opt)
	if err != nil {
		return Result{}, err
	}
	entries, receipt, err := testify(ctx, m, opt)
	if err != nil {
		return Result{}, err
	}
	opt.Run, opt.Round = m.Run, (*protocol.Round)(&m.Round)
	res, err := bring(ctx, pinned{store, m}, opt, opt.Trusted)
	res.Entries, res.Receipt = entries, receipt
	return res, err
}

// testify compares a checkpoint with the record beside its store. It returns
// nothing if there is none, or one of another run.
func testify(ctx context.Context, m checkpoints.Manifest, opt Options) (entries uint64, _ *Receipt, err error) {
	if opt.Witness == nil {
		return 0, nil, nil
	}
	w, err := opt.Witness(ctx)
	if w == nil || err != nil {
		return 0, nil, err
	}
	defer w.Close()
	if w.Manifest.ID() != m.Run {
		return 0, nil, nil
	}
	rules, err := replica.NewRules(w.Manifest)
	if err != nil {
		return 0, nil, err
	}
	h, err := replay(ctx, rules, w.Entries, func(n uint64) { opt.tell(Record, int64(n), 0) })
	if err != nil {
		return 0, nil, fmt.Errorf("record of the run: %w", err)
	}
	receipt, err := h.check(rules, m)
	return h.entries, &receipt, err
}

// find returns the checkpoint of a store that is asked for.
func find(ctx context.Context, store checkpoints.Source, opt Options) (checkpoints.Manifest, error) {
	run := opt.Run
	if run == (protocol.RunID{}) {
		var err error
		if run, err = checkpoints.LatestRun(ctx, store); err != nil {
			return checkpoints.Manifest{}, err
		}
	}
	if opt.Round == nil {
		return checkpoints.Latest(ctx, store, run)
	}
	return checkpoints.At(ctx, store, run, uint64(*opt.Round))
}

// pinned is a store that shows one manifest as it was checked.
type pinned struct {
	checkpoints.Source
	manifest checkpoints.Manifest
}

// Get implements [checkpoints.Source].
func (p pinned) Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	if name == p.manifest.Path(checkpoints.ManifestFile) {
		b := p.manifest.Encode()
		return section(bytes.NewReader(b), int64(len(b)), offset)
	}
	return p.Source.Get(ctx, name, offset)
}

// checkStore refuses folders that hold no store, before one is made there.
func checkStore(source string) error {
	dir, isFile := strings.CutPrefix(source, "file://")
	if !isFile && strings.Contains(source, "://") {
		return nil
	}
	info, err := os.Stat(filepath.FromSlash(strings.TrimPrefix(dir, "localhost")))
	switch {
	case err != nil:
		return fmt.Errorf("store: %w", err)
	case !info.IsDir():
		return fmt.Errorf("store %s is a file; name the folder that holds the checkpoints, or a link", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, checkpoints.ManifestFile)); err == nil {
		return fmt.Errorf("%s is a pulled checkpoint already: use it where it is", dir)
	}
	return nil
}
