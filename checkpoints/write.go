package checkpoints

// This file holds writing a checkpoint.
//
// Order of writes: the files, the manifest (only if none is there), the run's
// pointer, the store's pointer. A crash before the manifest leaves files that no
// manifest names, which the next Write of the round replaces; a crash after it
// leaves a whole checkpoint that the pointer may not show yet, and the next Write
// of the round moves the pointer.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"lode/checkpoints/safetensors"
	"lode/tensor"
)

// Names of the files with a fixed meaning.
const (
	ModelFile  = "model.safetensors" // the parameters, float32, in layout order
	ConfigFile = "config.json"       // the model's architecture as other programs read it
	StateFile  = "state.safetensors" // integer state beside the parameters, int64
	// TokenizerFile is how text becomes tokens, if they are not bytes: a [Draft.Extra].
	TokenizerFile = "tokenizer.json"
)

// Draft is a checkpoint to be written. One process at a time writes a round.
type Draft struct {
	Run       [32]byte
	Round     uint64
	StateRoot [32]byte
	Parent    [32]byte // Digest of the checkpoint before; zero for the first
	Info      map[string]string

	Layout tensor.Layout
	Model  tensor.Reader // each chunk is read once, in order; twice if the round was written before
	Config []byte        // content of ConfigFile; nil for none
	State  []Ints        // content of StateFile; none for no such file
	Extra  []Extra       // further files

	// Sign returns the signatures of a manifest whose files are in the store.
	// It may wait for others; nil means none.
	Sign func(ctx context.Context, m Manifest) ([]Signature, error)
}

// Ints is one named tensor of integers, such as an outer momentum.
type Ints struct {
	Name  string
	Shape []int
	// Read fills dst with the values from offset on, counted in values,
	// row-major. It is called for each piece once, in order.
	Read func(offset int, dst []int64) error
}

// Extra is one more file of a checkpoint.
type Extra struct {
	Name    string // one path part of letters, digits, '.', '_' and '-'
	Size    int64  // bytes
	Content io.ReaderAt
}

// SignWith returns a Draft's Sign for keys at hand.
func SignWith(keys ...ed25519.PrivateKey) func(context.Context, Manifest) ([]Signature, error) {
	return func(_ context.Context, m Manifest) ([]Signature, error) {
		for _, k := range keys {
			m.Sign(k)
		}
		return m.Signatures, nil
	}
}

// ErrConflict says that a round has a checkpoint already, with other content.
var ErrConflict = errors.New("another checkpoint of this round is there already")

// Write stores a checkpoint and returns its manifest, whose Digest the next one
// names as parent. Writing the same content again returns the manifest that is
// there; other content for the same round is [ErrConflict] and changes nothing.
func Write(ctx context.Context, s Store, d Draft) (Manifest, error) {
	m, err := write(ctx, s, d)
	if err != nil {
		return m, fmt.Errorf("write checkpoint of round %d: %w", d.Round, err)
	}
	return m, nil
}

func write(ctx context.Context, s Store, d Draft) (Manifest, error) {
	w, err := newWriter(s, d)
	if err != nil {
		return Manifest{}, err
	}
	old, err := At(ctx, s, d.Run, d.Round)
	if err == nil {
		w.store = nil // only count and hash: what a manifest names stays untouched
	} else if !notThere(err) {
		return Manifest{}, err
	}
	m, err := w.files(ctx)
	switch {
	case err != nil:
		return Manifest{}, err
	case w.store == nil:
		return reuse(ctx, s, m, old)
	}
	if d.Sign != nil {
		if m.Signatures, err = d.Sign(ctx, m); err != nil {
			return Manifest{}, fmt.Errorf("sign: %w", err)
		}
	}
	if err := m.Check(); err != nil {
		return Manifest{}, err
	}
	b := m.Encode()
	name := path.Join(folder(d.Run, d.Round), manifestName)
	if err := s.PutIfAbsent(ctx, name, bytes.NewReader(b), int64(len(b))); errors.Is(err, fs.ErrExist) {
		return Manifest{}, ErrConflict
	} else if err != nil {
		return Manifest{}, err
	}
	return m, point(ctx, s, d.Run, d.Round)
}

// reuse accepts a manifest that is there if it says the same but for the notes.
func reuse(ctx context.Context, s Store, m, old Manifest) (Manifest, error) {
	m.Info = old.Info
	if m.Digest() != old.Digest() {
		return Manifest{}, ErrConflict
	}
	return old, point(ctx, s, old.Run, old.Round)
}

// content is one file to be written: a size known beforehand and a way to
// produce the bytes.
type content struct {
	name string
	size int64
	to   func(w io.Writer) error
}

type writer struct {
	store Store // nil: hash only
	draft Draft
	todo  []content
	tree  tensor.Tree // filled while the model streams by
}

func newWriter(s Store, d Draft) (*writer, error) {
	w := &writer{store: s, draft: d}
	model, err := safetensors.ForLayout(d.Layout, map[string]string{"format": "pt"})
	if err != nil {
		return nil, err
	}
	w.add(ModelFile, model.Size(), func(to io.Writer) error {
		w.tree = tensor.Tree{}
		return safetensors.Write(to, model, d.Layout, &rooted{l: d.Layout, src: d.Model, tree: &w.tree})
	})
	if d.Config != nil {
		w.add(ConfigFile, int64(len(d.Config)), func(to io.Writer) error {
			_, err := to.Write(d.Config)
			return err
		})
	}
	if err := w.addState(); err != nil {
		return nil, err
	}
	for _, e := range d.Extra {
		w.add(e.Name, e.Size, func(to io.Writer) error {
			_, err := io.Copy(to, io.NewSectionReader(e.Content, 0, e.Size))
			return err
		})
	}
	slices.SortFunc(w.todo, func(a, b content) int { return strings.Compare(a.name, b.name) })
	return w, w.plan().checkBody() // before the first byte is sent
}

func (w *writer) add(name string, size int64, to func(io.Writer) error) {
	w.todo = append(w.todo, content{name, size, to})
}

func (w *writer) addState() error {
	if len(w.draft.State) == 0 {
		return nil
	}
	entries := make([]safetensors.Entry, len(w.draft.State))
	for i, s := range w.draft.State {
		entries[i] = safetensors.Entry{Name: s.Name, DType: safetensors.I64, Shape: s.Shape}
	}
	h, err := safetensors.New(nil, entries...)
	if err != nil {
		return err
	}
	w.add(StateFile, h.Size(), func(to io.Writer) error { return writeInts(to, h, w.draft.State) })
	return nil
}

func writeInts(to io.Writer, h safetensors.Header, tensors []Ints) error {
	if _, err := to.Write(h.Encode()); err != nil {
		return err
	}
	vals := make([]int64, tensor.ChunkLen)
	raw := make([]byte, 0, 8*tensor.ChunkLen)
	for i, e := range h.Entries() {
		total := int((e.End - e.Begin) / 8)
		for at := 0; at < total; at += len(vals) {
			part := vals[:min(len(vals), total-at)]
			if err := tensors[i].Read(at, part); err != nil {
				return fmt.Errorf("read state %q: %w", e.Name, err)
			}
			raw = safetensors.EncodeInts(raw[:0], part)
			if _, err := to.Write(raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// plan returns the manifest as far as it is known before the content is.
func (w *writer) plan() Manifest {
	d := w.draft
	m := Manifest{Run: d.Run, Round: d.Round, StateRoot: d.StateRoot, Parent: d.Parent, Info: d.Info}
	for _, c := range w.todo {
		m.Files = append(m.Files, File{Name: c.name, Size: c.size})
	}
	return m
}

// files sends, or only hashes, every file and returns the unsigned manifest.
func (w *writer) files(ctx context.Context) (Manifest, error) {
	m := w.plan()
	for i, c := range w.todo {
		sum, err := w.send(ctx, c)
		if err != nil {
			return m, err
		}
		m.Files[i].SHA256 = sum
	}
	m.ModelRoot = w.tree.Root()
	return m, nil
}

// send streams one file into the store, hashing what passes.
func (w *writer) send(ctx context.Context, c content) (sum [32]byte, err error) {
	var to Putter = nowhere{}
	if w.store != nil {
		to = w.store
	}
	hash := sha256.New()
	err = Stream(ctx, to, path.Join(folder(w.draft.Run, w.draft.Round), c.name), c.size, func(out io.Writer) error {
		return c.to(io.MultiWriter(out, hash))
	})
	if err != nil {
		return sum, fmt.Errorf("file %s: %w", c.name, err)
	}
	hash.Sum(sum[:0])
	return sum, nil
}

// rooted passes chunks on, in order, and adds each to the tree.
type rooted struct {
	l    tensor.Layout
	src  tensor.Reader
	tree *tensor.Tree
	leaf []byte
}

func (r *rooted) ReadChunk(c tensor.Chunk, dst []float32) error {
	if err := r.src.ReadChunk(c, dst); err != nil {
		return err
	}
	r.leaf = tensor.AppendLeaf(r.leaf[:0], r.l.Spec(c.Tensor).Name, c.Index, dst[:c.Len])
	r.tree.Add(r.leaf)
	return nil
}
