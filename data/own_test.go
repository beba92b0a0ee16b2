package data

import (
	"errors"
	"strings"
	"testing"

	"lode/protocol"
)

// Parts have all samples of all pieces once, each the run's length and followed by its
// next token; the seed deals them.
func TestOwnIsDealt(t *testing.T) {
	s := sizes{pieces: 10, piece: 65, rows: 1, steps: 8, inner: 1}
	at := func(i, at int) byte { return byte((i*65 + at) * 7919 >> 3) }
	m, _ := s.make(t, at)
	whole := map[string]bool{} // runs of the corpus
	for i := range 10 {
		for k := range 8 {
			whole[string(m.pieces[i][8*k:8*k+9])] = true
		}
	}
	for _, of := range []int{1, 3, 10} {
		seen := map[string]int{}
		for n := range of {
			o, err := NewOwn(m.index, m, s.data(m), s.train(), Portion{n + 1, of}, protocol.Digest{1})
			if err != nil {
				t.Fatal(err)
			}
			for i := range o.Len() {
				b, err := o.Batch(t.Context(), []int{i})
				if err != nil {
					t.Fatal(err)
				}
				var text []byte
				for k := range 8 {
					text = append(text, byte(b.Inputs[k]))
				}
				seen[string(append(text, byte(b.Targets[7])))]++
			}
		}
		if len(seen) != len(whole) {
			t.Errorf("%d parts have %d different samples, want %d", of, len(seen), len(whole))
		}
		for text, n := range seen {
			if n != 1 || !whole[text] {
				t.Fatalf("%d parts: sample %q comes %d times, in the text: %v", of, text, n, whole[text])
			}
		}
	}
	one, err := NewOwn(m.index, m, s.data(m), s.train(), Portion{1, 2}, protocol.Digest{1})
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewOwn(m.index, m, s.data(m), s.train(), Portion{1, 2}, protocol.Digest{2})
	if err != nil {
		t.Fatal(err)
	}
	if one.Len() != 40 || one.pieces == other.pieces {
		t.Errorf("%d samples of half; another seed deals the same: %v", one.Len(), one.pieces == other.pieces)
	}
}

func TestNewOwnRefuses(t *testing.T) {
	s := sizes{pieces: 2, piece: 64, rows: 1, steps: 8, inner: 1}
	m, _ := s.make(t, nil)
	for name, c := range map[string]struct {
		part   Portion
		change func(*protocol.Data, *protocol.Train)
		says   string
	}{
		"other tokens":   {Portion{}, func(d *protocol.Data, _ *protocol.Train) { d.Width = 2 }, "those of the run have 2"},
		"long sequences": {Portion{}, func(_ *protocol.Data, t *protocol.Train) { t.Steps = 64 }, "no sequence of 64"},
		"no such part":   {Portion{3, 2}, func(*protocol.Data, *protocol.Train) {}, "part 3 of 2"},
		"many parts":     {Portion{3, 3}, func(*protocol.Data, *protocol.Train) {}, "part 3 of 3"},
	} {
		d, tr := s.data(m), s.train()
		c.change(&d, &tr)
		_, err := NewOwn(m.index, m, d, tr, c.part, protocol.Digest{})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if (name == "long sequences") != errors.Is(err, ErrTooSmall) && name != "many parts" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
