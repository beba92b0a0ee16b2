package examples

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// checkOpened fails unless what a set says holds for each of its examples.
func checkOpened(t *testing.T, dir string) {
	for _, o := range []Options{{}, {Skip: true}, {Skip: true, Numbers: true}} {
		s, err := Open(dir, o)
		if err != nil {
			if o.Skip && !errors.Is(err, ErrBad) {
				t.Errorf("not said to be bad: %v", err)
			}
			continue
		}
		vals := make([]float32, product(s.Shape()))
		for i := range min(s.Len(), 50) {
			if !o.Numbers && s.Label(i) >= len(s.Classes()) {
				t.Errorf("label %d of %d classes", s.Label(i), len(s.Classes()))
			}
			if s.Read(vals, i) != nil {
				continue
			}
			for _, v := range vals {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Errorf("example %d holds %v", i, v)
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func write(t *testing.T, dir, name string, b []byte) {
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzIDX(f *testing.F) {
	labels := idxBytesOf([]byte{3, 0}, 2)
	f.Add(idxBytesOf(make([]byte, 8), 2, 2, 2), labels, false)
	f.Add(idxBytesOf(make([]byte, 7), 2, 2, 2), labels, false)
	f.Add([]byte("\x00\x00\x0d\x02\x00\x00\x00\x01\x00\x00\x00\x01\x7f\x80\x00\x00"), labels, false)
	f.Add(packed(f, idxBytesOf(make([]byte, 8), 2, 2, 2)), packed(f, labels), true)
	f.Fuzz(func(t *testing.T, images, labels []byte, packed bool) {
		dir, end := t.TempDir(), ""
		if packed {
			end = ".gz"
		}
		write(t, dir, "a-images"+end, images)
		write(t, dir, "a-labels"+end, labels)
		checkOpened(t, dir)
	})
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("x,label\n1,a\n2,b\n"))
	f.Add([]byte("x,label\n1,\"a\n2,b\n"))
	f.Add([]byte("label,x\r\n1,1e400\r\n\r\n2,\"3\"\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		write(t, dir, "t.csv", text)
		checkOpened(t, dir)
	})
}

func FuzzPNG(f *testing.F) {
	f.Add(pngOf(f, grey(1)))
	f.Add(pngOf(f, image.NewNRGBA64(image.Rect(0, 0, 3, 2))))
	f.Add(pngOf(f, image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.White})))
	f.Fuzz(func(t *testing.T, b []byte) {
		shape, err := shapeOf(bytes.NewReader(b))
		if err != nil || product(shape) > 1<<16 {
			return
		}
		vals := make([]float32, product(shape))
		if decode(vals, bytes.NewReader(b), shape) != nil {
			return
		}
		for i, v := range vals {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("value %d is %v", i, v)
			}
		}
	})
}
