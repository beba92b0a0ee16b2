package main

// This file connects a coordinator to the wire.

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"lode/cmd/lode/internal/corpora"
	"lode/coordinator"
	"lode/coordinator/journal"
	"lode/coordinator/round"
	"lode/data"
	"lode/protocol"
	"lode/transport"
	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
)

// front answers a server's questions with a coordinator.
type front struct {
	*coordinator.Coordinator
	run      protocol.RunID
	manifest []byte // canonical encoding
	archive  ask.Archive
	refusals func() map[protocol.Reason]uint64
	stopping context.Context // ends when the coordinator does
}

// Hello implements transport.Door.
func (f *front) Hello(ctx context.Context, peer protocol.NodeID, h transport.Hello) (transport.Welcome, error) {
	if h.Run != f.run {
		return transport.Welcome{}, protocol.Refuse(protocol.WrongRun, "run %s is not here, run %s is", h.Run, f.run)
	}
	next, err := f.Arrive(ctx, peer)
	return transport.Welcome{Version: protocol.Version, Run: f.run, Manifest: f.manifest, Next: next, Software: software()}, err
}

// Gone implements transport.Door.
func (f *front) Gone(peer protocol.NodeID) { f.Depart(f.stopping, peer) }

// Follow implements transport.Record.
func (f *front) Follow(ctx context.Context, _ protocol.NodeID, from uint64, send func([]byte) error) error {
	return f.Coordinator.Follow(ctx, from, send)
}

// Open implements transport.Shelf.
func (f *front) Open(ctx context.Context, _ protocol.NodeID, d protocol.Digest) (io.ReadSeekCloser, int64, error) {
	return f.Coordinator.Open(ctx, d)
}

// Ask implements transport.Asker: it answers questions about the ledger.
func (f *front) Ask(ctx context.Context, _ protocol.NodeID, question []byte) ([]byte, error) {
	look := func(use func(*ledger.Machine)) error {
		return f.Coordinator.Ask(ctx, func(m *round.Machine) { use(m.Ledger()) })
	}
	return ask.Answer(look, f.archive, question)
}

// kept is the archive as those who ask see it.
type kept struct{ *journal.Archive }

// Blocks implements ask.Archive.
func (k kept) Blocks(from uint64, most int) ([][]byte, error) {
	b, err := k.Archive.Blocks(from, most)
	if errors.Is(err, journal.ErrPruned) {
		err = protocol.Refuse(protocol.NotFound, "%v", err)
	}
	return b, err
}

// Status implements transport.Teller.
func (f *front) Status(ctx context.Context, _ protocol.NodeID) ([]byte, error) {
	s, err := f.Coordinator.Status(ctx)
	if err != nil {
		return nil, err
	}
	s.Clock = float64(time.Now().UnixMicro()) / 1e6
	s.Refusals = map[string]uint64{}
	for reason, n := range f.refusals() {
		s.Refusals[reason.String()] = n
	}
	return json.Marshal(s)
}

// corpusShelf serves a corpus piece by piece, its index and its tokenizer's file.
type corpusShelf struct {
	source     data.Source
	index      []byte
	digest     protocol.Digest
	tokenizer  []byte // nil for bytes
	vocabulary protocol.Digest
	places     func() map[protocol.Digest]int
	log        zerolog.Logger
}

func newCorpusShelf(c *corpora.Corpus, log zerolog.Logger) *corpusShelf {
	return &corpusShelf{
		log:    log,
		source: c.Source, index: c.Index.Encode(), digest: c.Index.Digest(),
		tokenizer: c.File, vocabulary: c.Vocabulary(), places: sync.OnceValue(c.Index.Places),
	}
}

// Open implements coordinator.Shelf.
func (s *corpusShelf) Open(ctx context.Context, d protocol.Digest) (io.ReadSeekCloser, int64, bool) {
	if d == s.digest {
		return inMemory(s.index), int64(len(s.index)), true
	}
	if s.tokenizer != nil && d == s.vocabulary {
		return inMemory(s.tokenizer), int64(len(s.tokenizer)), true
	}
	i, ok := s.places()[d]
	if !ok {
		return nil, 0, false
	}
	b, err := s.source.Piece(ctx, i)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Error().Err(err).Int("piece", i).Msg("the data cannot be handed out")
		}
		return nil, 0, false
	}
	return inMemory(b), int64(len(b)), true
}
