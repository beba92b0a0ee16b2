package validator

// This file holds what a validator keeps on disk so that it can be killed.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
)

const (
	modelFile = "validator.model"
	sheetFile = "validator.sheet"
	// saveEvery is how many rounds of merges a restarted validator may have to
	// compute again.
	saveEvery = 16
)

func (j *judge) save(ctx context.Context) error {
	b := j.model.Encode()
	if err := j.cfg.Files.Put(ctx, modelFile, bytes.NewReader(b), int64(len(b))); err != nil {
		return fmt.Errorf("keep the model before round %d: %w", j.model.Next, err)
	}
	return nil
}

// load takes up the model an earlier process left. One that is damaged or of
// another run is not used: the record leads to the same place, only later.
func (j *judge) load(ctx context.Context) error {
	var err error
	if j.model, err = replica.Blank(j.cfg.Rules); err != nil {
		return err
	}
	b, err := read(ctx, j.cfg.Files, modelFile, int64(j.model.MaxEncoded()))
	if err != nil {
		return err
	}
	if b != nil {
		if err = j.model.Decode(b); err == nil {
			return nil
		}
		j.cfg.Log.Warn().Err(err).Msg("earlier model is of no use, starting without it")
	}
	return j.cfg.Rules.Begin(j.model.Params)
}

// read returns a file, nil if there is none or it is larger than it may be.
func read(ctx context.Context, files replica.Files, name string, most int64) ([]byte, error) {
	in, size, err := files.Get(ctx, name, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer in.Close()
	if size > most {
		return nil, nil
	}
	return io.ReadAll(io.LimitReader(in, most))
}

// keptSheet is a sheet whose digest may have been committed.
type keptSheet struct {
	_     struct{} `cbor:",toarray"`
	Run   protocol.RunID
	Round protocol.Round
	Sheet protocol.Sheet
}

// keepSheet makes the sheet durable before its digest leaves.
func (j *judge) keepSheet(ctx context.Context, n protocol.Round, s *protocol.Sheet) error {
	b := protocol.Encode(keptSheet{Run: j.cfg.Rules.Run, Round: n, Sheet: *s})
	return j.cfg.Files.Put(ctx, sheetFile, bytes.NewReader(b), int64(len(b)))
}

// sheetOf returns the round's sheet: the one that was kept, so that what is
// shown is what was committed, or one measured now.
func (j *judge) sheetOf(ctx context.Context, r *round.Round) (*protocol.Sheet, error) {
	if j.sheet != nil && j.sheet.Seed == r.Eval {
		return j.sheet, nil
	}
	b, err := read(ctx, j.cfg.Files, sheetFile, protocol.MaxMessageLen)
	if err != nil {
		return nil, err
	}
	var k keptSheet
	if b == nil || protocol.Decode(b, &k) != nil || k.Run != j.cfg.Rules.Run || k.Round != r.Number || k.Sheet.Seed != r.Eval {
		// There is none yet, or it is lost: on the same machine the same
		// measurements come out.
		return j.score(ctx, r)
	}
	j.sheet = &k.Sheet
	return j.sheet, nil
}
