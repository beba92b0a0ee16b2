package models

// This file holds loading: from a pulled checkpoint, a store, or the folder of a
// checkpoint that another program wrote.

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"lode/checkpoints"
	"lode/cmd/lode/internal/corpora"
	"lode/cmd/lode/internal/pretrained"
	"lode/data/tokenizer"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/tensor"
)

// Engine is what a model is used by.
type Engine interface {
	engine.Engine
	engine.Grader
	engine.Predictor
}

// Loaded is a model in memory, ready for use.
type Loaded struct {
	Dir      string                // folder of the checkpoint
	Verified bool                  // its parameters have the root its manifest says
	Manifest *checkpoints.Manifest // nil for checkpoints of other programs
	Model    model.Model
	Engine   Engine
	// Tokenizer is how text becomes tokens; nil: they are bytes, if they are 256.
	Tokenizer  tokenizer.Tokenizer
	unreadable error // why a tokenizer's file beside it is not understood
}

// Close frees the model.
func (l *Loaded) Close() error { return l.Engine.Close() }

// Load opens the checkpoint in dir and reads its parameters into an engine of the processor. dir
// is what [Pull] made, a store on this machine, of which the last checkpoint is
// taken, or any folder with the config.json and the safetensors of a family that package
// model knows, such as Llama's. The
// error is an [ErrNone] if dir holds none of these.
func Load(dir string) (*Loaded, error) {
	return LoadInto(dir, func(m model.Model) (Engine, error) {
		return cpu.New(m, cpu.Options{Threads: min(runtime.GOMAXPROCS(0), cpu.MaxThreads)})
	})
}

// LoadInto is Load into an engine that open makes.
func LoadInto(dir string, open func(model.Model) (Engine, error)) (_ *Loaded, err error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("load model: %s is a file; name the folder it lies in", dir)
	}
	w, err := pretrained.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if w.Config == nil {
		return nil, fmt.Errorf("load model: the checkpoint in %s has no %s, so its architecture is unknown", w.Dir, checkpoints.ConfigFile)
	}
	arch, layout, err := architecture(w.Config)
	if err != nil {
		return nil, fmt.Errorf("load model in %s: %w", w.Dir, err)
	}
	params, err := w.Reader(arch, layout)
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	l := &Loaded{Dir: w.Dir, Verified: w.Manifest != nil, Manifest: w.Manifest, Model: arch}
	if err := l.tokenizerOf(w); err != nil {
		return nil, err
	}
	return l, l.fill(open, layout, params)
}

// tokenizerOf finds the tokenizer beside the parameters, if there is one.
func (l *Loaded) tokenizerOf(w *pretrained.Weights) error {
	if w.Manifest != nil {
		f, ok := w.Manifest.File(checkpoints.TokenizerFile)
		if !ok {
			return nil
		}
		return l.findTokenizer(f.SHA256)
	}
	if _, err := os.Stat(filepath.Join(l.Dir, checkpoints.TokenizerFile)); err != nil {
		return nil
	}
	return l.findTokenizer([32]byte{})
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

func architecture(config []byte) (model.Model, tensor.Layout, error) {
	arch, err := model.ParseConfig(config)
	if err != nil {
		return arch, tensor.Layout{}, err
	}
	layout, err := model.Layout(arch)
	return arch, layout, err
}

// fill makes the engine. The file has the layout's tensors, so what is allocated
// is not larger than the file.
func (l *Loaded) fill(open func(model.Model) (Engine, error), layout tensor.Layout, params tensor.Reader) (err error) {
	if l.Engine, err = open(l.Model); err != nil {
		return fmt.Errorf("load model in %s: %w", l.Dir, err)
	}
	if err := tensor.Copy(layout, l.Engine.Params(), params); err != nil {
		return errors.Join(fmt.Errorf("load model in %s: %w", l.Dir, err), l.Engine.Close())
	}
	return nil
}
