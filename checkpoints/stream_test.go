package checkpoints

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
)

// What is written arrives; what is not written to its end, or longer or shorter than
// was said, does not.
func TestStream(t *testing.T) {
	d, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	five := func(w io.Writer) error {
		_, err := io.Copy(w, strings.NewReader("five!"))
		return err
	}
	broken := errors.New("device lost")
	for size, ok := range map[int64]bool{4: false, 5: true, 6: false} {
		if err := Stream(t.Context(), d, "file", size, five); (err == nil) != ok {
			t.Errorf("5 bytes of %d: %v", size, err)
		}
	}
	err = Stream(t.Context(), d, "other", 10, func(w io.Writer) error { return errors.Join(five(w), broken) })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, _, err := d.Get(t.Context(), "other", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half of a file is there: %v", err)
	}
	r, size, err := d.Get(t.Context(), "file", 0)
	if err != nil || size != 5 {
		t.Fatal(size, err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "five!" {
		t.Errorf("%q, %v", b, err)
	}
	if n, err := Measure(five); n != 5 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := Measure(func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
