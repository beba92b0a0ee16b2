package solo

// This file holds the folder of a training: the model for other programs, the state
// to go on from, the learning curve.

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"strconv"
	"strings"

	"lode/checkpoints"
	"lode/checkpoints/safetensors"
)

// Names of the files in a folder, besides [checkpoints.ModelFile] and
// [checkpoints.ConfigFile].
const (
	StateFile = "train.state"
	CurveFile = "curve.jsonl" // a [Point] a line
	TableFile = "curve.csv"   // the same for spreadsheets
)

// maxCurve bounds a learning curve's file, bytes.
const maxCurve = 1 << 28

// Folder is where a training lies. Each file is written whole or not at all; the
// state comes last, and a curve may be ahead of it after a crash.
type Folder struct {
	dir   *checkpoints.Dir
	curve []Point
}

// OpenFolder opens the folder at path and makes it if need be.
func OpenFolder(path string) (*Folder, error) {
	dir, err := checkpoints.OpenDir(path)
	if err != nil {
		return nil, err
	}
	return &Folder{dir: dir}, nil
}

// Curve returns the learning curve so far. It must not be written to.
func (f *Folder) Curve() []Point { return f.curve }

// TakeUp gives the trainer the state in the folder, and cuts the curve there. It
// returns [fs.ErrNotExist] if there is none.
func (f *Folder) TakeUp(ctx context.Context, t *Trainer) error {
	in, size, err := f.dir.Get(ctx, StateFile, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	r := io.LimitReader(in, size)
	if err := t.ReadState(r); err != nil {
		return err
	}
	if n, _ := io.CopyN(io.Discard, r, 1); n > 0 {
		return fmt.Errorf("%w: more bytes than a state has", ErrState)
	}
	return f.readCurve(ctx, t.Rounds())
}

// readCurve reads the points up to a round.
func (f *Folder) readCurve(ctx context.Context, rounds int) error {
	in, _, err := f.dir.Get(ctx, CurveFile, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxCurve))
	if err != nil {
		return fmt.Errorf("%s: %w", CurveFile, err)
	}
	f.curve = nil
	for line := range bytes.Lines(b) {
		var p Point
		if err := json.Unmarshal(line, &p); err != nil {
			return fmt.Errorf("%s line %d: %w", CurveFile, len(f.curve)+1, err)
		}
		if p.Rounds <= rounds {
			f.curve = append(f.curve, p)
		}
	}
	return nil
}

// Add adds a point to the curve.
func (f *Folder) Add(ctx context.Context, p Point) error {
	f.curve = append(f.curve, p)
	var lines, table bytes.Buffer
	enc, rows := json.NewEncoder(&lines), csv.NewWriter(&table)
	_ = rows.Write(columns(reflect.TypeFor[Point]())) // a buffer takes everything
	for _, p := range f.curve {
		if err := enc.Encode(p); err != nil {
			return fmt.Errorf("learning curve: %w", err)
		}
		_ = rows.Write(cells(reflect.ValueOf(p)))
	}
	rows.Flush()
	return errors.Join(f.put(ctx, CurveFile, lines.Bytes()), f.put(ctx, TableFile, table.Bytes()))
}

// columns returns the JSON names of a struct's fields.
func columns(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// cells returns the values of a struct's numbers.
func cells(v reflect.Value) (values []string) {
	for i := range v.NumField() {
		if f := v.Field(i); f.CanFloat() {
			values = append(values, strconv.FormatFloat(f.Float(), 'g', -1, 64))
		} else {
			values = append(values, fmt.Sprint(f.Interface()))
		}
	}
	return values
}

func (f *Folder) put(ctx context.Context, name string, b []byte) error {
	return f.dir.Put(ctx, name, bytes.NewReader(b), int64(len(b)))
}

// Keep writes the model, as other programs read it, and the state.
func (f *Folder) Keep(ctx context.Context, t *Trainer) error {
	return t.insist(ctx, func() error { return f.keep(ctx, t) })
}

func (f *Folder) keep(ctx context.Context, t *Trainer) error {
	params, err := t.Params()
	if err != nil {
		return err
	}
	l := t.cfg.Rules.Layout
	head, err := safetensors.ForLayout(l, map[string]string{"format": "pt"})
	if err != nil {
		return err
	}
	if err := f.put(ctx, checkpoints.ConfigFile, t.cfg.Rules.Model.Config()); err != nil {
		return err
	}
	err = checkpoints.Stream(ctx, f.dir, checkpoints.ModelFile, head.Size(), func(w io.Writer) error {
		return safetensors.Write(w, head, l, params)
	})
	if err != nil {
		return err
	}
	size, err := checkpoints.Measure(t.WriteState)
	if err != nil {
		return err
	}
	return checkpoints.Stream(ctx, f.dir, StateFile, size, t.WriteState)
}
