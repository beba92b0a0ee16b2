package audit

// This file holds the third part of an audit: the checkpoints, as evidence and as
// a place to take the model up again.

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"lode/aggregation"
	"lode/checkpoints"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// find lists the checkpoints there are.
func (a *audit) find(ctx context.Context) error {
	if a.src.Store == nil {
		return nil
	}
	var err error
	a.shelved, err = a.src.Store.Rounds(ctx, a.last)
	return err
}

// compare looks at every checkpoint of the rounds asked for.
func (a *audit) compare(ctx context.Context) error {
	from, to := a.bounds()
	for i, c := range a.shelved {
		if a.opt.From == nil && a.opt.To == nil || c >= uint64(from) && c <= uint64(to) {
			found, err := a.checkpoint(ctx, c)
			if err != nil {
				return err
			}
			a.report.Checkpoints = append(a.report.Checkpoints, found)
		}
		a.opt.Progress(Checkpoints, uint64(i+1), uint64(len(a.shelved)))
	}
	return nil
}

func (a *audit) checkpoint(ctx context.Context, c uint64) (Checkpoint, error) {
	out := Checkpoint{Round: protocol.Round(c)}
	err := a.borrow(ctx, c, func(m *checkpoints.Model) error {
		out.Bytes = m.Manifest.Size()
		return nil
	})
	if missing(err) {
		out.Gone = true
		return out, nil
	}
	i := slices.IndexFunc(a.report.Rounds, func(r Round) bool { return uint64(r.Round)+1 == c })
	out.Recomputed = c == 0 || i >= 0 && a.report.Rounds[i].Recomputed
	return out, err
}

// restore takes the model up at a checkpoint. It stays lost where there is none.
func (a *audit) restore(ctx context.Context, c int) error {
	if !slices.Contains(a.shelved, uint64(c)) {
		return nil
	}
	err := a.borrow(ctx, uint64(c), func(m *checkpoints.Model) error {
		model, err := a.ready(replica.Blank(a.rules))
		if err != nil {
			return err
		}
		params, err := m.Reader(a.rules.Layout)
		if err != nil {
			return err
		}
		if err := tensor.Copy(a.rules.Layout, model.Params, params); err != nil {
			return err
		}
		if model.Outer, err = planes(m, len(model.Outer), len(model.Params)); err != nil {
			return err
		}
		last, err := a.before(ctx, c)
		if err != nil {
			return err
		}
		a.model = model
		return model.Stand(protocol.Round(c), last)
	})
	if missing(err) {
		return nil
	}
	return err
}

// before returns the plain form of the step that led to round c, which no checkpoint
// holds, where the places of the round's updates follow from it; nothing if it is
// missing.
func (a *audit) before(ctx context.Context, c int) ([]byte, error) {
	if !a.rules.Shares() || c == 0 {
		return nil, nil
	}
	s := &a.final[c-1]
	wire, err := a.step(ctx, s, new(Round))
	if err != nil || wire == nil {
		return nil, err
	}
	step, err := a.rules.Step(ctx, fetched(wire), s.Receipt)
	if err != nil {
		return nil, err
	}
	return step.Plain(), nil
}

// borrow brings a checkpoint here, compares it with the record and hands it to
// use. An error of checkpoints that are not there is one that missing knows.
func (a *audit) borrow(ctx context.Context, c uint64, use func(*checkpoints.Model) error) (err error) {
	src, err := a.src.Store.At(ctx, c)
	if err != nil {
		return a.spoilt(c, err)
	}
	if err := a.readManifest(ctx, c, src); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(a.opt.Scratch, "lode-verify-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if _, err := checkpoints.Pull(ctx, src, dir, checkpoints.PullOptions{Run: a.rules.Run, Round: &c}); err != nil {
		return a.spoilt(c, err)
	}
	m, err := checkpoints.OpenModel(dir)
	if err != nil {
		return a.spoilt(c, err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if err := a.hold(c, m); err != nil {
		return err
	}
	return use(m)
}

// readManifest tells a manifest that cannot be read from one that is not there.
func (a *audit) readManifest(ctx context.Context, c uint64, src checkpoints.Source) (err error) {
	name := checkpoints.Manifest{Run: a.rules.Run, Round: c}.Path(checkpoints.ManifestFile)
	r, _, err := src.Get(ctx, name, 0)
	if err != nil {
		return a.spoilt(c, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	b, err := io.ReadAll(io.LimitReader(r, maxManifest))
	if err != nil {
		return a.spoilt(c, err)
	}
	m, err := checkpoints.ParseManifest(b)
	if err == nil && (m.Run != a.rules.Run || m.Round != c) {
		err = fmt.Errorf("it is that of run %s, round %d", protocol.RunID(m.Run).Short(), m.Round)
	}
	if err != nil {
		return (&Mismatch{What: checkpointName(c), Means: "its manifest was changed or is damaged"}).because(err)
	}
	return nil
}

// maxManifest bounds a manifest in bytes, far above what three files take.
const maxManifest = 1 << 20

// spoilt turns the error of getting a checkpoint into a mismatch if its content
// is to blame.
func (a *audit) spoilt(c uint64, err error) error {
	if errors.Is(err, checkpoints.ErrCorrupt) || wrong(err) {
		return (&Mismatch{What: checkpointName(c), Means: "its files are not those its manifest names: they were changed or are damaged"}).because(err)
	}
	return fmt.Errorf("checkpoint of round %d: %w", c, err)
}

func checkpointName(c uint64) string { return fmt.Sprintf("checkpoint of round %d", c) }

// hold holds a checkpoint against the record: who signed it, which model and
// state it is.
func (a *audit) hold(c uint64, m *checkpoints.Model) error {
	fault := func(want, got protocol.Digest, means string) error {
		return &Mismatch{What: checkpointName(c), Want: want, Got: got, Means: means}
	}
	man := m.Manifest
	if man.SignedBy(ed25519.PublicKey(a.src.Manifest.Coordinator[:])) == 0 {
		return fault(protocol.Digest{}, protocol.Digest{}, "the run's coordinator has not signed it")
	}
	if named, ok := a.named[protocol.Round(c)]; ok && named != protocol.Sum(man.Encode()) {
		return fault(named, protocol.Sum(man.Encode()), "the record names another manifest")
	}
	want, err := a.state(c)
	if err != nil {
		return err
	}
	if got := protocol.Digest(man.StateRoot); got != want.state {
		return fault(want.state, got, "it claims another state than the record reached")
	}
	if got := protocol.Digest(man.ModelRoot); got != want.model {
		return fault(want.model, got, "it is another model than the run's")
	}
	if _, err := m.Reader(a.rules.Layout); err != nil {
		return (&Mismatch{What: checkpointName(c), Want: want.model, Means: "its parameters are not the model it claims to be"}).because(err)
	}
	return a.holdOuter(c, m, want.outer)
}

// holdOuter compares the outer optimizer's integers.
func (a *audit) holdOuter(c uint64, m *checkpoints.Model, want protocol.Digest) error {
	got, err := planes(m, a.numPlanes, a.rules.Layout.Len())
	if err != nil {
		return (&Mismatch{What: checkpointName(c), Means: "it does not hold the state of the outer optimizer"}).because(err)
	}
	if d := replica.OuterDigest(got); c > 0 && d != want {
		return &Mismatch{What: checkpointName(c), Want: want, Got: d, Means: "it holds another state of the outer optimizer than the run's"}
	}
	return nil
}

// roots are what identifies the state before a round.
type roots struct{ model, outer, state protocol.Digest }

// state returns what the record says of the state before round c.
func (a *audit) state(c uint64) (roots, error) {
	switch {
	case c == 0:
		root, err := a.rules.FirstRoot()
		if err != nil {
			return roots{}, err
		}
		outer, err := aggregation.NewPlanes(a.rules.Layout, a.rules.Merge(0))
		return roots{root, replica.OuterDigest(outer), a.begin}, err
	case c > uint64(len(a.final)):
		return roots{}, &Mismatch{What: checkpointName(c), Means: fmt.Sprintf("the record ends at round %d: entries are missing at its end, or nobody ever merged this", len(a.final))}
	}
	s := a.final[c-1]
	return roots{s.Receipt.Model, s.Receipt.Outer, s.Root}, nil
}

// planes reads the outer optimizer's integers: num tensors named outer.0 and so
// on, each of length d.
func planes(m *checkpoints.Model, num, d int) (aggregation.Planes, error) {
	state, err := m.State()
	if err != nil {
		return nil, err
	}
	if len(state) != num {
		return nil, fmt.Errorf("%d tensors of integers, want %d", len(state), num)
	}
	out := make(aggregation.Planes, num)
	for i := range out {
		k := slices.IndexFunc(state, func(t checkpoints.Ints) bool { return t.Name == fmt.Sprintf("outer.%d", i) })
		if k < 0 || !slices.Equal(state[k].Shape, []int{d}) {
			return nil, fmt.Errorf("no tensor outer.%d of %d integers", i, d)
		}
		out[i] = make([]int64, d)
		if err := state[k].Read(0, out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
