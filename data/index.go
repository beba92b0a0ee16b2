package data

// This file holds the index: the digests of a corpus's pieces, in order.

import (
	"encoding/binary"
	"errors"
	"fmt"

	"lode/protocol"
)

// Bounds on an index. The length of a piece is bounded as in the manifest.
const (
	// MaxIndexLen is the longest encoded index, in bytes: two million pieces.
	MaxIndexLen = 64 << 20
	// MinPiece and MaxPiece bound the length of a piece, in bytes.
	MinPiece = 64
	MaxPiece = 1 << 24

	minPieces = 2 // one to train on, one held out
	maxPieces = (MaxIndexLen - indexHeader - 4) / 32
	maxBytes  = maxPieces * MaxPiece
)

// The encoding is, little endian: 8 bytes of indexMagic, whose last one is the
// format's number; Bytes as 8 bytes; Piece as 4; the number of pieces as 4; then
// the digests, 32 bytes each. Format 1 is for tokens of one byte. Format 2 is for
// wider ones: its number of pieces is preceded by Width as 4 bytes.
const (
	indexMagic  = "lodeidx\x01"
	wideFormat  = 2
	indexHeader = 24 // of format 1; format 2 has 4 bytes more
)

// ErrIndex is wrapped by every error of [ParseIndex].
var ErrIndex = errors.New("not a corpus index")

// Index names the pieces of a corpus.
type Index struct {
	Bytes   uint64            // length of the corpus, an unused remainder included
	Piece   int               // length of every piece, a multiple of Width
	Width   int               // bytes of a token, little endian: 1, 2 or 4; or of a record
	Digests []protocol.Digest // SHA-256 of each piece; length Bytes / Piece
}

// Encode returns the one encoding of the index.
func (ix *Index) Encode() []byte {
	b := make([]byte, 0, indexHeader+4+32*len(ix.Digests))
	b = append(b, indexMagic...)
	b = binary.LittleEndian.AppendUint64(b, ix.Bytes)
	b = binary.LittleEndian.AppendUint32(b, uint32(ix.Piece))
	if ix.Width != 1 {
		b[7] = wideFormat
		b = binary.LittleEndian.AppendUint32(b, uint32(ix.Width))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ix.Digests)))
	for i := range ix.Digests {
		b = append(b, ix.Digests[i][:]...)
	}
	return b
}

// Digest names the index: the plain SHA-256 of its encoding, as of any payload.
func (ix *Index) Digest() protocol.Digest { return protocol.Sum(ix.Encode()) }

// Places returns the number of each piece by its digest. Of equal pieces it
// returns the first.
func (ix *Index) Places() map[protocol.Digest]int {
	m := make(map[protocol.Digest]int, len(ix.Digests))
	for i, d := range ix.Digests {
		if _, ok := m[d]; !ok {
			m[d] = i
		}
	}
	return m
}

// ParseIndex reads what [Index.Encode] wrote and refuses everything else. The
// index does not keep b.
func ParseIndex(b []byte) (*Index, error) {
	if len(b) > MaxIndexLen {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrIndex, len(b), MaxIndexLen)
	}
	if len(b) < indexHeader || string(b[:7]) != indexMagic[:7] {
		return nil, fmt.Errorf("%w: it does not begin like one", ErrIndex)
	}
	ix := &Index{Bytes: binary.LittleEndian.Uint64(b[8:]), Piece: int(binary.LittleEndian.Uint32(b[16:])), Width: 1}
	rest := b[indexHeader-4:]
	switch b[7] {
	case indexMagic[7]:
	case wideFormat:
		if len(b) < indexHeader+4 {
			return nil, fmt.Errorf("%w: it is cut", ErrIndex)
		}
		if ix.Width, rest = int(binary.LittleEndian.Uint32(rest)), rest[4:]; ix.Width == 1 {
			return nil, fmt.Errorf("%w: tokens of 1 byte are for format %d", ErrIndex, indexMagic[7])
		}
	default:
		return nil, fmt.Errorf("%w: its format is number %d, this program reads %d and %d", ErrIndex, b[7], indexMagic[7], wideFormat)
	}
	num := int(binary.LittleEndian.Uint32(rest))
	if err := checkSizes(ix.Bytes, ix.Piece, ix.Width); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIndex, err)
	}
	if uint64(num) != ix.Bytes/uint64(ix.Piece) {
		return nil, fmt.Errorf("%w: %d pieces, %d bytes have %d", ErrIndex, num, ix.Bytes, ix.Bytes/uint64(ix.Piece))
	}
	if rest = rest[4:]; len(rest) != 32*num {
		return nil, fmt.Errorf("%w: %d bytes of digests, %d pieces need %d", ErrIndex, len(rest), num, 32*num)
	}
	ix.Digests = make([]protocol.Digest, num)
	for i := range ix.Digests {
		copy(ix.Digests[i][:], rest[32*i:])
	}
	return ix, nil
}

// ErrTooSmall is wrapped where a corpus has too few pieces.
var ErrTooSmall = errors.New("corpus is too small")

// checkSizes says whether a corpus of that many bytes can be cut into such
// pieces of such tokens.
func checkSizes(bytes uint64, piece, width int) error {
	if width < 1 || width > protocol.MaxRecord {
		return fmt.Errorf("tokens or records of %d bytes, must be 1 to %d", width, protocol.MaxRecord)
	}
	if piece%width != 0 {
		return fmt.Errorf("pieces of %d bytes are no whole number of tokens or records of %d", piece, width)
	}
	if piece < MinPiece || piece > MaxPiece {
		return fmt.Errorf("pieces of %d bytes, must be between %d and %d", piece, MinPiece, MaxPiece)
	}
	num := bytes / uint64(piece)
	if num < minPieces {
		return fmt.Errorf("%w: it has %d bytes, pieces of %d need at least %d (one to train on, one held out)",
			ErrTooSmall, bytes, piece, minPieces*piece)
	}
	if bytes > maxBytes {
		return fmt.Errorf("%d bytes, at most %d can be indexed", bytes, uint64(maxBytes))
	}
	if num > maxPieces {
		return fmt.Errorf("%d pieces are too many to index, %d bytes need pieces of at least %d",
			num, bytes, bytes/(maxPieces+1)+1)
	}
	return nil
}
