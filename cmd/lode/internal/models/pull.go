package models

// This file holds pulling: one way in for folders, object stores, web servers
// and live runs.

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"

	"lode/checkpoints"
	"lode/cmd/lode/internal/pretrained"
	"lode/engine/model"
	"lode/protocol"
)

// ErrNone says that there is no checkpoint to be had yet.
var ErrNone = pretrained.ErrNone

// Stage says what a pull is doing.
type Stage string

// Stages of a pull, in order.
const (
	Record Stage = "record" // replaying the record; in entries
	Files  Stage = "files"  // fetching and checking files; in bytes
)

// Options say what to pull and whom to believe.
type Options struct {
	Dir     string            // where it goes
	Round   *protocol.Round   // nil: the last checkpoint
	Run     protocol.RunID    // zero: the one the store was last written by; links name theirs
	Trusted []protocol.NodeID // one of them must have signed; empty: any consistent checkpoint of a store, the coordinator for a link
	Store   checkpoints.Options
	// Witness opens the record that a checkpoint of a store is compared with. It is
	// asked once the checkpoint is known, whose receipt is then on the record. nil, or
	// a nil Witness: there is none.
	Witness  func(context.Context) (*Witness, error)
	Contact  Contact                          // with the coordinator of a link
	Progress func(s Stage, done, total int64) // nil: nobody is told
}

// Result is what a pull brought and what was checked.
type Result struct {
	Dir       string            `json:"dir"`
	Run       protocol.RunID    `json:"run"`
	Round     protocol.Round    `json:"round"` // the model is that before this round
	ModelRoot protocol.Digest   `json:"model_root"`
	StateRoot protocol.Digest   `json:"state_root"`
	Signers   []protocol.NodeID `json:"signers"`
	Trusted   int               `json:"trusted"` // of the signers, how many were asked for
	Files     int               `json:"files"`
	Bytes     int64             `json:"bytes"`
	Fetched   int64             `json:"fetched"`           // bytes; less than Bytes after a resumed pull
	Entries   uint64            `json:"entries,omitempty"` // of the record that was replayed
	Receipt   *Receipt          `json:"receipt,omitempty"` // nil: there was no record to compare with
	Info      map[string]string `json:"info,omitempty"`
}

// Receipt is who signed what model and state were compared with. It is zero for
// initial parameters, which were recomputed from the run's seed.
type Receipt struct {
	Validators int     `json:"validators"`
	Share      float64 `json:"stake_share"` // of the stake on the round's roster, at least two thirds
}

// Pull brings the checkpoint at source into opt.Dir, goes on where an earlier
// pull was cut, and checks it as the package comment says. source is a folder or
// file://, s3://bucket/prefix, https://host/path or a join link.
func Pull(ctx context.Context, source string, opt Options) (Result, error) {
	if opt.Dir == "" {
		return Result{}, errors.New("pull: no folder named to put the model into")
	}
	if isLink(source) {
		return pullLink(ctx, source, opt)
	}
	if err := checkStore(source); err != nil {
		return Result{}, err
	}
	store, err := checkpoints.Open(ctx, source, opt.Store)
	if err != nil {
		return Result{}, err
	}
	res, err := pullStore(ctx, store, opt)
	if errors.Is(err, fs.ErrNotExist) && opt.Round == nil {
		err = fmt.Errorf("%w in %s (a run writes its first after some rounds, and one when its coordinator is stopped): %w", ErrNone, source, err)
	}
	return res, err
}

// tell tells whoever wants to know how far a stage is.
func (opt *Options) tell(s Stage, done, total int64) {
	if opt.Progress != nil {
		opt.Progress(s, done, total)
	}
}

// bring pulls from any source and recomputes the root of what came.
func bring(ctx context.Context, src checkpoints.Source, opt Options, trusted []protocol.NodeID) (Result, error) {
	po := checkpoints.PullOptions{Run: opt.Run, Round: (*uint64)(opt.Round)}
	for _, n := range trusted {
		po.Trusted = append(po.Trusted, ed25519.PublicKey(n[:]))
	}
	if opt.Progress != nil {
		po.Progress = func(done, total int64) { opt.tell(Files, done, total) }
	}
	got, err := checkpoints.Pull(ctx, src, opt.Dir, po)
	if err != nil {
		return Result{}, err
	}
	m := got.Manifest
	res := Result{
		Dir: opt.Dir, Run: m.Run, Round: protocol.Round(m.Round), ModelRoot: m.ModelRoot, StateRoot: m.StateRoot,
		Trusted: got.SignedBy, Files: len(m.Files), Bytes: m.Size(), Fetched: got.Fetched, Info: m.Info,
	}
	for _, s := range m.Signatures {
		res.Signers = append(res.Signers, s.Key)
	}
	return res, recheck(opt.Dir)
}

// recheck recomputes the model root from the file as it lies on disk now.
func recheck(dir string) (err error) {
	m, err := checkpoints.OpenModel(dir)
	if err != nil {
		return fmt.Errorf("pulled checkpoint: %w", err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	layout, err := m.Layout()
	if err != nil {
		return fmt.Errorf("pulled checkpoint: %w", err)
	}
	if m.Config != nil {
		arch, err := model.ParseConfig(m.Config)
		if err != nil {
			return fmt.Errorf("pulled checkpoint: %w", err)
		}
		if layout, err = model.Layout(arch); err != nil {
			return fmt.Errorf("pulled checkpoint: %w", err)
		}
	}
	if _, err = m.Reader(layout); err != nil {
		return fmt.Errorf("pulled checkpoint: %w", err)
	}
	return nil
}
