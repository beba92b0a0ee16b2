package solo

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lode/checkpoints"
	"lode/checkpoints/safetensors"
	"lode/engine/model"
	"lode/tensor"
)

// course runs a training in a folder and returns the points that are told.
func course(t *testing.T, ctx context.Context, s stage, dir string, apart bool, passed func(int)) (*Folder, []Point, error) {
	t.Helper()
	f, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	tr := trainer(t, s.config(2, apart), 0)
	if err := f.TakeUp(t.Context(), tr); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var told []Point
	err = Course{
		Trainer: tr, Rounds: 7, Measure: 3, Keep: 4, HeldOut: sampleOf(t, s), Passed: passed,
		Measured: func(p Point) error {
			told = append(told, p)
			return f.Add(t.Context(), p)
		},
		Kept: func() error { return f.Keep(t.Context(), tr) },
	}.Run(ctx)
	return f, told, err
}

// read returns a file of a folder.
func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// timeless returns a curve without what depends on the clock.
func timeless(curve []Point) []Point {
	out := slices.Clone(curve)
	for i := range out {
		out[i].Speed = 0
	}
	return out
}

// A training that is stopped at any round, or that crashed after it, ends with the
// files of one that was not.
func TestStoppedAndTakenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("ten trainings")
	}
	s := newStage(t, nil)
	for _, apart := range []bool{false, true} {
		whole := t.TempDir()
		f, told, err := course(t, t.Context(), s, whole, apart, nil)
		if err != nil || len(told) != 3 {
			t.Fatal(told, err)
		}
		for _, stop := range []int{1, 3, 4, 6} {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			_, _, err := course(t, ctx, s, dir, apart, func(n int) {
				if n == stop {
					cancel()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("apart %v, stopped after %d rounds: %v", apart, stop, err)
			}
			if _, err := os.Stat(filepath.Join(dir, checkpoints.ModelFile)); err != nil {
				t.Error(err)
			}
			again, _, err := course(t, t.Context(), s, dir, apart, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{StateFile, checkpoints.ModelFile, checkpoints.ConfigFile} {
				if read(t, dir, name) != read(t, whole, name) {
					t.Errorf("apart %v, stopped after %d rounds: another %s", apart, stop, name)
				}
			}
			if !slices.Equal(timeless(again.Curve()), timeless(f.Curve())) {
				t.Errorf("apart %v, stopped after %d rounds: the curve is\n%+v\nwant\n%+v", apart, stop, again.Curve(), f.Curve())
			}
		}
	}
}

// After a crash the curve is cut back to where the state stands.
func TestCurveAheadOfTheState(t *testing.T) {
	s, dir := newStage(t, nil), t.TempDir()
	died := errors.New("died")
	f, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	tr := trainer(t, s.config(2, false), 0)
	err = Course{
		Trainer: tr, Rounds: 7, Measure: 1, Keep: 4, HeldOut: sampleOf(t, s),
		Measured: func(p Point) error {
			if p.Rounds == 6 {
				return died
			}
			return f.Add(t.Context(), p)
		},
		Kept: func() error { return f.Keep(t.Context(), tr) },
	}.Run(t.Context())
	if !errors.Is(err, died) || len(f.Curve()) != 5 {
		t.Fatal(err, f.Curve())
	}
	f, err = OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	tr = trainer(t, s.config(2, false), 0)
	if err := f.TakeUp(t.Context(), tr); err != nil || tr.Rounds() != 4 || len(f.Curve()) != 4 {
		t.Errorf("taken up at round %d with %d points, %v", tr.Rounds(), len(f.Curve()), err)
	}
}

// The folder holds the model for other programs, and both forms of the curve say
// the same.
func TestFolder(t *testing.T) {
	s, dir := newStage(t, nil), t.TempDir()
	f, told, err := course(t, t.Context(), s, dir, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := strings.NewReader(read(t, dir, checkpoints.ModelFile))
	head, err := safetensors.Parse(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	l, err := model.Layout(s.rules.Model)
	if err != nil {
		t.Fatal(err)
	}
	m, err := safetensors.Gather(l, nil, safetensors.Part{File: r, Header: head})
	if err != nil {
		t.Fatal(err)
	}
	stored := make(tensor.Flat, l.Len())
	if err := tensor.Copy(l, stored, m); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(stored, paramsOf(t, trainer(t, s.config(2, true), 7))) {
		t.Error("the model in the folder is another")
	}
	lines := strings.Split(strings.TrimSpace(read(t, dir, CurveFile)), "\n")
	rows, err := csv.NewReader(strings.NewReader(read(t, dir, TableFile))).ReadAll()
	if err != nil || len(lines) != len(told) || len(rows) != len(told)+1 || !slices.Equal(f.Curve(), told) {
		t.Fatalf("%d lines and %d rows of %d points, %v", len(lines), len(rows), len(told), err)
	}
	for i, line := range lines {
		var fields map[string]json.Number
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		for k, name := range rows[0] {
			got, _ := json.Number(rows[i+1][k]).Float64()
			if want, err := fields[name].Float64(); err != nil || got != want {
				t.Errorf("row %d: %s is %v in the table and %v in the lines (%v)", i, name, got, want, err)
			}
		}
		if len(fields) != len(rows[0]) {
			t.Errorf("row %d has %d columns of %d", i, len(rows[0]), len(fields))
		}
	}
	last := told[2]
	if last.Rounds != 7 || last.Steps != 21 || last.Tokens != 21*2*2*16 || last.Loss <= 0 || last.HeldOut <= 0 || last.GradNorm <= 0 || last.Up <= 0 || last.Down <= 0 || last.Speed <= 0 {
		t.Errorf("the last point is %+v", last)
	}
	if want := s.rules.Hyper(6).Rate; last.Rate != float64(want) {
		t.Errorf("the rate was %v, want %v", last.Rate, want)
	}
}
