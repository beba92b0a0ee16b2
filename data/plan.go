package data

// This file holds the plan of a run: which pieces are for training, and which
// of them each worker trains on.

import (
	"errors"
	"fmt"

	"lode/protocol"
)

// Plan divides the pieces of a corpus. It is made of the manifest and the index
// alone, so every node of a run has the same. Where workers have data of their own,
// nobody trains on the training pieces, which are measured on alone, and there are no
// duties.
type Plan struct {
	pieces   int  // all of them
	training int  // pieces 0 to training−1 are for training, the others held out
	piece    int  // length of a piece, tokens
	width    int  // bytes of a token
	records  bool // the corpus holds records, which are taken as tokens of that width
	rows     int  // of a training batch
	steps    int  // T
	inner    int  // H
}

// ErrPlan is wrapped by every error of [NewPlan].
var ErrPlan = errors.New("manifest and corpus do not fit together")

// NewPlan returns the plan of a run whose manifest says d and t, for the corpus
// with that index.
func NewPlan(ix *Index, d protocol.Data, t protocol.Train) (Plan, error) {
	p := Plan{
		pieces: len(ix.Digests), piece: ix.Piece / ix.Width, width: ix.Width, records: d.Tokenizer == protocol.TokenRecords,
		rows: int(t.Rows), steps: int(t.Steps), inner: int(t.InnerSteps),
	}
	p.training = p.pieces - heldOut(p.pieces, d.HeldOut)
	fail := func(format string, args ...any) (Plan, error) {
		return Plan{}, fmt.Errorf("%w: %s", ErrPlan, fmt.Sprintf(format, args...))
	}
	switch {
	case d.Index != ix.Digest():
		return fail("the manifest names index %s, this is %s", d.Index.Short(), ix.Digest().Short())
	case d.Bytes != ix.Bytes || int(d.Piece) != ix.Piece:
		return fail("the manifest says %d bytes in pieces of %d, the index %d in pieces of %d", d.Bytes, d.Piece, ix.Bytes, ix.Piece)
	case int(d.Width) != ix.Width:
		return fail("the manifest says tokens of %d bytes, the index of %d", d.Width, ix.Width)
	case !p.records && p.width != 1 && p.width != 2 && p.width != 4:
		return fail("tokens of %d bytes, must be 1, 2 or 4", p.width)
	case p.rows < 1 || p.steps < 1 || p.inner < 1:
		return fail("%d rows, %d steps and %d inner steps", p.rows, p.steps, p.inner)
	case p.steps >= p.piece:
		return fail("a sequence and what follows it have %d tokens, a piece has %d", p.steps+1, p.piece)
	case d.Mode == protocol.DataAssigned && uint64(t.InnerSteps)*uint64(t.Steps) >= uint64(p.piece):
		return fail("a row trains on %d·%d+1 tokens in a round, a piece has %d", p.inner, p.steps, p.piece)
	case p.training < 1:
		return fail("%d pieces leave none to train on", p.pieces)
	}
	return p, nil
}

// heldOut returns how many of the pieces a Q16 share holds out: rounded down,
// but at least one and never all.
func heldOut(pieces int, share uint32) int {
	n := uint64(pieces) * uint64(share) >> 16
	return int(max(1, min(n, uint64(pieces)-1)))
}

// Width returns the bytes of a token in the corpus.
func (p Plan) Width() int { return p.width }

// Training returns the number of pieces for training: those from 0 on. The
// others are held out.
func (p Plan) Training() int { return p.training }

// HeldOut returns the number of held-out pieces: the last ones.
func (p Plan) HeldOut() int { return p.pieces - p.training }

// Span is a run of tokens within a piece.
type Span struct {
	Piece  int
	Offset int // of its first token, in tokens
}

// Duty is what a worker trains on in a round: one span of H·T+1 tokens for each
// row of its batches, in the order of the rows.
type Duty []Span

// Duty returns the duty of that worker out of workers, its place on the
// round's roster from 0.
//
// A permutation of the training pieces, drawn from the seed, is dealt out:
// worker w's row r gets place w·rows+r, so that no two rows of a round share a
// piece. If there are more rows than pieces, the dealing begins again from the
// front: n pieces are dealt in L = ⌈workers·rows/n⌉ laps. A piece is then cut
// into L parts of equal length and lap l draws its offset so that the span stays
// inside part l; where the parts are too short for that, lap l draws from the
// l-th of L equal ranges of offsets, so that spans overlap but do not coincide.
func (p Plan) Duty(seed protocol.Digest, workers, worker int) Duty {
	if worker < 0 || worker >= workers {
		panic(fmt.Sprintf("data: worker %d of %d", worker, workers))
	}
	first := worker * p.rows
	laps := (workers*p.rows + p.training - 1) / p.training
	order := draw("duty pieces", seed).Permuted(p.training, min(first+p.rows, p.training))
	offsets := draw("duty offsets", seed, worker)
	duty := make(Duty, p.rows)
	for r := range duty {
		place := first + r
		lo, num := p.offsets(laps, place/p.training)
		duty[r] = Span{order[place%p.training], lo + offsets.Below(num)}
	}
	return duty
}

// offsets returns the range of offsets lap draws from: num from lo on.
func (p Plan) offsets(laps, lap int) (lo, num int) {
	span := p.inner*p.steps + 1
	if part := p.piece / laps; part >= span {
		return lap * part, part - span + 1
	}
	all := p.piece - span + 1
	lo = lap * all / laps
	return lo, max(1, (lap+1)*all/laps-lo)
}
