package data

// This file holds data that one worker has to itself.

import (
	"context"
	"fmt"

	"lode/data/chance"
	"lode/protocol"
)

// Portion says which of so many equal parts of some data is meant, from 1. The zero Portion is
// all of it.
type Portion struct{ Number, Of int }

// Own is text that one worker has to itself, cut into samples: runs of T tokens, each
// with the token that follows. They do not overlap but in that token.
type Own struct {
	src    Source
	plan   Plan // of which reading a piece is all that is used
	pieces chance.Order
	part   Portion
	each   int // samples of a piece
	num    int
}

// NewOwn returns the samples of a corpus with that index, whose tokens are those of the
// run: of one part of its pieces, dealt out in an order drawn from the seed.
func NewOwn(ix *Index, src Source, d protocol.Data, t protocol.Train, part Portion, seed protocol.Digest) (*Own, error) {
	if part.Of == 0 {
		part = Portion{1, 1}
	}
	o := &Own{src: src, part: part, plan: Plan{piece: ix.Piece / ix.Width, width: ix.Width, steps: int(t.Steps)}}
	pieces := len(ix.Digests)
	o.each = (o.plan.piece - 1) / o.plan.steps
	mine := (pieces + part.Of - part.Number) / part.Of // places part−1, part−1+of, …
	o.num = mine * o.each
	switch {
	case int(d.Width) != ix.Width:
		return nil, fmt.Errorf("own data: tokens of %d bytes, those of the run have %d", ix.Width, d.Width)
	case part.Number < 1 || part.Number > part.Of:
		return nil, fmt.Errorf("own data: part %d of %d", part.Number, part.Of)
	case o.num < 1:
		return nil, fmt.Errorf("own data: %d pieces of %d tokens leave part %d of %d no sequence of %d: %w", pieces, o.plan.piece, part.Number, part.Of, t.Steps, ErrTooSmall)
	}
	o.pieces = chance.NewOrder("parts", pieces, seed)
	return o, nil
}

// Len returns the number of samples.
func (o *Own) Len() int { return o.num }

// Batch returns the samples of these numbers, a row each.
func (o *Own) Batch(ctx context.Context, of []int) (Batch, error) {
	spans := make([]Span, len(of))
	for r, s := range of {
		place := o.part.Number - 1 + s/o.each*o.part.Of
		spans[r] = Span{o.pieces.At(place), s % o.each * o.plan.steps}
	}
	return o.plan.batch(ctx, o.src, spans)
}
