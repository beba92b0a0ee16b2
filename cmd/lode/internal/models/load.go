package models

// This file holds loading: from a pulled checkpoint, a store, or the folder of a
// checkpoint that another program wrote.

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"lode/checkpoints"
	"lode/checkpoints/safetensors"
	"lode/cmd/lode/internal/corpora"
	"lode/data/tokenizer"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/tensor"
)

// Loaded is a model in memory, ready for use.
type Loaded struct {
	Dir      string                // folder of the checkpoint
	Verified bool                  // its parameters have the root its manifest says
	Manifest *checkpoints.Manifest // nil for checkpoints of other programs
	Model    model.Model
	Engine   *cpu.Engine
	// Tokenizer is how text becomes tokens; nil: they are bytes, if they are 256.
	Tokenizer  tokenizer.Tokenizer
	unreadable error // why a tokenizer's file beside it is not understood
}

// Close frees the model.
func (l *Loaded) Close() error { return l.Engine.Close() }

// shardIndex is the file beside a checkpoint that is cut into several files.
const shardIndex = checkpoints.ModelFile + ".index.json"

// pointer is the file of a store that leads to its last checkpoint.
const pointer = "LATEST"

// Load opens the checkpoint in dir and reads its parameters into an engine. dir
// is what [Pull] made, a store on this machine, of which the last checkpoint is
// taken, or any folder with the config.json and model.safetensors of a family that package
// model knows, such as Llama's. The
// error is an [ErrNone] if dir holds none of these.
func Load(dir string) (*Loaded, error) {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("load model: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("load model: %s is a file; name the folder it lies in", dir)
	case has(checkpoints.ManifestFile):
		return loadPulled(dir)
	case has(pointer):
		return loadLast(dir)
	case has(shardIndex):
		return nil, fmt.Errorf("load model: the parameters in %s are in several files; only %s is read: join them first", dir, checkpoints.ModelFile)
	case has(checkpoints.ModelFile) && has(checkpoints.ConfigFile):
		return loadForeign(dir)
	case has(checkpoints.ModelFile + ".part"):
		return nil, fmt.Errorf("load model: the pull into %s was cut; run the same lode pull again to finish it", dir)
	}
	return nil, fmt.Errorf("load model: %w: %s holds neither one (%s and %s) nor a store that a run has written to", ErrNone, dir, checkpoints.ConfigFile, checkpoints.ModelFile)
}

// loadLast loads the last checkpoint of a store in place.
func loadLast(dir string) (*Loaded, error) {
	ctx := context.Background() // files on this machine
	store, err := checkpoints.OpenDir(dir)
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	run, err := checkpoints.LatestRun(ctx, store)
	if err != nil {
		return nil, fmt.Errorf("load model: store %s: %w", dir, err)
	}
	m, err := checkpoints.Latest(ctx, store, run)
	if err != nil {
		return nil, fmt.Errorf("load model: store %s: %w", dir, err)
	}
	return loadPulled(filepath.Join(dir, filepath.FromSlash(filepath.Dir(m.Path(checkpoints.ManifestFile)))))
}

func loadPulled(dir string) (_ *Loaded, err error) {
	m, err := checkpoints.OpenModel(dir)
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if m.Config == nil {
		return nil, fmt.Errorf("load model: the checkpoint in %s has no %s, so its architecture is unknown", dir, checkpoints.ConfigFile)
	}
	arch, layout, err := architecture(m.Config)
	if err != nil {
		return nil, fmt.Errorf("load model in %s: %w", dir, err)
	}
	params, err := m.Reader(layout)
	if err != nil {
		return nil, fmt.Errorf("load model in %s: %w", dir, err)
	}
	l := &Loaded{Dir: dir, Verified: true, Manifest: &m.Manifest, Model: arch}
	if f, ok := m.Manifest.File(checkpoints.TokenizerFile); ok {
		if err := l.findTokenizer(f.SHA256); err != nil {
			return nil, err
		}
	}
	return l, l.fill(layout, params)
}

// loadForeign loads a checkpoint that no manifest describes.
func loadForeign(dir string) (_ *Loaded, err error) {
	config, err := readConfig(filepath.Join(dir, checkpoints.ConfigFile))
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	arch, layout, err := architecture(config)
	if err != nil {
		return nil, fmt.Errorf("load model in %s: %w", dir, err)
	}
	f, err := os.Open(filepath.Join(dir, checkpoints.ModelFile))
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	params, err := readParams(f, layout)
	if err != nil {
		return nil, fmt.Errorf("load model: %s: %w", f.Name(), err)
	}
	l := &Loaded{Dir: dir, Model: arch}
	if _, err := os.Stat(filepath.Join(dir, checkpoints.TokenizerFile)); err == nil {
		if err := l.findTokenizer([32]byte{}); err != nil {
			return nil, err
		}
	}
	return l, l.fill(layout, params)
}

// findTokenizer reads the tokenizer beside the model, which must have that digest
// unless it is zero. One that is not understood is an error only for who needs it.
func (l *Loaded) findTokenizer(want [32]byte) error {
	t, b, err := corpora.Tokenizer(filepath.Join(l.Dir, checkpoints.TokenizerFile))
	switch {
	case errors.Is(err, tokenizer.ErrFile):
		l.unreadable = err
	case err != nil:
		return fmt.Errorf("load model: %w", err)
	case want != [32]byte{} && want != sha256.Sum256(b):
		return fmt.Errorf("load model in %s: %s: %w", l.Dir, checkpoints.TokenizerFile, checkpoints.ErrCorrupt)
	default:
		l.Tokenizer = t
	}
	return nil
}

func readConfig(path string) (_ []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err := io.ReadAll(io.LimitReader(f, model.MaxConfig+1))
	if err == nil && len(b) > model.MaxConfig {
		err = fmt.Errorf("%s has more than %d bytes", path, model.MaxConfig)
	}
	return b, err
}

func architecture(config []byte) (model.Model, tensor.Layout, error) {
	arch, err := model.ParseConfig(config)
	if err != nil {
		return arch, tensor.Layout{}, err
	}
	layout, err := model.Layout(arch)
	return arch, layout, err
}

func readParams(f *os.File, layout tensor.Layout) (tensor.Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	h, err := safetensors.Parse(f, info.Size())
	if err != nil {
		return nil, err
	}
	return safetensors.NewModel(f, h, layout)
}

// fill makes the engine. The file has the layout's tensors, so what is allocated
// is not larger than the file.
func (l *Loaded) fill(layout tensor.Layout, params tensor.Reader) (err error) {
	if l.Engine, err = cpu.New(l.Model, cpu.Options{Threads: min(runtime.GOMAXPROCS(0), cpu.MaxThreads)}); err != nil {
		return fmt.Errorf("load model in %s: %w", l.Dir, err)
	}
	if err := tensor.Copy(layout, l.Engine.Params(), params); err != nil {
		return errors.Join(fmt.Errorf("load model in %s: %w", l.Dir, err), l.Engine.Close())
	}
	return nil
}
