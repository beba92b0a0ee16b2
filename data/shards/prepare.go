package shards

// This file holds preparing: documents in, files of tokens out, on several cores,
// to be stopped and gone on with at any time.

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"lode/data"
	"lode/data/documents"
	"lode/data/tokenizer"
	"lode/protocol"
)

// Sizes where a Job says none, bytes.
const (
	defaultShard = 256 << 20
	leastPiece   = 16 << 10
	mostPieces   = 1 << 16 // that a default piece is chosen for
	saveEvery    = 64 << 20
)

// Job is what is to be prepared, and how.
type Job struct {
	Set       *documents.Set
	Read      documents.Options
	Tokenizer tokenizer.Tokenizer
	File      []byte // the tokenizer's file; nil for [tokenizer.Bytes]
	Piece     int    // bytes; 0: a power of two, 16 KiB and up, that fits the set
	Shard     uint64 // bytes; 0: 256 MiB; it is rounded down to whole pieces
	Workers   int    // goroutines that encode; 0: one for each core
	save      uint64 // bytes from one save to the next; 0: 64 MiB
	// Progress hears how far it is, after each batch; nil: nobody does.
	Progress func(Progress)
}

// Progress is how far preparing is.
type Progress struct {
	Files, OfFiles int // of the set
	Tally          documents.Tally
	Tokens         uint64
}

// complete fills in the defaults and checks what was given.
func (j *Job) complete() error {
	width := tokenizer.Width(j.Tokenizer)
	if j.Piece == 0 {
		for j.Piece = leastPiece; j.Set.Bytes()/int64(j.Piece) > mostPieces && j.Piece < data.MaxPiece; j.Piece *= 2 {
		}
	}
	if j.Piece < data.MinPiece || j.Piece > data.MaxPiece || j.Piece%width != 0 {
		return fmt.Errorf("pieces of %d bytes; they can be %d to %d, whole tokens of %d", j.Piece, data.MinPiece, data.MaxPiece, width)
	}
	if j.Shard == 0 {
		j.Shard = defaultShard
	}
	if j.Shard -= j.Shard % uint64(j.Piece); j.Shard == 0 {
		return fmt.Errorf("a file of tokens is shorter than a piece of %d bytes", j.Piece)
	}
	if j.save == 0 {
		j.save = saveEvery
	}
	if j.Workers <= 0 {
		j.Workers = runtime.GOMAXPROCS(0)
	}
	return nil
}

// Key is the digest of everything that the tokens depend on, and of where the
// documents lie and when they changed.
func (j Job) Key() protocol.Digest {
	parts := [][]byte{[]byte(j.Read.Field), j.File}
	number := func(n uint64) { parts = append(parts, binary.LittleEndian.AppendUint64(nil, n)) }
	number(Format)
	number(uint64(j.Piece))
	number(j.Shard)
	for _, f := range j.Set.Files {
		path, err := filepath.Abs(f.Path)
		if err != nil {
			path = f.Path
		}
		parts = append(parts, []byte(path))
		number(uint64(f.Size))
		number(uint64(f.Changed.UnixNano()))
	}
	return protocol.Hash("prepare data", parts...)
}

// Prepare makes dir a folder with the tokens of the job's documents, or goes on
// where an earlier call with the same job was stopped; one that is prepared is left
// as it is. Only one process may prepare a folder at a time.
func Prepare(ctx context.Context, dir string, j Job) (*Description, error) {
	d, err := prepare(ctx, dir, j)
	if err != nil {
		return nil, fmt.Errorf("prepare data in %s: %w", dir, err)
	}
	return d, nil
}

func prepare(ctx context.Context, dir string, j Job) (*Description, error) {
	key := j.Key().String()
	if err := j.complete(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s, err := readState(dir)
	if err != nil {
		return nil, err
	}
	if s.Key != "" && s.Key != key {
		return nil, errors.New("the folder holds other data, or the documents or options changed since it was begun: empty it, or name another folder")
	}
	d, err := Describe(dir)
	there := err == nil
	bad := s.Tally
	if there {
		bad.BadFiles, bad.BadRecords = d.BadFiles, d.BadRecords
	}
	if j.Read.Refuse && bad.BadFiles+bad.BadRecords > 0 {
		return nil, fmt.Errorf("the folder was prepared without %d bad files and %d bad records, which are to be refused now: name another folder, or leave them out", bad.BadFiles, bad.BadRecords)
	}
	if there {
		if s.Key == "" {
			return nil, fmt.Errorf("the folder holds prepared data, and not what it was made of (%s): name another folder", stateFile)
		}
		return d, nil
	}
	s.Key = key
	if j.File != nil {
		if err := replace(filepath.Join(dir, TokenizerFile), j.File); err != nil {
			return nil, err
		}
	}
	w, err := newWriter(dir, &j, s)
	if err != nil {
		return nil, err
	}
	read := func(ctx context.Context, each func(*documents.Batch) error) error {
		tally, err := j.Set.Read(ctx, j.Read, s.At, s.Tally, each)
		w.final = tally
		return err
	}
	err = documents.Each(ctx, j.Workers, read, j.encode, w.take)
	if err != nil {
		return nil, errors.Join(err, w.save(), w.close())
	}
	return w.finish()
}

// encode returns the tokens of a batch as they are written, each document with what
// stands between it and the one before in front.
func (j *Job) encode(b *documents.Batch) ([]byte, error) {
	width := tokenizer.Width(j.Tokenizer)
	var ids []int32
	var out []byte
	for _, p := range b.Parts {
		ids = ids[:0]
		if p.First {
			ids = append(ids, j.Tokenizer.Between()...)
		}
		var err error
		if ids, err = j.Tokenizer.Encode(ids, p.Text); err != nil {
			return nil, err
		}
		for _, id := range ids {
			switch width {
			case 1:
				out = append(out, byte(id))
			case 2:
				out = binary.LittleEndian.AppendUint16(out, uint16(id))
			default:
				out = binary.LittleEndian.AppendUint32(out, uint32(id))
			}
		}
	}
	return out, nil
}

// state is how far preparing is: what of the folder's files counts.
type state struct {
	Key   string
	At    documents.Position
	Tally documents.Tally
	Bytes uint64 // of tokens
}

func readState(dir string) (s state, err error) {
	b, err := readBounded(filepath.Join(dir, stateFile), maxDescription)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w: empty the folder to begin anew", stateFile, err)
	}
	return s, nil
}

// replace writes a file as a whole, durably.
func replace(path string, b []byte) error {
	tmp := path + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
