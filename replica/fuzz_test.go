package replica_test

// This file fuzzes the reader of model files.

import (
	"bytes"
	"errors"
	"testing"

	"lode/protocol"
	"lode/replica"
)

// A file is the only one of the model it holds, or it is refused and the model has not
// changed. The sum at its end is made right, so that what is behind it is reached.
func FuzzModelFile(f *testing.F) {
	var models []*replica.Model
	for i, changes := range [][]func(*protocol.Manifest){{plain}, nil, {plain, shared}} {
		r := rulesOf(f, changes...)
		m := modelOf(f, r)
		f.Add(uint8(i), m.Encode())
		s, merged := finished(f, m, shelf{}, 3)
		if err := m.Adopt(merged, s.Receipt); err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), m.Encode())
		models = append(models, m)
	}
	f.Add(uint8(0), make([]byte, 40))
	f.Fuzz(func(t *testing.T, i uint8, b []byte) {
		m := modelOf(t, models[int(i)%len(models)].Rules)
		before := m.Encode()
		if len(b) >= 32 {
			b = resum(b)
		}
		if err := m.Decode(b); err != nil {
			if !errors.Is(err, replica.ErrModelFile) || !bytes.Equal(m.Encode(), before) {
				t.Fatalf("refused with %v, changed: %v", err, !bytes.Equal(m.Encode(), before))
			}
			return
		}
		if !bytes.Equal(m.Encode(), b) {
			t.Fatal("another file holds the same model")
		}
	})
}
