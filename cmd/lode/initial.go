package main

// This file holds the parameters that a run begins with, where they are given: how a
// coordinator keeps and serves them, and how others come by them.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"lode/checkpoints"
	"lode/cmd/lode/internal/models"
	"lode/cmd/lode/internal/plan"
	"lode/cmd/lode/internal/pretrained"
	"lode/data"
	"lode/engine/model"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// initial are given parameters that are open.
type initial struct {
	*pretrained.Weights
	layout tensor.Layout
	params tensor.Reader
	replica.Given
}

// openInitial opens and checks what a plan begins with, and has the plan say so; nil if
// parameters are drawn from the seed. It reads everything twice.
func openInitial(p *plan.Plan, stderr io.Writer) (_ *initial, err error) {
	path := p.Model.From.Path
	if path == "" {
		return nil, nil //nolint:nilnil // as documented
	}
	fail := func(err error) (*initial, error) { return nil, fmt.Errorf("model.from: %w", err) }
	arch := p.Described()
	in := &initial{}
	if in.layout, err = model.Layout(arch); err != nil {
		return fail(err)
	}
	if in.Weights, err = pretrained.Open(path); err != nil {
		return fail(err)
	}
	if size := 4 * uint64(in.layout.Len()); size >= tellFrom {
		tellTo(stderr)("reading %s of initial parameters in %s", bytesText(size), path)
	}
	if in.params, err = in.Checked(arch, in.layout); err == nil {
		in.Given, err = replica.Cut(io.Discard, in.layout, in.params)
	}
	if err != nil {
		return fail(errors.Join(err, in.Close()))
	}
	p.Give(in.Given)
	return in, nil
}

// tellFrom is from how many bytes on people hear that reading begins.
const tellFrom = 256 << 20

// initialPath is where the parameters of that root lie in a coordinator's folder, as they
// travel.
func initialPath(dir string, root protocol.Digest) string {
	return filepath.Join(dir, "initial", root.String())
}

// keep copies the parameters into a coordinator's folder, unless they lie there.
func (in *initial) keep(ctx context.Context, dir string) error {
	path := initialPath(dir, in.Root)
	if info, err := os.Stat(path); err == nil && uint64(info.Size()) == in.Index.Bytes {
		return nil
	}
	index := in.Index.Encode()
	files, err := checkpoints.OpenDir(filepath.Dir(path))
	if err == nil {
		err = files.Put(ctx, filepath.Base(path)+indexSuffix, bytes.NewReader(index), int64(len(index)))
	}
	if err == nil {
		err = checkpoints.Stream(ctx, files, filepath.Base(path), int64(in.Index.Bytes), func(w io.Writer) error {
			again, err := replica.Cut(w, in.layout, in.params)
			if err == nil && again.Root != in.Root {
				err = errors.New("they changed while they were read")
			}
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("copy initial parameters to %s: %w", path, noRoom(err, in.Index.Bytes))
	}
	return nil
}

// beganAs refuses to go on with the run in a coordinator's folder from other parameters
// than it began with: a folder that model.from names may have another model by now.
func beganAs(dir string, man protocol.Manifest) error {
	old, err := readManifest(filepath.Join(dir, manifestName))
	if err != nil || old.Model.Initial == man.Model.Initial {
		return nil // there is no run, or it is launch's to tell which
	}
	was := old.Model.Initial
	if old.Model.Initial, old.Model.Pieces = man.Model.Initial, man.Model.Pieces; old.ID() != man.ID() {
		return nil
	}
	return fmt.Errorf("model.from is not what the run in %s began with (root %s, not %s): bring that back, or begin another run in a folder of its own with --dir",
		dir, man.Model.Initial.Short(), was.Short())
}

// indexSuffix ends the name of the index beside the parameters.
const indexSuffix = ".index"

// noRoom says what to do if there was no room for so many bytes.
func noRoom(err error, bytes uint64) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w; they take %s: make room there, or name a folder on another disk with --dir", err, bytesText(bytes))
	}
	return err
}

// openKept opens the parameters that lie in a coordinator's folder for the rules, and
// returns what serves them piece by piece; nil if the run is given none.
func openKept(ctx context.Context, dir string, r *replica.Rules, log zerolog.Logger) (*corpusShelf, error) {
	root := r.Manifest.Model.Initial
	if root == (protocol.Digest{}) {
		return nil, nil //nolint:nilnil // as documented
	}
	path := initialPath(dir, root)
	index, err := os.ReadFile(path + indexSuffix)
	if err != nil {
		return nil, fmt.Errorf("initial parameters: %w", err)
	}
	ix, err := r.ParsePieces(index)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path+indexSuffix, err)
	}
	c, err := data.Open(path)
	if err != nil {
		return nil, fmt.Errorf("initial parameters: %w", err)
	}
	src, err := data.NewLocal(c, ix)
	if err != nil {
		return nil, fmt.Errorf("initial parameters: %w", err)
	}
	r.Initial = tensor.At(data.Joined(ctx, ix, src))
	return &corpusShelf{log: log, source: src, index: index, digest: ix.Digest(), places: sync.OnceValue(ix.Places)}, nil
}

// bringInitial fetches the parameters that the run begins with, as far as they are not in
// the folder for pieces. A node that has later ones fetches them only if these turn out
// to be damaged.
func (n *node) bringInitial(ctx context.Context) error {
	later, err := n.files.List(ctx, "")
	if err != nil {
		return err
	}
	if len(later) > 0 {
		return n.rules.Reach(ctx, n.session, n.pieces)
	}
	began := time.Now()
	var mu sync.Mutex
	next, whole := began.Add(tellEvery), uint64(0)
	err = n.rules.Bring(ctx, n.session, n.pieces, func(done, total uint64) {
		mu.Lock()
		defer mu.Unlock()
		whole = total
		if now := time.Now(); now.After(next) {
			next = now.Add(tellEvery)
			n.log.Info().Str("done", bytesText(done)).Str("of", bytesText(total)).Str("folder", n.pieces).Msg("fetching the parameters that the run begins with")
		}
	})
	if err != nil {
		return noRoom(err, 4*uint64(n.rules.Layout.Len()))
	}
	if whole > 0 {
		n.log.Info().Str("bytes", bytesText(whole)).Dur("took", time.Since(began)).Str("folder", n.pieces).Msg("the parameters that the run begins with are here")
	}
	return nil
}

// tellEvery is how often the log says how far a fetch is.
const tellEvery = 5 * time.Second

// reachInitial has the parameters that an observed run begins with fetched when they are
// asked for, and kept in the user's cache.
func reachInitial(ctx context.Context, o *models.Observer) error {
	if o.Rules.Manifest.Model.Pieces == (protocol.Digest{}) {
		return nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("folder for the parameters that the run begins with: %w", err)
	}
	return o.Rules.Reach(ctx, o, filepath.Join(cache, "lode", "pieces"))
}
