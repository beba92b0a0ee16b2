package shards

// This file holds the description of a folder, and what is bounded in one.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lode/data/documents"
	"lode/protocol"
)

// Names of the files in a folder.
const (
	DescriptionFile = "lode-data.json"
	TokenizerFile   = "tokenizer.json"
	indexFile       = "index"
	stateFile       = "prepare.json"
	digestsFile     = "digests.part"
)

// Format is the number of the folder's format.
const Format = 1

// maxDescription bounds the file, bytes. A description has some hundred.
const maxDescription = 64 << 10

// ErrFolder is wrapped where a folder's files do not fit together.
var ErrFolder = errors.New("not a folder of prepared data")

// Description says what is in a folder.
type Description struct {
	Format     int             `json:"format"`
	Tokenizer  string          `json:"tokenizer"`  // [protocol.TokenBytes] or [protocol.TokenFile]
	Vocabulary protocol.Digest `json:"vocabulary"` // of the tokenizer's file; zero for bytes
	Vocab      int             `json:"vocab"`      // tokens of the tokenizer
	Width      int             `json:"width"`      // bytes of a token
	Tokens     uint64          `json:"tokens"`
	Piece      int             `json:"piece"` // bytes
	Shard      uint64          `json:"shard"` // bytes of each file but the last
	Index      protocol.Digest `json:"index"`
	// What was read: documents, bytes of their text, what was left out.
	Documents  int64 `json:"documents"`
	Text       int64 `json:"text_bytes"`
	BadFiles   int64 `json:"bad_files"`
	BadRecords int64 `json:"bad_records"`
}

// count takes up what was read.
func (d *Description) count(t documents.Tally) {
	d.Documents, d.Text, d.BadFiles, d.BadRecords = t.Documents, t.Bytes, t.BadFiles, t.BadRecords
}

// Bytes returns the length of all tokens.
func (d *Description) Bytes() uint64 { return d.Tokens * uint64(d.Width) }

// Files returns the number of files of tokens.
func (d *Description) Files() int { return int((d.Bytes() + d.Shard - 1) / d.Shard) }

func shardName(i int) string { return fmt.Sprintf("tokens-%05d.bin", i) }

// maxFiles bounds the files of a folder: all are open at once.
const maxFiles = 1 << 14

// Is reports whether dir is a folder that is prepared, all or in part.
func Is(dir string) bool {
	for _, name := range []string{DescriptionFile, stateFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// Describe reads the description of a folder.
func Describe(dir string) (*Description, error) {
	b, err := readBounded(filepath.Join(dir, DescriptionFile), maxDescription)
	if errors.Is(err, os.ErrNotExist) && Is(dir) {
		return nil, fmt.Errorf("%s is not prepared to its end: run the same lode data prepare again, it goes on where it stopped", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("prepared data: %w", err)
	}
	d, err := parseDescription(b)
	if err != nil {
		return nil, fmt.Errorf("prepared data in %s: %w", dir, err)
	}
	return d, nil
}

// parseDescription reads a description and refuses what cannot be.
func parseDescription(b []byte) (*Description, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var d Description
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFolder, DescriptionFile, err)
	}
	fail := func(format string, args ...any) (*Description, error) {
		return nil, fmt.Errorf("%w: %s: %s", ErrFolder, DescriptionFile, fmt.Sprintf(format, args...))
	}
	file := d.Tokenizer == protocol.TokenFile
	switch {
	case d.Format != Format:
		return fail("format %d, this program reads %d", d.Format, Format)
	case !file && d.Tokenizer != protocol.TokenBytes:
		return fail("tokenizer %.40q is not known", d.Tokenizer)
	case file == (d.Vocabulary == protocol.Digest{}):
		return fail("tokenizer %s and its file do not fit together", d.Tokenizer)
	case d.Width != 1 && d.Width != 2 && d.Width != 4:
		return fail("tokens of %d bytes", d.Width)
	case d.Vocab < 1 || d.Vocab > 1<<20:
		return fail("%d different tokens", d.Vocab)
	case d.Piece < 1 || d.Piece > 1<<24 || d.Piece%d.Width != 0:
		return fail("pieces of %d bytes", d.Piece)
	case d.Tokens > 1<<50:
		return fail("%d tokens", d.Tokens)
	case d.Shard < uint64(d.Piece) || d.Shard > 1<<40 || d.Shard%uint64(d.Piece) != 0:
		return fail("files of %d bytes with pieces of %d", d.Shard, d.Piece)
	case (d.Bytes()+d.Shard-1)/d.Shard > maxFiles:
		return fail("more than %d files", maxFiles)
	}
	return &d, nil
}

// readBounded reads a file of at most so many bytes.
func readBounded(path string, most int64) (_ []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return b, err
}
