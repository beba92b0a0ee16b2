package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"lode/protocol"
)

func sampleIndex() *Index {
	return &Index{Bytes: 64*3 + 5, Piece: 64, Width: 1, Digests: []protocol.Digest{{1}, {2}, {3}}}
}

func TestIndexEncoding(t *testing.T) {
	ix := sampleIndex()
	b := ix.Encode()
	back, err := ParseIndex(b)
	if err != nil {
		t.Fatal(err)
	}
	if back.Bytes != ix.Bytes || back.Piece != ix.Piece || len(back.Digests) != 3 || back.Digests[2] != ix.Digests[2] {
		t.Errorf("got %+v", back)
	}
	// The encoding is named by manifests: it may never change.
	const golden = "qrqy2tyf3y5pesha4cn2mqym3tx2q3uqomhrpewjxukh3fpo7eeq"
	if got := ix.Digest(); got.String() != golden || got != protocol.Sum(b) {
		t.Errorf("digest is %v, was %s", got, golden)
	}
}

func TestParseIndexRefuses(t *testing.T) {
	good := sampleIndex().Encode()
	put := func(at int, size int, v uint64) []byte {
		b := bytes.Clone(good)
		if size == 4 {
			binary.LittleEndian.PutUint32(b[at:], uint32(v))
		} else {
			binary.LittleEndian.PutUint64(b[at:], v)
		}
		return b
	}
	header := func(bytes uint64, piece, num uint32) []byte {
		b := append([]byte(indexMagic), make([]byte, 16)...)
		binary.LittleEndian.PutUint64(b[8:], bytes)
		binary.LittleEndian.PutUint32(b[16:], piece)
		binary.LittleEndian.PutUint32(b[20:], num)
		return b
	}
	wide := func(width byte) []byte {
		b := (&Index{Bytes: 64 * 3, Piece: 64, Width: 2, Digests: make([]protocol.Digest, 3)}).Encode()
		b[20] = width
		return b
	}
	oddPiece := (&Index{Bytes: 66 * 3, Piece: 66, Width: 4, Digests: make([]protocol.Digest, 3)}).Encode()
	for name, b := range map[string][]byte{
		"empty":            {},
		"header cut":       good[:indexHeader-1],
		"only a header":    good[:indexHeader],
		"digest cut":       good[:len(good)-1],
		"digest missing":   good[:len(good)-32],
		"trailing":         append(bytes.Clone(good), 0),
		"digest too many":  append(bytes.Clone(good), make([]byte, 32)...),
		"other file":       append([]byte("PK\x03\x04"), good[4:]...),
		"newer format":     put(4, 4, uint64('i')|uint64('d')<<8|uint64('x')<<16|3<<24),
		"no pieces":        header(10, 64, 0),
		"one piece":        header(127, 64, 1),
		"piece of 0":       put(16, 4, 0),
		"piece of 63":      put(16, 4, 63),
		"piece too long":   put(16, 4, MaxPiece+1),
		"more bytes":       put(8, 8, 64*4),
		"fewer bytes":      put(8, 8, 64*3-1),
		"number too large": put(20, 4, 1<<32-1),
		"bytes overflow":   header(1<<64-1, 1<<24, 1<<32-1),
		"too many pieces":  header(64*(maxPieces+1), 64, maxPieces+1),
		"too long":         make([]byte, MaxIndexLen+1),
		"format 1, wide":   append(append(bytes.Clone(good[:20]), 2, 0, 0, 0), good[20:]...),
		"format 2, narrow": wide(1),
		"format 2, cut":    wide(2)[:indexHeader+3],
		"format 2, odd":    wide(3),
		"format 2, none":   wide(0),
		"format 2, huge":   append(append(bytes.Clone(good[:16]), 0, 0, 64, 0, 0, 0, 64, 0, 1, 0, 0, 0), good[24:]...),
		"piece and a half": oddPiece,
	} {
		if ix, err := ParseIndex(b); !errors.Is(err, ErrIndex) || ix != nil {
			t.Errorf("%s: got %v and %v", name, ix, err)
		}
	}
}

func TestLongestIndex(t *testing.T) {
	if n := indexHeader + 32*maxPieces; n > MaxIndexLen || n+32 <= MaxIndexLen {
		t.Errorf("%d pieces make %d bytes, the bound is %d", maxPieces, n, MaxIndexLen)
	}
	if err := checkSizes(maxPieces*64, 64, 1); err != nil {
		t.Error(err)
	}
	if err := checkSizes(maxPieces*64+64, 64, 1); err == nil {
		t.Error("one piece too many was accepted")
	}
}

// Wider tokens have an encoding of their own, which may not change either.
func TestWideIndex(t *testing.T) {
	for width, golden := range map[int]string{2: "4c2tgnoljhf24r5pcwjzkbqy7l32i5o3ojqhqcd4fh6bf7geon5a", 4: "lz6npeyfnvteia3jeznuleiyucq7z2kromcsoo3z7fjb44ipladq"} {
		ix := sampleIndex()
		ix.Width = width
		b := ix.Encode()
		back, err := ParseIndex(b)
		if err != nil || back.Width != width || back.Piece != 64 || back.Digests[2] != ix.Digests[2] || !bytes.Equal(back.Encode(), b) {
			t.Errorf("width %d: got %+v and %v", width, back, err)
		}
		if got := ix.Digest().String(); got != golden {
			t.Errorf("width %d: digest is %s, was %s", width, got, golden)
		}
	}
}

func TestPlaces(t *testing.T) {
	ix := &Index{Digests: []protocol.Digest{{5}, {6}, {5}}}
	if m := ix.Places(); len(m) != 2 || m[protocol.Digest{5}] != 0 || m[protocol.Digest{6}] != 1 {
		t.Errorf("got %v", m)
	}
}

func FuzzParseIndex(f *testing.F) {
	good := sampleIndex().Encode()
	f.Add(good)
	f.Add(good[:indexHeader])
	f.Add(good[:len(good)-1])
	f.Add((&Index{Bytes: 64 * 3, Piece: 64, Width: 2, Digests: make([]protocol.Digest, 3)}).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		ix, err := ParseIndex(b)
		if err != nil {
			if !errors.Is(err, ErrIndex) {
				t.Fatalf("not an ErrIndex: %v", err)
			}
			return
		}
		if !bytes.Equal(ix.Encode(), b) {
			t.Fatal("what was read does not encode back to the same bytes")
		}
		if uint64(len(ix.Digests)) != ix.Bytes/uint64(ix.Piece) || len(ix.Digests) < minPieces {
			t.Fatalf("accepted %d pieces of %d for %d bytes", len(ix.Digests), ix.Piece, ix.Bytes)
		}
	})
}
