package data

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"lode/protocol"
)

// asked counts how often pieces are asked for.
type asked struct {
	pieces [][]byte
	num    int
}

var errNone = errors.New("no such piece")

func (a *asked) Piece(_ context.Context, i int) ([]byte, error) {
	if a.num++; i >= len(a.pieces) {
		return nil, errNone
	}
	return a.pieces[i], nil
}

// Pieces read behind one another are what they were cut from, wherever reading begins
// and ends, and each is asked for once.
func TestJoined(t *testing.T) {
	src := &asked{}
	var all []byte
	for i := range 5 {
		src.pieces = append(src.pieces, bytes.Repeat([]byte{byte(i)}, 7))
		all = append(all, src.pieces[i]...)
	}
	ix := &Index{Bytes: 35, Piece: 7, Width: 1, Digests: make([]protocol.Digest, 5)}
	if err := iotest.TestReader(io.NewSectionReader(Joined(t.Context(), ix, src), 0, 35), all); err != nil {
		t.Error(err)
	}
	src.num = 0
	j, b := Joined(t.Context(), ix, src), make([]byte, 2)
	for at := range 17 {
		if n, err := j.ReadAt(b, int64(2*at)); n != 2 || err != nil || !bytes.Equal(b, all[2*at:2*at+2]) {
			t.Fatalf("at %d: %d bytes, %v", 2*at, n, err)
		}
	}
	if src.num != 5 {
		t.Errorf("pieces were asked for %d times", src.num)
	}
	if n, err := j.ReadAt(b, 34); n != 1 || err != io.EOF {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
	src.pieces = src.pieces[:4]
	if n, err := j.ReadAt(make([]byte, 9), 25); n != 3 || !errors.Is(err, errNone) {
		t.Errorf("a piece that is not to be had: %d bytes, %v", n, err)
	}
}
