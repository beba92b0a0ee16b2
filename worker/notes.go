package worker

// This file holds what a worker keeps on disk of rounds after the one whose state it
// keeps. The state is several times as long as the model, and writing it may take as long as
// training does; what was sent is short. After a restart these rounds are trained again from
// the state, in the order in which they were, and what was sent stands: the residual is again
// what that left out, to the last bit where the engine computes the same again.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"lode/gradient"
	"lode/protocol"
)

// noteFile returns where the i-th note after a state is, from 1: a header, the plain update,
// and a SHA-256 over both.
func noteFile(i int) string { return fmt.Sprintf("worker.note.%d", i) }

// noteHeader begins the file, after its own length (uint32).
type noteHeader struct {
	_    struct{}        `cbor:",toarray"`
	Of   stateHeader     // without last step and optimizer
	Base protocol.Digest // the checksum that ends the state file it continues
}

// Bounds on how much is to be trained again after a restart: rounds, and how many times as
// long as the state took to write the rounds before the next one may take.
const (
	maxNotes  = 64
	stateRest = 50
)

// states says when the state is due, and which one is on disk.
type states struct {
	base  protocol.Digest // of the state on disk; zero: none
	notes int             // that continue it
	torn  bool            // the engine has trained for a round of which nothing was kept
	holed bool            // beyond the notes lie others, of what is lost
	took  time.Duration   // to write it; zero: not known
	when  time.Time       // it was written
}

// due tells whether the next round must be kept as a state.
func (s *states) due(every int) bool {
	switch {
	case s.base == protocol.Digest{} || s.torn || s.holed || s.notes == maxNotes:
		return true
	case every > 0:
		return s.notes+1 >= every
	}
	return s.took == 0 || time.Since(s.when) >= stateRest*s.took
}

// keep makes what was sent durable.
func (t *trainer) keep(ctx context.Context) error {
	if !t.states.due(t.cfg.Every) {
		return t.note(ctx)
	}
	begun := time.Now()
	base, err := t.save(ctx)
	if err == nil {
		now := time.Now()
		t.states = states{base: base, when: now, took: now.Sub(begun)}
	}
	return err
}

// note makes what was sent durable beside an earlier state.
func (t *trainer) note(ctx context.Context) error {
	plain := t.sent.update.Plain()
	h := noteHeader{Of: t.header(), Base: t.states.base}
	h.Of.Plain = uint64(len(plain))
	head := protocol.Encode(h)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(head)))
	b = append(append(b, head...), plain...)
	sum := sha256.Sum256(b)
	b = append(b, sum[:]...)
	if err := t.cfg.Files.Put(ctx, noteFile(t.states.notes+1), bytes.NewReader(b), int64(len(b))); err != nil {
		return fmt.Errorf("keep what was sent in round %d: %w", t.sent.task.round, err)
	}
	t.states.notes++
	return nil
}

// readNote returns the i-th note, an error that wraps [fs.ErrNotExist] where none continues
// the state.
func (t *trainer) readNote(ctx context.Context, i int) (h stateHeader, plain []byte, err error) {
	in, size, err := t.cfg.Files.Get(ctx, noteFile(i), 0)
	if err != nil {
		return h, nil, err
	}
	defer in.Close()
	most := 4 + 4096 + int64(gradient.PlainLen(t.cfg.Rules.Layout, t.cfg.Rules.Codec(0))) + sha256.Size
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return h, nil, err
	}
	var n noteHeader
	body, _, err := unwrap(b, size, &n)
	switch {
	case err != nil:
		return h, nil, err
	case n.Base != t.states.base:
		return h, nil, fmt.Errorf("note %d continues another state: %w", i, fs.ErrNotExist)
	case n.Of.Plain != uint64(len(body)):
		return h, nil, fmt.Errorf("%w: lengths do not add up", errState)
	}
	return n.Of, body, t.ours(n.Of)
}

// findNotes finds the rounds that are to be made again. One that is damaged ends them: the
// worker loses what later rounds left out, not its place.
func (t *trainer) findNotes(ctx context.Context) error {
	for i := 1; i <= maxNotes; i++ {
		h, _, err := t.readNote(ctx, i)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if errors.Is(err, errState) {
			t.cfg.Log.Warn().Err(err).Msg("an earlier note is of no use, going on without it")
			t.states.holed = true
			break
		}
		if err != nil {
			return fmt.Errorf("earlier note: %w", err)
		}
		t.again = append(t.again, h.task())
	}
	t.states.notes = len(t.again)
	return nil
}

// noted returns what the i-th note says was sent, nil with a warning if nobody can have sent
// that: then no note is of use.
func (t *trainer) noted(ctx context.Context, i int) (*sent, error) {
	h, plain, err := t.readNote(ctx, i)
	if err != nil {
		return nil, fmt.Errorf("earlier note: %w", err)
	}
	was, err := t.vow(h, plain)
	if err != nil {
		t.cfg.Log.Warn().Err(err).Msg("earlier notes are of no use, going on without them")
		t.again, t.states.holed = nil, true
		return nil, nil
	}
	return was, nil
}

// remake makes again what was sent in the round that the model is before. If that does not go
// through, the engine has trained for nothing, and all begins from the state.
func (t *trainer) remake(ctx context.Context) error {
	for len(t.again) > 0 && t.again[0].round == t.model.Next {
		was, err := t.noted(ctx, t.states.notes-len(t.again)+1)
		if was == nil || err != nil {
			return err
		}
		t.sent, t.states.torn = nil, true
		made, err := t.make(ctx, was.task)
		if err != nil {
			return fmt.Errorf("round %d once more: %w", was.task.round, err)
		}
		if !bytes.Equal(made.update.Plain(), was.update.Plain()) {
			t.cfg.Log.Warn().Uint64("round", uint64(was.task.round)).Msg("a round that is trained once more gives another update: what was sent stands")
		}
		was.forged = made.forged
		t.sent, t.again, t.states.torn = was, t.again[1:], false
	}
	return nil
}

// resend sends what was sent of a task whose round is to be made again, before any is: it may
// be the last moment. Where workers share places that waits for the merged step before.
func (t *trainer) resend(ctx context.Context, k task) (done bool, err error) {
	if n := len(t.again); n == 0 || t.again[n-1] != k || t.cfg.Rules.Shares() && t.model.Next != k.round {
		return false, nil
	}
	was, err := t.noted(ctx, t.states.notes)
	if was == nil || err != nil {
		return false, err
	}
	return true, t.send(ctx, was)
}
