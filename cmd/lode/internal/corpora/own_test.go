package corpora

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/data"
	"lode/data/examples"
	"lode/engine"
	"lode/protocol"
	"lode/replica"
)

// ownOf is data of a worker in a run on text, or on examples of four values in three
// classes.
func ownOf(t *testing.T, path string, records bool) Own {
	t.Helper()
	o := Own{
		Want:     Want{Path: path, Cache: t.TempDir()},
		Manifest: protocol.Manifest{Data: protocol.Data{Mode: protocol.DataPrivate, Tokenizer: protocol.TokenBytes, Width: 1}, Train: protocol.Train{Steps: 8}},
		Inputs:   engine.Port{Shape: []int{1, 2, 2}}, Targets: engine.Port{Limit: 3},
	}
	if records {
		o.Manifest.Data.Tokenizer, o.Manifest.Data.Width, o.Manifest.Train.Steps = protocol.TokenRecords, 5, 1
	}
	return o
}

// openOwn opens it, reads all of it once, and returns the samples as bytes.
func openOwn(t *testing.T, o Own) []string {
	t.Helper()
	s, closing, err := OpenOwn(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer closing()
	return samples(t, s)
}

func samples(t *testing.T, s replica.Samples) (all []string) {
	t.Helper()
	for i := range s.Len() {
		b, err := s.Batch(t.Context(), []int{i})
		if err != nil {
			t.Fatal(err)
		}
		if b.Records != nil {
			all = append(all, string(b.Records))
			continue
		}
		var text []byte
		for _, id := range b.Inputs {
			text = append(text, byte(id))
		}
		all = append(all, string(text))
	}
	return all
}

func packed(t *testing.T, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// picture is a grey PNG of two by two.
func picture(t *testing.T, vals ...byte) string {
	t.Helper()
	var out bytes.Buffer
	p := image.NewGray(image.Rect(0, 0, 2, 2))
	copy(p.Pix, vals)
	if err := png.Encode(&out, p); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// nested writes files in folders.
func nested(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The same two examples come out of every format that holds them.
func TestOwnExamples(t *testing.T) {
	pixels := "\x00\x33\x66\xff\x01\x02\x03\x04"
	images := "\x00\x00\x08\x03\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x02" + pixels
	labels := "\x00\x00\x08\x01\x00\x00\x00\x02\x02\x00"
	table := "a,b,c,d,label\n0,0.2,0.4,1,2\n" + fmt.Sprintf("%.9f,%.9f,%.9f,%.9f,0\n", 1/255., 2/255., 3/255., 4/255.)
	want := []string{"\x02\x00\x33\x66\xff", "\x00\x01\x02\x03\x04"}
	for name, c := range map[string]struct {
		files map[string]string
		path  string // below the folder
	}{
		"IDX":        {map[string]string{"a-images": images, "a-labels": labels}, ""},
		"packed IDX": {map[string]string{"a-images.gz": packed(t, []byte(images)), "a-labels.gz": packed(t, []byte(labels))}, "a-images.gz"},
		"CSV":        {map[string]string{"t.csv": table}, "t.csv"},
		"packed CSV": {map[string]string{"t.csv.gz": packed(t, []byte(table))}, ""},
		"PNG":        {map[string]string{"2/x.png": picture(t, 0, 0x33, 0x66, 0xff), "0/y.png": picture(t, 1, 2, 3, 4)}, ""},
		"records":    {map[string]string{"own.bin": strings.Join(want, "")}, "own.bin"},
	} {
		o := ownOf(t, filepath.Join(nested(t, c.files), c.path), true)
		got := openOwn(t, o)
		if name == "PNG" { // classes in order
			got = []string{got[1], got[0]}
		}
		if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Text comes out of plain files, JSON lines and packed ones, through the run's tokenizer.
func TestOwnText(t *testing.T) {
	text := strings.Repeat(someText, 60)
	for name, files := range map[string]map[string]string{
		"plain":      {"a.txt": text},
		"JSON lines": {"a.jsonl": fmt.Sprintf("{\"text\":%q}\n", text)},
		"packed":     {"a.txt.gz": packed(t, []byte(text))},
	} {
		got := strings.Join(openOwn(t, ownOf(t, nested(t, files), false)), "")
		if len(got) < len(text)/2 || !strings.Contains(got, "the worst of times") {
			t.Errorf("%s: %d bytes of %d: %.100q", name, len(got), len(text), got)
		}
	}
	vocab := vocabulary(t)
	tok, file, err := Tokenizer(vocab)
	if err != nil {
		t.Fatal(err)
	}
	o := ownOf(t, nested(t, map[string]string{"a.txt": text}), false)
	o.File, o.Manifest.Data.Tokenizer, o.Manifest.Data.Vocabulary, o.Manifest.Data.Width = file, protocol.TokenFile, protocol.Sum(file), 2
	s, closing, err := OpenOwn(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer closing()
	b, err := s.Batch(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	var back []byte
	for _, id := range b.Inputs {
		back = tok.Decode(back, id)
	}
	if !strings.Contains(text, string(back)) || len(back) <= 8 {
		t.Errorf("eight tokens are %q", back)
	}
}

// Workers who name parts of the same data have all of it together and nothing twice.
func TestOwnParts(t *testing.T) {
	var table strings.Builder
	table.WriteString("a,b,c,d,label\n")
	for i := range 90 {
		fmt.Fprintf(&table, "%.3f,%.3f,0,0,%d\n", float64(i%10)/10, float64(i/10)/10, i%3)
	}
	lines := map[string]string{}
	for i := range 7 {
		lines[fmt.Sprintf("%d.txt", i)] = strings.Repeat(fmt.Sprintf("file %d. ", i), 40)
	}
	for _, c := range []struct {
		split   string
		dir     string
		records bool
		num     int // samples in all; 0: not known
	}{
		{"iid", nested(t, map[string]string{"t.csv": table.String()}), true, 90},
		{"labels:1", nested(t, map[string]string{"t.csv": table.String()}), true, 90},
		{"dirichlet:1", nested(t, map[string]string{"t.csv": table.String()}), true, 90},
		{"files", nested(t, map[string]string{"a.csv": table.String(), "b.csv": table.String(), "c.csv": table.String()}), true, 270},
		{"iid", nested(t, lines), false, 0},
		{"files", nested(t, lines), false, 0},
	} {
		seen, files := map[string]int{}, map[byte]int{}
		num := 0
		for part := range 3 {
			o := ownOf(t, c.dir, c.records)
			o.Split, o.Portion, o.Seed = c.split, data.Portion{Number: part + 1, Of: 3}, protocol.Digest{5}
			own := openOwn(t, o)
			mine := map[byte]bool{}
			for _, s := range own {
				seen[s]++
				if c.records {
					mine[s[0]] = true
				} else if i := strings.Index(s, "file "); i >= 0 && i+5 < len(s) {
					mine[s[i+5]] = true
				}
			}
			for m := range mine {
				files[m]++
			}
			num += len(own)
			if len(own) == 0 || c.split == "labels:1" && len(mine) != 1 {
				t.Errorf("%s, part %d: %d samples of %v", c.split, part+1, len(own), mine)
			}
		}
		if c.num > 0 && num != c.num {
			t.Errorf("%s: parts have %d samples, want %d", c.split, num, c.num)
		}
		for m, n := range files {
			if !c.records && c.split == "files" && n != 1 {
				t.Errorf("file %c is in %d parts", m, n)
			}
		}
		for s, n := range seen {
			if c.num == 90 && n != 1 {
				t.Errorf("%s: sample %q comes %d times", c.split, s, n)
			}
		}
	}
}

func TestOpenOwnRefuses(t *testing.T) {
	text := nested(t, map[string]string{"a.txt": strings.Repeat(someText, 60)})
	table := nested(t, map[string]string{"t.csv": "a,b,c,d,label\n0,0,0,2,1\n"})
	short := nested(t, map[string]string{"a.txt": "too short"})
	for name, c := range map[string]struct {
		path    string
		records bool
		change  func(*Own)
		is      error
		says    string
	}{
		"nothing there":   {filepath.Join(text, "none"), true, nil, os.ErrNotExist, "own data at"},
		"text, labels":    {text, false, func(o *Own) { o.Split, o.Portion = "labels:2", data.Portion{Number: 1, Of: 2} }, nil, "text has no labels"},
		"too short":       {short, false, nil, data.ErrTooSmall, "too small"},
		"other shape":     {table, true, func(o *Own) { o.Manifest.Data.Width = 9 }, examples.ErrBad, "4 values, and the run's have 8"},
		"out of range":    {table, true, nil, examples.ErrBad, "is 2, and a record holds values from 0 to 1"},
		"many files":      {text, false, func(o *Own) { o.Split, o.Portion = "files", data.Portion{Number: 1, Of: 2} }, nil, "1 examples for 2"},
		"more classes":    {nested(t, map[string]string{"t.csv": "a,b,c,d,label\n0,0,0,0,3\n"}), true, nil, examples.ErrBad, "4 classes, the run's model tells 3 apart"},
		"named, no order": {nested(t, map[string]string{"t.csv": "a,b,c,d,label\n0,0,0,0,a\n0,0,0,0,b\n0,0,0,0,C\n"}), true, nil, nil, "labels are C, a, b and no numbers: say which is 0, 1 and so on with --classes"},
		"text as record":  {text + "/a.txt", true, func(o *Own) { o.Manifest.Data.Width = 1 << 19; o.Inputs.Shape = []int{1<<19 - 1} }, examples.ErrBad, "no whole number"},
	} {
		o := ownOf(t, c.path, c.records)
		if c.change != nil {
			c.change(&o)
		}
		_, _, err := OpenOwn(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := OpenOwn(ctx, ownOf(t, table, true)); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	// What was prepared with a tokenizer is no data of a run on bytes.
	vocab := vocabulary(t)
	w := Want{Path: text, Tokenizer: vocab, Cache: t.TempDir(), Piece: 1 << 10}
	c, err := Open(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	folders, err := filepath.Glob(filepath.Join(w.Cache, "prepared", "*"))
	if err != nil || len(folders) != 1 {
		t.Fatalf("%v, %v", folders, err)
	}
	if _, _, err := OpenOwn(t.Context(), ownOf(t, folders[0], false)); err == nil || !strings.Contains(err.Error(), "those of the run have 1") {
		t.Errorf("tokens of two bytes: %v", err)
	}
}
