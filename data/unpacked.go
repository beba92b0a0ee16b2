package data

// This file holds how much a packed file may hold.

import (
	"fmt"
	"io"
)

// A packed file may unpack to MaxRatio times its size and RatioSlack more; text packs
// to a third or a tenth of its own, pictures to a fifth.
const (
	MaxRatio   = 200
	RatioSlack = 16 << 20 // bytes
)

// ErrRatio says that a packed file holds too much for its size.
var ErrRatio = fmt.Errorf("unpacks to more than %d times its size", MaxRatio)

// Unpacked reads what a packed file of so many bytes unpacks to, and fails with
// [ErrRatio] where more comes than it may.
func Unpacked(unpacking io.Reader, packed int64) io.Reader {
	return &unpacked{unpacking, MaxRatio*packed + RatioSlack}
}

type unpacked struct {
	in   io.Reader
	left int64
}

// Read implements io.Reader.
func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	if u.left -= int64(n); u.left < 0 {
		return 0, ErrRatio
	}
	return n, err
}
