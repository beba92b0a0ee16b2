package checkpoints

// This file holds where checkpoints lie in a store and how they are found.
//
//	LATEST                        the run that was written to last, as a line of hex
//	<run>/LATEST                  the round that was written last, as a line of 8 digits
//	<run>/<round>/manifest.json   and the files it names beside it
//
// Pointers are hints that nobody signs: a store may roll them back. What they
// lead to is a signed manifest.

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"path"
	"strconv"
	"strings"
)

const (
	manifestName = "manifest.json"
	latestName   = "LATEST"
)

func runFolder(run [32]byte) string { return hex.EncodeToString(run[:]) }

func folder(run [32]byte, round uint64) string {
	return path.Join(runFolder(run), fmt.Sprintf("%08d", round))
}

// LatestRun returns the run that the store was last written by.
func LatestRun(ctx context.Context, src Source) ([32]byte, error) {
	b, err := readAll(ctx, src, latestName, 65)
	if err != nil {
		return [32]byte{}, fmt.Errorf("find the latest run: %w", err)
	}
	run, err := parseRun(strings.TrimSuffix(string(b), "\n"))
	if err != nil {
		return run, fmt.Errorf("find the latest run: pointer %s: %w", latestName, err)
	}
	return run, nil
}

func parseRun(text string) (run [32]byte, err error) {
	var h hex32
	if err := unhex(h[:], []byte(text)); err != nil || text != runFolder(h) {
		return run, fmt.Errorf("%.70q is not a run id of 64 lower-case hex digits", text)
	}
	return h, nil
}

// Latest returns the newest checkpoint of a run, as its pointer says.
func Latest(ctx context.Context, src Source, run [32]byte) (Manifest, error) {
	name := path.Join(runFolder(run), latestName)
	b, err := readAll(ctx, src, name, 9)
	if err != nil {
		return Manifest{}, fmt.Errorf("find the latest checkpoint: %w", err)
	}
	round, err := parseRound(strings.TrimSuffix(string(b), "\n"))
	if err != nil {
		return Manifest{}, fmt.Errorf("find the latest checkpoint: pointer %s: %w", name, err)
	}
	return At(ctx, src, run, round)
}

func parseRound(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || text != fmt.Sprintf("%08d", n) || n > MaxRound {
		return 0, fmt.Errorf("%.20q is not a round of eight digits", text)
	}
	return n, nil
}

// At returns the checkpoint of one round of a run.
func At(ctx context.Context, src Source, run [32]byte, round uint64) (Manifest, error) {
	name := path.Join(folder(run, round), manifestName)
	b, err := readAll(ctx, src, name, maxManifest)
	if err != nil {
		return Manifest{}, fmt.Errorf("read the manifest of round %d: %w", round, err)
	}
	m, err := ParseManifest(b)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", name, err)
	}
	if m.Run != run || m.Round != round {
		return Manifest{}, fmt.Errorf("%s: the manifest is that of run %x, round %d", name, m.Run[:6], m.Round)
	}
	return m, nil
}

// List returns the rounds of a run that have a checkpoint, ascending.
func List(ctx context.Context, s Store, run [32]byte) ([]uint64, error) {
	names, err := s.List(ctx, runFolder(run)+"/")
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	var rounds []uint64
	for _, name := range names {
		dir, file := path.Split(name)
		if round, err := parseRound(path.Base(dir)); err == nil && file == manifestName && dir == folder(run, round)+"/" {
			rounds = append(rounds, round)
		}
	}
	return rounds, nil
}

// point makes the two pointers lead to a round, unless they are ahead of it.
func point(ctx context.Context, s Store, run [32]byte, round uint64) error {
	name := path.Join(runFolder(run), latestName)
	line := fmt.Appendf(nil, "%08d\n", round)
	old, err := readAll(ctx, s, name, 9)
	switch {
	case err == nil:
		if at, err := parseRound(strings.TrimSuffix(string(old), "\n")); err == nil && at >= round {
			line = old
		}
	case !notThere(err):
		return err
	}
	if !bytes.Equal(line, old) {
		if err := s.Put(ctx, name, bytes.NewReader(line), int64(len(line))); err != nil {
			return err
		}
	}
	return pointRun(ctx, s, run)
}

func pointRun(ctx context.Context, s Store, run [32]byte) error {
	line := []byte(runFolder(run) + "\n")
	old, err := readAll(ctx, s, latestName, 65)
	if err != nil && !notThere(err) {
		return err
	}
	if bytes.Equal(old, line) {
		return nil
	}
	return s.Put(ctx, latestName, bytes.NewReader(line), int64(len(line)))
}
