package examples

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"lode/protocol"
)

// Every example becomes one record, with its bytes and its class, in an order that is
// the seed's.
func TestRecords(t *testing.T) {
	vals := make([]byte, 6*50)
	for i := range vals {
		vals[i] = byte(i)
	}
	labels := make([]byte, 50)
	for i := range labels {
		labels[i] = byte(i / 10)
	}
	s := open(t, folderOf(t, map[string]string{
		"a-images": string(idxBytesOf(vals, 50, 2, 3)), "a-labels": string(idxBytesOf(labels, 50)),
	}), Options{})
	of := func(seed protocol.Digest) []string {
		var out bytes.Buffer
		length, err := WriteRecords(&out, s, seed)
		if err != nil || length != 7 || out.Len() != 7*50 {
			t.Fatalf("%d bytes in records of %d, %v", out.Len(), length, err)
		}
		var records []string
		for r := range slices.Chunk(out.Bytes(), 7) {
			records = append(records, string(r))
		}
		return records
	}
	first, again, other := of(protocol.Digest{1}), of(protocol.Digest{1}), of(protocol.Digest{2})
	if !slices.Equal(first, again) || slices.Equal(first, other) {
		t.Error("the order does not follow from the seed")
	}
	var want []string
	for i, l := range labels {
		want = append(want, string(l)+string(vals[6*i:6*i+6]))
	}
	if slices.Equal(first, want) {
		t.Error("classes are left in a row")
	}
	slices.Sort(first)
	slices.Sort(want)
	if !slices.Equal(first, want) {
		t.Error("records are not the examples")
	}
}

func TestNoRecords(t *testing.T) {
	var many strings.Builder
	many.WriteString("x,label\n")
	for i := range 257 {
		many.WriteString("1,c" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "\n")
	}
	for name, c := range map[string]struct {
		table   string
		numbers bool
		says    string
	}{
		"numbers":      {"x,label\n1,2\n", true, "numbers to predict"},
		"many classes": {many.String(), false, "257 classes"},
		"above 1":      {"x,label\n1,a\n1.5,b\n", false, "is 1.5"},
		"below 0":      {"x,label\n-0.25,a\n", false, "is -0.25"},
	} {
		s := open(t, folderOf(t, map[string]string{"t.csv": c.table}), Options{Numbers: c.numbers})
		if _, err := WriteRecords(&bytes.Buffer{}, s, protocol.Digest{}); !errors.Is(err, ErrBad) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := open(t, folderOf(t, map[string]string{"t.csv": "x,label\n1,a\n"}), Options{})
	full := errors.New("no space left")
	if _, err := WriteRecords(failing{full}, s, protocol.Digest{}); !errors.Is(err, full) {
		t.Errorf("a full disk: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
