package examples

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lode/protocol"
)

const threeTable = "x,y,label\n0,1,0\n0.2,0.4,2\n1,0,1\n"

// Examples become the records that a corpus would have of them, in the order asked for,
// and a file of records becomes the same examples.
func TestOwn(t *testing.T) {
	s := open(t, folderOf(t, map[string]string{"t.csv": threeTable}), Options{})
	o, err := NewOwn(s, []int{2, 1}, 3, 10)
	if err != nil {
		t.Fatal(err)
	}
	b, err := o.Batch(t.Context(), []int{1, 0, 1})
	want := []byte{2, 51, 102, 1, 255, 0, 2, 51, 102}
	if err != nil || b.Rows != 3 || b.Steps != 1 || !slices.Equal(b.Records, want) || o.Len() != 2 {
		t.Errorf("%+v, %v", b, err)
	}
	var file bytes.Buffer
	if err := WriteSome(&file, s, []int{1, 2, 0}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "own.bin")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := OpenRecords(path, []int{2}, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Len() != 3 || len(r.Classes()) != 10 || r.Label(0) != 2 || !slices.Equal(read(t, r, 0), []float32{0.2, 0.4}) {
		t.Errorf("%d records in %d classes, the first of class %d", r.Len(), len(r.Classes()), r.Label(0))
	}
	var again bytes.Buffer
	if err := WriteSome(&again, r, []int{0, 1, 2}); err != nil || !bytes.Equal(again.Bytes(), file.Bytes()) {
		t.Errorf("records changed on the way: %v", err)
	}
}

// What the run's model does not take is refused before any example is read.
func TestNewOwnRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		table   string
		opt     Options
		length  int
		classes int
		says    string
	}{
		"numbers":        {"x,label\n1,2\n", Options{Numbers: true}, 2, 3, "numbers to predict"},
		"another shape":  {threeTable, Options{}, 785, 10, "2 values, and the run's have 784"},
		"more classes":   {threeTable, Options{}, 3, 2, "3 classes, the run's model tells 2 apart"},
		"unknown order":  {"x,label\n1,sick\n0,well\n", Options{}, 2, 3, "name all of them"},
		"numbers, names": {"x,label\n1,0\n0,cat\n", Options{}, 2, 3, "name all of them"},
		"all by name":    {"x,label\n1,sick\n0,well\n", Options{}, 2, 2, ""},
		"named":          {"x,label\n1,sick\n0,sick\n", Options{Classes: []string{"well", "sick"}}, 2, 2, ""},
		"numbers enough": {"x,label\n1,7\n", Options{}, 2, 10, ""},
	} {
		s := open(t, folderOf(t, map[string]string{"t.csv": c.table}), c.opt)
		_, err := NewOwn(s, []int{0}, c.length, c.classes)
		if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, ErrBad) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Checking reads all examples: values that no record holds are refused, and what cannot
// be read is left out where that is asked for.
func TestOwnCheck(t *testing.T) {
	s := open(t, folderOf(t, map[string]string{"t.csv": "x,label\n1,0\n1.5,1\n"}), Options{})
	o, err := NewOwn(s, []int{0, 1}, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := o.Check(t.Context(), true); !errors.Is(err, ErrBad) || !strings.Contains(err.Error(), "is 1.5") {
		t.Errorf("a value above 1: %v", err)
	}
	dir := t.TempDir()
	good := filepath.Join(dir, "own.bin")
	if err := os.WriteFile(good, []byte{0, 9, 1, 8, 0, 7}, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := OpenRecords(good, []int{1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Truncate(good, 4); err != nil { // behind its back
		t.Fatal(err)
	}
	if o, err = NewOwn(r, []int{0, 1, 2}, 2, 2); err != nil {
		t.Fatal(err)
	}
	if _, _, err := o.Check(t.Context(), false); !errors.Is(err, ErrBad) {
		t.Errorf("a cut file: %v", err)
	}
	bad, num, err := o.Check(t.Context(), true)
	if err != nil || num != 1 || len(bad) != 1 || bad[0].Record != 2 || o.Len() != 2 {
		t.Errorf("left out %v, %d, %v; %d stay", bad, num, err, o.Len())
	}
}

func TestOpenRecordsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		says    string
	}{
		"part of one":   {"\x00\x01\x02", "no whole number"},
		"none":          {"", "0 records"},
		"no such class": {"\x00\x01\x02\x01", "record 1: class 2, there are 2"},
	} {
		path := filepath.Join(t.TempDir(), "own.bin")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenRecords(path, []int{1}, 2); !errors.Is(err, ErrBad) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenRecords(filepath.Join(t.TempDir(), "none"), []int{1}, 2); err == nil {
		t.Error("a file that is not there")
	}
}

// FuzzOpenRecords: whatever a file holds, it is refused or every record of it can be read.
func FuzzOpenRecords(f *testing.F) {
	f.Add([]byte{0, 1, 2, 1, 3, 4}, 2)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		path := filepath.Join(t.TempDir(), "own.bin")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		size = 1 + int(uint(size)%protocol.MaxRecord)
		s, err := OpenRecords(path, []int{size}, 10)
		if err != nil {
			if !errors.Is(err, ErrBad) {
				t.Fatal(err)
			}
			return
		}
		defer s.Close()
		o, err := NewOwn(s, []int{0}, 1+size, 10)
		if err == nil {
			_, _, err = o.Check(t.Context(), false)
		}
		if err != nil && size < protocol.MaxRecord {
			t.Fatal(err)
		}
	})
}
