package shards

// This file holds the writer: tokens that follow one another, in files, with the
// digest of each piece.

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"lode/data"
	"lode/data/documents"
	"lode/data/tokenizer"
	"lode/protocol"
)

// writer appends to a folder. One goroutine at a time uses it.
type writer struct {
	dir     string
	job     *Job
	state   state
	final   documents.Tally // set before finish
	between int             // bytes that stand in front of a document

	file    *os.File // the one that grows; nil: the next byte begins one
	piece   hash.Hash
	digests []protocol.Digest
	written int    // digests on disk
	saved   uint64 // bytes at the last save
}

// newWriter goes on from a state: what lies behind it in the files is cut off.
func newWriter(dir string, j *Job, s state) (_ *writer, err error) {
	w := &writer{
		dir: dir, job: j, state: s, piece: sha256.New(), saved: s.Bytes, final: s.Tally,
		between: len(j.Tokenizer.Between()) * tokenizer.Width(j.Tokenizer),
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("go on: %w: empty the folder to begin anew", err), w.close())
		}
	}()
	if s.Bytes == 0 {
		return w, w.write(digestsFile, nil, 0)
	}
	if err := w.readDigests(int(s.Bytes / uint64(j.Piece))); err != nil {
		return nil, err
	}
	in := s.Bytes % j.Shard
	if in == 0 {
		return w, nil
	}
	if w.file, err = os.OpenFile(w.path(int(s.Bytes/j.Shard)), os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if err := cutTo(w.file, int64(in)); err != nil {
		return nil, err
	}
	begun := int64(in % uint64(j.Piece))
	if _, err := io.Copy(w.piece, io.NewSectionReader(w.file, int64(in)-begun, begun)); err != nil {
		return nil, err
	}
	_, err = w.file.Seek(int64(in), io.SeekStart)
	return w, err
}

func (w *writer) path(i int) string { return filepath.Join(w.dir, shardName(i)) }

// cutTo shortens a file, which must be that long.
func cutTo(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < size {
		return fmt.Errorf("%s has %d bytes, it had %d", f.Name(), info.Size(), size)
	}
	return f.Truncate(size)
}

// write writes b into a file from an offset on, and syncs it.
func (w *writer) write(name string, b []byte, at int64) error {
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err = f.Truncate(at); err == nil {
		_, err = f.WriteAt(b, at)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// readDigests reads the digests of so many pieces.
func (w *writer) readDigests(num int) error {
	b, err := readBounded(filepath.Join(w.dir, digestsFile), data.MaxIndexLen)
	if err != nil {
		return err
	}
	if len(b) < 32*num {
		return fmt.Errorf("%s has %d bytes, it had %d", digestsFile, len(b), 32*num)
	}
	w.digests, w.written = make([]protocol.Digest, num), num
	for i := range w.digests {
		copy(w.digests[i][:], b[32*i:])
	}
	return nil
}

// take writes the tokens of the next batch.
func (w *writer) take(b *documents.Batch, tokens []byte) error {
	if w.state.Bytes == 0 && len(b.Parts) > 0 && b.Parts[0].First {
		tokens = tokens[w.between:] // nothing stands in front of the first one
	}
	if err := w.append(tokens); err != nil {
		return err
	}
	w.state.At, w.state.Tally = b.Next, b.Tally
	if p := w.job.Progress; p != nil {
		p(Progress{b.Next.File, len(w.job.Set.Files), b.Tally, w.state.Bytes / uint64(tokenizer.Width(w.job.Tokenizer))})
	}
	if w.state.Bytes-w.saved < w.job.save {
		return nil
	}
	return w.save()
}

// append writes tokens, in as many files as they take.
func (w *writer) append(b []byte) error {
	piece, shard := uint64(w.job.Piece), w.job.Shard
	for len(b) > 0 {
		if w.file == nil {
			var err error
			if w.file, err = os.Create(w.path(int(w.state.Bytes / shard))); err != nil {
				return err
			}
		}
		n := int(min(uint64(len(b)), piece-w.state.Bytes%piece))
		if _, err := w.file.Write(b[:n]); err != nil {
			return err
		}
		w.piece.Write(b[:n]) // never fails
		b = b[n:]
		if w.state.Bytes += uint64(n); w.state.Bytes%piece == 0 {
			w.digests = append(w.digests, protocol.Digest(w.piece.Sum(nil)))
			w.piece.Reset()
			if len(w.digests)*32 > data.MaxIndexLen {
				return fmt.Errorf("more pieces of %d bytes than an index holds: choose longer ones with --piece", piece)
			}
		}
		if w.state.Bytes%shard == 0 {
			if err := w.close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// close ends the file that grows.
func (w *writer) close() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	return errors.Join(f.Sync(), f.Close())
}

// save makes what was written so far count.
func (w *writer) save() error {
	if w.file != nil {
		if err := w.file.Sync(); err != nil {
			return err
		}
	}
	var b []byte
	for _, d := range w.digests[w.written:] {
		b = append(b, d[:]...)
	}
	if err := w.write(digestsFile, b, int64(32*w.written)); err != nil {
		return err
	}
	w.written, w.saved = len(w.digests), w.state.Bytes
	text, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	return replace(filepath.Join(w.dir, stateFile), text)
}

// finish writes the index, then the description.
func (w *writer) finish() (*Description, error) {
	w.state.Tally = w.final
	w.state.At = documents.Position{File: len(w.job.Set.Files)}
	if err := errors.Join(w.save(), w.close()); err != nil {
		return nil, err
	}
	width := tokenizer.Width(w.job.Tokenizer)
	ix := &data.Index{Bytes: w.state.Bytes, Piece: w.job.Piece, Width: width, Digests: w.digests}
	if _, err := data.ParseIndex(ix.Encode()); err != nil {
		return nil, err // such as too few pieces
	}
	d := &Description{
		Format: Format, Tokenizer: protocol.TokenBytes, Vocab: w.job.Tokenizer.Size(), Width: width,
		Tokens: w.state.Bytes / uint64(width), Piece: w.job.Piece, Shard: w.job.Shard, Index: ix.Digest(),
	}
	if w.job.File != nil {
		d.Tokenizer, d.Vocabulary = protocol.TokenFile, protocol.Sum(w.job.File)
	}
	d.count(w.state.Tally)
	if err := replace(filepath.Join(w.dir, indexFile), ix.Encode()); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := replace(filepath.Join(w.dir, DescriptionFile), append(text, '\n')); err != nil {
		return nil, err
	}
	return d, os.Remove(filepath.Join(w.dir, digestsFile))
}
