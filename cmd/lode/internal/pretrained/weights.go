package pretrained

// This file holds reading the parameters.

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"lode/checkpoints"
	"lode/checkpoints/safetensors"
	"lode/engine/model"
	"lode/tensor"
)

// Weights are parameters that are open. Close them after use.
type Weights struct {
	Found
	Manifest *checkpoints.Manifest // of what was pulled; else nil

	pulled *checkpoints.Model
	parts  []safetensors.Part
	opened []io.Closer
}

// Open opens what [Find] finds at path. A configuration beside a manifest has the digest
// that the manifest says.
func Open(path string) (*Weights, error) {
	found, err := Find(path)
	if err != nil {
		return nil, err
	}
	w := &Weights{Found: found}
	if err := w.open(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Close closes the files.
func (w *Weights) Close() error {
	var errs []error
	for _, c := range w.opened {
		errs = append(errs, c.Close())
	}
	w.opened = nil
	return errors.Join(errs...)
}

func (w *Weights) open() error {
	if w.Pulled {
		m, err := checkpoints.OpenModel(w.Dir)
		if err != nil {
			return err
		}
		w.opened = append(w.opened, m)
		w.pulled, w.Manifest, w.Config = m, &m.Manifest, m.Config
	}
	for _, path := range w.Files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		w.opened = append(w.opened, f)
		info, err := f.Stat()
		if err != nil {
			return err
		}
		h, err := safetensors.Parse(f, info.Size())
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		w.parts = append(w.parts, safetensors.Part{File: f, Header: h})
	}
	return nil
}

// Reader returns the parameters as those of m, whose layout is l. What was pulled is
// compared with its manifest. The error names every tensor that does not fit.
func (w *Weights) Reader(m model.Model, l tensor.Layout) (tensor.Reader, error) {
	return w.reader(m, l, safetensors.Gather)
}

// Checked is [Weights.Reader] that reads everything once; its error names tensors with
// values that are not finite, too.
func (w *Weights) Checked(m model.Model, l tensor.Layout) (tensor.Reader, error) {
	return w.reader(m, l, safetensors.GatherFinite)
}

type gather = func(l tensor.Layout, spare func(string) bool, parts ...safetensors.Part) (*safetensors.Model, error)

func (w *Weights) reader(m model.Model, l tensor.Layout, how gather) (tensor.Reader, error) {
	fail := func(err error) (tensor.Reader, error) { return nil, fmt.Errorf("parameters in %s: %w", w.Dir, err) }
	if w.pulled != nil {
		if _, err := w.pulled.Reader(l); err != nil {
			return fail(err)
		}
	}
	spare := spareOf(m)
	r, err := how(l, spare, w.parts...)
	if err != nil {
		return fail(err)
	}
	if spare != nil && spare(head) {
		if err := w.checkHead(l, r); err != nil {
			return fail(err)
		}
	}
	return r, nil
}

// The names that models of Hugging Face have for the tensors below.
const (
	head      = "lm_head.weight"
	embedding = "model.embed_tokens.weight"
	rotary    = ".rotary_emb.inv_freq"
)

// spareOf says which tensors may lie beside those of a model: what follows from its
// configuration.
func spareOf(m model.Model) func(name string) bool {
	l, ok := m.(model.Llama)
	if !ok {
		return nil
	}
	return func(name string) bool { return l.Tied && name == head || strings.HasSuffix(name, rotary) }
}

// checkHead compares a head that is tied with the embedding, bit by bit, if it is there.
func (w *Weights) checkHead(l tensor.Layout, params tensor.Reader) error {
	if !slices.ContainsFunc(w.parts, func(p safetensors.Part) bool {
		return slices.ContainsFunc(p.Header.Entries(), func(e safetensors.Entry) bool { return e.Name == head })
	}) {
		return nil
	}
	t := 0
	for l.Spec(t).Name != embedding {
		t++
	}
	alone, err := tensor.NewLayout(tensor.Spec{Name: head, Shape: l.Spec(t).Shape})
	if err != nil {
		return err
	}
	r, err := safetensors.Gather(alone, func(string) bool { return true }, w.parts...)
	if err != nil {
		return err
	}
	a, b := make([]float32, tensor.ChunkLen), make([]float32, tensor.ChunkLen)
	for c := range l.ChunksOf(t) {
		lone := c
		lone.Tensor, lone.Offset = 0, c.Offset-l.Offset(t)
		if err := errors.Join(params.ReadChunk(c, a[:c.Len]), r.ReadChunk(lone, b[:c.Len])); err != nil {
			return err
		}
		for i := range c.Len {
			if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
				return fmt.Errorf("%s is another matrix than %s, but %s says that they are one (tie_word_embeddings): set that to false", head, embedding, checkpoints.ConfigFile)
			}
		}
	}
	return nil
}
