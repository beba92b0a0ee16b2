package examples

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestIDX(t *testing.T) {
	images, labels := idxBytesOf([]byte{0, 51, 102, 255, 1, 2, 3, 4}, 2, 2, 2), idxBytesOf([]byte{3, 0}, 2)
	for name, files := range map[string]map[string]string{
		"plain":         {"a-images-idx3-ubyte": string(images), "a-labels-idx1-ubyte": string(labels)},
		"packed":        {"a-images-idx3-ubyte.gz": string(packed(t, images)), "a-labels-idx1-ubyte.gz": string(packed(t, labels))},
		"mixed":         {"a-images.idx3-ubyte": string(images), "a-labels.idx1-ubyte.gz": string(packed(t, labels))},
		"beside others": {"a-images": string(images), "a-labels": string(labels), ".b-images": "junk", "README": "see a-images"},
	} {
		dir := folderOf(t, files)
		for _, path := range []string{dir, filepath.Join(dir, firstImages(files))} {
			s := open(t, path, Options{})
			if s.Len() != 2 || !slices.Equal(s.Shape(), []int{1, 2, 2}) || !slices.Equal(s.Classes(), []string{"0", "1", "2", "3"}) {
				t.Fatalf("%s: %d of shape %v and classes %v", name, s.Len(), s.Shape(), s.Classes())
			}
			if s.Label(0) != 3 || s.Label(1) != 0 || s.Group(1) != 0 || len(s.Groups()) != 1 {
				t.Errorf("%s: labels %d and %d, groups %v", name, s.Label(0), s.Label(1), s.Groups())
			}
			if got := read(t, s, 0); !slices.Equal(got, []float32{0, 0.2, 0.4, 1}) {
				t.Errorf("%s: example 0 is %v", name, got)
			}
			if got := read(t, s, 1)[3]; got != float32(4)/255 {
				t.Errorf("%s: example 1 ends with %v", name, got)
			}
		}
	}
}

func firstImages(files map[string]string) string {
	for name := range files {
		if isImages(name) && name[0] != '.' {
			return name
		}
	}
	return ""
}

// Every type of values is read, and pairs of one folder are joined.
func TestIDXTypes(t *testing.T) {
	files := map[string]string{}
	add := func(name string, kind byte, vals ...any) {
		b := []byte{0, 0, kind, 2, 0, 0, 0, 1, 0, 0, 0, 2}
		for _, v := range vals {
			var err error
			if b, err = binary.Append(b, binary.BigEndian, v); err != nil {
				t.Fatal(err)
			}
		}
		files[name+"-images"] = string(b)
		files[name+"-labels"] = string(idxBytesOf([]byte{1}, 1))
	}
	add("1", 0x08, byte(0), byte(255))
	add("2", 0x09, int8(-3), int8(5))
	add("3", 0x0B, int16(-300), int16(500))
	add("4", 0x0C, int32(-70000), int32(1<<20))
	add("5", 0x0D, float32(-1.5), float32(2.25))
	add("6", 0x0E, float64(0.1), float64(-1e30))
	s := open(t, folderOf(t, files), Options{})
	for i, want := range [][]float32{{0, 1}, {-3, 5}, {-300, 500}, {-70000, 1 << 20}, {-1.5, 2.25}, {0.1, -1e30}} {
		if got := read(t, s, i); !slices.Equal(got, want) || s.Group(i) != i {
			t.Errorf("example %d of group %d is %v, want %v", i, s.Group(i), got, want)
		}
	}
}

func TestBadIDX(t *testing.T) {
	images, labels := string(idxBytesOf(make([]byte, 12), 3, 2, 2)), string(idxBytesOf([]byte{0, 1, 0}, 3))
	pair := func(images, labels string) map[string]string {
		return map[string]string{"a-images": images, "a-labels": labels}
	}
	for name, c := range map[string]struct {
		files   map[string]string
		words   string
		skipped int
	}{
		"no labels":        {map[string]string{"a-images": images}, "a-labels", -1},
		"not IDX":          {pair("GIF89a..........", labels), "not an IDX file", -1},
		"empty":            {pair("", labels), "not an IDX file", -1},
		"no dimension":     {pair("\x00\x00\x08\x00", labels), "0 dimensions", -1},
		"many dimensions":  {pair("\x00\x00\x08\x09"+strings.Repeat("\x00\x00\x00\x01", 9), labels), "9 dimensions", -1},
		"huge picture":     {pair(string(idxBytesOf(nil, 1, 1<<30, 1<<30)), labels), "shape", -1},
		"huge number":      {pair(string(idxBytesOf(nil, 1<<30, 1, 1)), labels), "1073741824 examples", -1},
		"cut":              {pair(images[:len(images)-1], labels), "3 examples, 2 of them", 2},
		"long":             {pair(images+"x", labels), "1 bytes more", -1},
		"labels cut":       {pair(images, labels[:len(labels)-1]), "3 examples, 2 of them", 2},
		"labels of two":    {pair(images, string(idxBytesOf(make([]byte, 6), 3, 2))), "labels of 2 dimensions", -1},
		"packed zeros":     {map[string]string{"a-images.gz": string(packed(t, make([]byte, 20<<20))), "a-labels": labels}, "unpacks to more than 200 times its size", -1},
		"packed junk":      {map[string]string{"a-images.gz": "junk", "a-labels": labels}, "not compressed by gzip", -1},
		"another beside":   {map[string]string{"a-images": images, "a-labels": labels, "b-images": string(idxBytesOf(make([]byte, 3), 3, 1, 1)), "b-labels": labels}, "shape [1 1 1]", 1},
		"a label too many": {pair(images, string(idxBytesOf([]byte{0, 9, 1}, 3))), "label \"9\"", 1},
	} {
		o := Options{}
		if name == "a label too many" {
			o.Classes = []string{"0", "1"}
		}
		t.Run(name, func(t *testing.T) { refused(t, o, c.files, c.words, c.skipped) })
	}
	half := packed(t, []byte(images))
	refused(t, Options{}, map[string]string{"a-images.gz": string(half[:len(half)-12]), "a-labels": labels}, "cannot be unpacked", -1)
}

func TestPNG(t *testing.T) {
	wide := image.NewGray16(image.Rect(0, 0, 3, 2))
	wide.SetGray16(1, 1, color.Gray16{0x1234})
	dir := folderOf(t, map[string]string{
		"cat/1.png": string(pngOf(t, grey(10))), "cat/2.PNG": string(pngOf(t, grey(20))), "dog/x.png": string(pngOf(t, wide)),
		"notes.txt": "left out", "cat/.hidden": "left out", ".git/a.png": "left out",
	})
	s := open(t, dir, Options{})
	if s.Len() != 3 || !slices.Equal(s.Shape(), []int{1, 2, 3}) || !slices.Equal(s.Classes(), []string{"cat", "dog"}) {
		t.Fatalf("%d of shape %v and classes %v", s.Len(), s.Shape(), s.Classes())
	}
	if got := read(t, s, 1); got[0] != float32(20)/255 || got[5] != float32(25)/255 || s.Label(1) != 0 {
		t.Errorf("cat/2.PNG is %v, label %d", got, s.Label(1))
	}
	if got := read(t, s, 2); got[4] != float32(0x1234)/65535 || s.Label(2) != 1 || s.Group(2) != 1 {
		t.Errorf("dog/x.png is %v, label %d, group %d", got, s.Label(2), s.Group(2))
	}
}

// Colours are channels; who is below another folder is of that group.
func TestColouredPNG(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	img.SetNRGBA(0, 0, color.NRGBA{255, 51, 0, 255})
	img.SetNRGBA(1, 0, color.NRGBA{255, 255, 255, 0}) // transparent
	palette := image.NewPaletted(image.Rect(0, 0, 2, 1), color.Palette{color.RGBA{0, 0, 255, 255}, color.RGBA{0, 102, 0, 255}})
	palette.SetColorIndex(1, 0, 1)
	s := open(t, folderOf(t, map[string]string{
		"anna/a/1.png": string(pngOf(t, img)), "anna/b/1.png": string(pngOf(t, img)), "bert/b/1.png": string(pngOf(t, palette)),
	}), Options{})
	if !slices.Equal(s.Shape(), []int{3, 1, 2}) || !slices.Equal(s.Groups(), []string{"anna", "bert"}) || !slices.Equal(s.Classes(), []string{"a", "b"}) {
		t.Fatalf("shape %v, groups %v, classes %v", s.Shape(), s.Groups(), s.Classes())
	}
	for i, want := range [][]float32{{1, 0, 0.2, 0, 0, 0}, {1, 0, 0.2, 0, 0, 0}, {0, 0, 0, 0.4, 1, 0}} {
		if got := read(t, s, i); !slices.Equal(got, want) || s.Group(i) != i/2 || s.Label(i) != (i+1)/2 {
			t.Errorf("example %d of group %d and label %d is %v, want %v", i, s.Group(i), s.Label(i), got, want)
		}
	}
}

func TestBadPNG(t *testing.T) {
	good, small := string(pngOf(t, grey(1))), string(pngOf(t, image.NewGray(image.Rect(0, 0, 1, 1))))
	for words, files := range map[string]map[string]string{
		"not a .png file":              {"a/1.png": good, "a/2.jpg": "x"},
		"png: invalid format":          {"a/1.png": good, "a/2.png": "junk and more"},
		"shape [1 1 1], others have [": {"a/1.png": good, "b/2.png": small},
		"unexpected EOF":               {"a/1.png": good, "b/2.png": good[:20]},
	} {
		t.Run(words, func(t *testing.T) { refused(t, Options{}, files, words, 1) })
	}
	refused(t, Options{}, map[string]string{"a/x.txt": "x"}, "not a .png", -1)
	refused(t, Options{}, map[string]string{"x.txt": "x"}, "no IDX or .csv files", -1)
	linked := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(linked, "t.csv")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(linked, Options{}); err == nil || !strings.Contains(err.Error(), "links in a folder are not followed") {
		t.Error(err)
	}
	// A header that is right says nothing of the rest.
	s := open(t, folderOf(t, map[string]string{"a/1.png": good, "a/2.png": good[:len(good)-20], "b/3.png": good}), Options{})
	vals := make([]float32, 6)
	if err := s.Read(vals, 1); err == nil || !strings.Contains(err.Error(), "2.png") {
		t.Errorf("half a file is read: error %v", err)
	}
	if _, err := s.Load(false); err == nil {
		t.Error("half a file is loaded")
	}
	s, err := s.Load(true)
	if err != nil {
		t.Fatal(err)
	}
	if _, num := s.Skipped(); s.Len() != 2 || num != 1 || s.Label(1) != 1 || read(t, s, 1)[0] != float32(1)/255 {
		t.Errorf("%d loaded, %d skipped", s.Len(), num)
	}
}

func TestCSV(t *testing.T) {
	const text = "\ufeffx, y ,label,z\n1,2,b,3\n\n-1e3,\" 0.5 \",\"a\"\"\nq\",7\n0,0,b,0\n"
	for name, files := range map[string]map[string]string{
		"plain": {"t.csv": text}, "packed": {"t.csv.gz": string(packed(t, []byte(text)))},
	} {
		s := open(t, folderOf(t, files), Options{})
		if s.Len() != 3 || !slices.Equal(s.Shape(), []int{3}) || !slices.Equal(s.Classes(), []string{"a\"\nq", "b"}) {
			t.Fatalf("%s: %d of shape %v and classes %q", name, s.Len(), s.Shape(), s.Classes())
		}
		for i, want := range [][]float32{{1, 2, 3}, {-1000, 0.5, 7}, {0, 0, 0}} {
			if got := read(t, s, i); !slices.Equal(got, want) || s.Label(i) != (i+1)%2 {
				t.Errorf("%s: record %d is %v, label %d", name, i, got, s.Label(i))
			}
		}
	}
}

// What is predicted may be a number, in any column; files of a folder are groups.
func TestCSVNumbers(t *testing.T) {
	s := open(t, folderOf(t, map[string]string{"a.csv": "p,q\n1.5,2\n3,4\n", "b.csv": "p,q\n5,6\n"}), Options{Target: "p", Numbers: true})
	if s.Len() != 3 || s.Classes() != nil || s.Target(0) != 1.5 || s.Target(2) != 5 || read(t, s, 2)[0] != 6 || s.Group(2) != 1 {
		t.Errorf("%d examples, classes %v, targets %v and %v", s.Len(), s.Classes(), s.Target(0), s.Target(2))
	}
	last := open(t, folderOf(t, map[string]string{"a.csv": "p,q\n1,2\n3,4\n"}), Options{})
	if last.Label(0) != 2 || last.Label(1) != 4 || len(last.Classes()) != 5 {
		t.Errorf("the last column is not the label: %v", last.Classes())
	}
}

func TestBadCSV(t *testing.T) {
	const good = "x,y,label\n1,2,a\n"
	for name, c := range map[string]struct {
		text, words string
		skipped     int
	}{
		"no number":       {good + "1,abc,a\n", "record 3: column 2 is \"abc\"", 1},
		"infinite":        {good + "inf,1,a\nnan,1,a\n", "record 3: column 1", 2},
		"a field missing": {good + "1,a\n3,4,a\n", "record 3", 1},
		"a field more":    {good + "1,2,3,a\n", "wrong number of fields", 1},
		"a stray quote":   {good + "1,2\"3,a\n4,5,b\n", "record 3", 1},
		"an open quote":   {good + "1,2,\"a\n4,5,b\n", "record 3", 1},
		"long label":      {good + "1,2," + strings.Repeat("x", 300) + "\n", "a label of 300 bytes", 1},
		"empty":           {"", "no line that names the columns", -1},
		"one column":      {"x\n1\n", "1 columns", -1},
		"header alone":    {"x,label\n", "there are none", -1},
	} {
		t.Run(name, func(t *testing.T) { refused(t, Options{}, map[string]string{"t.csv": c.text}, c.words, c.skipped) })
	}
	refused(t, Options{Target: "q"}, map[string]string{"t.csv": good}, `no column "q"`, -1)
	refused(t, Options{}, map[string]string{"a.csv": good, "b.csv": "x,z,label\n1,2,a\n"}, "others have", 1)
	refused(t, Options{}, map[string]string{"a.csv": good + "1,2,\"" + strings.Repeat("no end\n", 1<<18)}, "quotation mark", 1)
	if s := refused(t, Options{Classes: []string{"b", "a"}}, map[string]string{"a.csv": good + "1,2,c\n"}, `label "c" is none`, 1); s.Label(0) != 1 {
		t.Errorf("label a is number %d, want that of the list, 1", s.Label(0))
	}
}

// A table changed after it was opened is no crash.
func TestChangedFile(t *testing.T) {
	dir := folderOf(t, map[string]string{"t.csv": "x,label\n1,a\n2,a\n"})
	s := open(t, dir, Options{})
	if err := os.WriteFile(filepath.Join(dir, "t.csv"), []byte("x,label\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Read(make([]float32, 1), 1); err == nil {
		t.Error("what is not there any more is read")
	}
}

func TestStandardise(t *testing.T) {
	text := "x,y,c,label\n"
	for i := range 10 {
		text += fmt.Sprintf("%d,%d,5,%d\n", i, 1_000_000+2*i, i%2)
	}
	s := open(t, folderOf(t, map[string]string{"t.csv": text}), Options{})
	by, err := Measure(s, []int{0, 1, 2, 3, 4}) // x: mean 2, variance 2
	if err != nil {
		t.Fatal(err)
	}
	if want := []float64{2, 1_000_004, 5}; !slices.Equal(by.Mean, want) {
		t.Errorf("means %v, want %v", by.Mean, want)
	}
	if math.Abs(by.Deviation[0]-math.Sqrt2) > 1e-12 || math.Abs(by.Deviation[1]-2*math.Sqrt2) > 1e-12 || by.Deviation[2] != 1 {
		t.Errorf("deviations %v", by.Deviation)
	}
	scaled, err := s.Standardise(by)
	if err != nil {
		t.Fatal(err)
	}
	want := float32(2 / math.Sqrt2)
	if got := read(t, scaled, 4); got[0] != want || got[1] != want || got[2] != 0 {
		t.Errorf("record 4 is %v", got)
	}
	loaded, err := scaled.Load(false)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, loaded, 4); got[0] != want {
		t.Errorf("loaded, record 4 is %v", got)
	}
	for _, bad := range []Scale{{}, {Mean: []float64{0, 0, 0}, Deviation: []float64{1, 0, 1}}, {Mean: []float64{0, math.NaN(), 0}, Deviation: []float64{1, 1, 1}}} {
		if _, err := s.Standardise(bad); err == nil {
			t.Errorf("scale %v is not refused", bad)
		}
	}
	if _, err := scaled.Standardise(by); err == nil {
		t.Error("standardised twice")
	}
}

// The pictures of MNIST's test files are those that are known: digits by label, and
// the mean and deviation of all pixels.
func TestMNIST(t *testing.T) {
	shared := os.Getenv("LODE_SHARED")
	if shared == "" {
		shared = "../../../shared"
	}
	path := filepath.Join(shared, "data", "t10k-images-idx3-ubyte.gz")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("LODE_SHARED: %v", err)
	}
	s := open(t, path, Options{})
	if s.Len() != 10_000 || !slices.Equal(s.Shape(), []int{1, 28, 28}) {
		t.Fatalf("%d of shape %v", s.Len(), s.Shape())
	}
	counts := make([]int, 10)
	for _, e := range s.Examples() {
		counts[e.Label]++
	}
	if want := []int{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}; !slices.Equal(counts, want) {
		t.Errorf("digits %v, want %v", counts, want)
	}
	all := make([]int, s.Len())
	for i := range all {
		all[i] = i
	}
	by, err := Measure(s, all)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(by.Mean[0]-0.1325) > 1e-4 || math.Abs(by.Deviation[0]-0.3105) > 1e-4 {
		t.Errorf("mean %v, deviation %v", by.Mean, by.Deviation)
	}
}

// badDisk is one that reads so many bytes and then no more.
type badDisk struct{ io.ReaderAt }

func (f badDisk) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.ReaderAt.ReadAt(b, off)
	if err == io.EOF {
		err = syscall.EIO
	}
	return n, err
}

func (badDisk) Close() error { return nil }

// A disk that fails is the file's fault: no record of it is skipped for ever.
func TestTableOnADiskThatFails(t *testing.T) {
	for _, skip := range []bool{false, true} {
		text := "a,label\n1,2\n3,4\nbad,5\n6"
		b := &builder{Options: Options{Skip: skip}, set: &Set{}, numbers: map[string]int32{}}
		tab := &table{name: "x.csv", content: badDisk{strings.NewReader(text)}}
		b.group("x.csv")
		b.begin(tab)
		err := b.records(tab, int64(len(text)+100))
		want, bad := Fault{"x.csv", 4, "column 1 is \"bad\", want a finite number"}, 0
		if skip {
			want, bad = Fault{"x.csv", -1, syscall.EIO.Error()}, 1
		}
		if err != want || b.set.faults.num != bad {
			t.Errorf("skip %v: %v, %d faults", skip, err, b.set.faults.num)
		}
	}
}
