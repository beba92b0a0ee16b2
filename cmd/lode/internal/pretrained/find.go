package pretrained

// This file holds finding parameters and the configuration beside them.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lode/checkpoints"
	"lode/checkpoints/safetensors"
	"lode/engine/model"
)

// ErrNone says that there is no checkpoint to be had yet.
var ErrNone = errors.New("there is no checkpoint yet")

// Names in folders.
const (
	shardIndex = checkpoints.ModelFile + ".index.json" // beside several files, names them
	pointer    = "LATEST"                              // leads to a store's last checkpoint
)

// Found is where parameters lie.
type Found struct {
	Dir    string   // the folder
	Files  []string // paths, one at least
	Config []byte   // content of the config.json beside them; nil: there is none
	Pulled bool     // a manifest lies beside them
}

// Find says what lies at path: a safetensors file, or a folder. The error is an [ErrNone]
// if a folder holds no parameters.
func Find(path string) (f Found, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return f, err
	case info.Mode().IsRegular():
		f.Dir, f.Files = filepath.Dir(path), []string{path}
	case info.IsDir():
		f.Dir = path
		err = f.look()
	default:
		err = fmt.Errorf("%s is neither a file nor a folder", path)
	}
	if err != nil {
		return f, err
	}
	f.Config, err = readFile(f.ConfigPath(), model.MaxConfig)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return f, err
}

// ConfigPath is where the configuration lies, if there is one.
func (f Found) ConfigPath() string { return filepath.Join(f.Dir, checkpoints.ConfigFile) }

// look looks into the folder.
func (f *Found) look() error {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(f.Dir, name))
		return err == nil
	}
	switch {
	case has(checkpoints.ManifestFile):
		f.Pulled = true
	case has(pointer):
		return f.last()
	case has(checkpoints.ModelFile):
	case has(shardIndex):
		return f.shards()
	case has(checkpoints.ModelFile + ".part"):
		return fmt.Errorf("the pull into %s was cut; run the same lode pull again to finish it", f.Dir)
	default:
		return fmt.Errorf("%w: %s holds neither one (%s and %s) nor a store that a run has written to", ErrNone, f.Dir, checkpoints.ConfigFile, checkpoints.ModelFile)
	}
	f.Files = []string{filepath.Join(f.Dir, checkpoints.ModelFile)}
	return nil
}

// last goes to the last checkpoint of a store.
func (f *Found) last() error {
	ctx := context.Background() // files on this machine
	store, err := checkpoints.OpenDir(f.Dir)
	if err != nil {
		return err
	}
	run, err := checkpoints.LatestRun(ctx, store)
	if err != nil {
		return fmt.Errorf("store %s: %w", f.Dir, err)
	}
	m, err := checkpoints.Latest(ctx, store, run)
	if err != nil {
		return fmt.Errorf("store %s: %w", f.Dir, err)
	}
	f.Dir = filepath.Join(f.Dir, filepath.FromSlash(filepath.Dir(m.Path(checkpoints.ManifestFile))))
	f.Files, f.Pulled = []string{filepath.Join(f.Dir, checkpoints.ModelFile)}, true
	return nil
}

// maxShards bounds the files of one model.
const maxShards = 4096

// shards reads the index of several files.
func (f *Found) shards() error {
	path := filepath.Join(f.Dir, shardIndex)
	b, err := readFile(path, safetensors.MaxHeader)
	if err != nil {
		return err
	}
	var index struct {
		Files map[string]string `json:"weight_map"` // by tensor
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	names := map[string]bool{}
	for _, name := range index.Files {
		names[name] = true
	}
	if len(names) == 0 || len(names) > maxShards {
		return fmt.Errorf("%s: names %d files, want 1 to %d", path, len(names), maxShards)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !filepath.IsLocal(name) || name == "." || strings.ContainsAny(name, `/\`) {
			return fmt.Errorf("%s: %.80q is no file beside it", path, name)
		}
		file := filepath.Join(f.Dir, name)
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("%s names %s, which cannot be read: %w", path, name, err)
		}
		f.Files = append(f.Files, file)
	}
	return nil
}

// readFile reads a file of at most so many bytes.
func readFile(path string, most int) (_ []byte, err error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	b, err := io.ReadAll(io.LimitReader(in, int64(most)+1))
	if err == nil && len(b) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return b, err
}
