package data

// This file holds batches: the tokens a model is trained or evaluated on.

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"

	"lode/protocol"
)

// Vocab is the number of different tokens of the byte tokenizer.
const Vocab = 256

// Batch is Rows sequences of Steps tokens each. Inputs and Targets have length
// Rows·Steps, row after row; Targets[i] is the token that follows Inputs[i].
//
// Of a corpus of records it is Rows·Steps records, one after the other, and there are
// no tokens.
type Batch struct {
	Rows, Steps     int
	Inputs, Targets []int32
	Records         []byte
}

// set fills row r from Steps+1 tokens of so many bytes.
func (b Batch) set(r int, raw []byte, width int) {
	if b.Records != nil {
		n := b.Steps * width
		copy(b.Records[r*n:(r+1)*n], raw)
		return
	}
	Tokens(b.Inputs[r*b.Steps:(r+1)*b.Steps], raw, width)
	Tokens(b.Targets[r*b.Steps:(r+1)*b.Steps], raw[width:], width)
}

// Tokens fills dst with the first tokens of raw, each 1, 2 or 4 bytes wide, little
// endian. What is above 2³¹−1 becomes negative, which no model takes.
func Tokens(dst []int32, raw []byte, width int) {
	switch raw = raw[:len(dst)*width]; width {
	case 1:
		for i, c := range raw {
			dst[i] = int32(c)
		}
	case 2:
		for i := range dst {
			dst[i] = int32(binary.LittleEndian.Uint16(raw[2*i:]))
		}
	case 4:
		for i := range dst {
			dst[i] = int32(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	default:
		panic(fmt.Sprintf("data: tokens of %d bytes", width))
	}
}

func (p Plan) newBatch(rows int) Batch {
	steps := p.steps
	if p.records {
		return Batch{Rows: rows, Steps: steps, Records: make([]byte, rows*steps*p.width)}
	}
	return Batch{Rows: rows, Steps: steps, Inputs: make([]int32, rows*steps), Targets: make([]int32, rows*steps)}
}

// Batches yields the H batches of a duty, in the order of training: row r of
// batch h is tokens h·T to (h+1)·T of the duty's span r. All pieces are fetched
// before the first batch. It ends early after an error, which comes with an
// empty batch.
func (p Plan) Batches(ctx context.Context, src Source, duty Duty) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		rows := make([][]byte, len(duty))
		for r, s := range duty {
			text, err := p.read(ctx, src, s, p.inner*p.steps+1)
			if err != nil {
				yield(Batch{}, err)
				return
			}
			rows[r] = append([]byte(nil), text...) // keeps the span, not the whole piece
		}
		for h := range p.inner {
			b := p.newBatch(len(rows))
			for r, text := range rows {
				b.set(r, text[h*p.steps*p.width:], p.width)
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// Examine returns rows sequences that a worker with that duty must have trained
// on, drawn from the seed: each is one row of one of its H batches, and none
// comes twice before all came once.
func (p Plan) Examine(ctx context.Context, src Source, duty Duty, seed protocol.Digest, rows int) (Batch, error) {
	blocks := len(duty) * p.inner
	order := draw("examine", seed).Permuted(blocks, min(rows, blocks))
	spans := make([]Span, rows)
	for i := range spans {
		block := order[i%blocks]
		s := duty[block/p.inner]
		spans[i] = Span{s.Piece, s.Offset + block%p.inner*p.steps}
	}
	return p.batch(ctx, src, spans)
}

// Part says which pieces a batch is drawn from.
type Part bool

// Parts of a corpus.
const (
	Training Part = false
	HeldOut  Part = true
)

// Sample returns rows sequences from places drawn from the seed among all of a
// part of the corpus, for evaluation.
func (p Plan) Sample(ctx context.Context, src Source, seed protocol.Digest, rows int, part Part) (Batch, error) {
	first, num, purpose := 0, p.training, "sample training"
	if part == HeldOut {
		first, num, purpose = p.training, p.pieces-p.training, "sample held out"
	}
	d := draw(purpose, seed)
	spans := make([]Span, rows)
	for i := range spans {
		spans[i].Piece = first + d.Below(num)
		spans[i].Offset = d.Below(p.piece - p.steps)
	}
	return p.batch(ctx, src, spans)
}

// batch reads one row of T tokens and its targets at each span.
func (p Plan) batch(ctx context.Context, src Source, spans []Span) (Batch, error) {
	b := p.newBatch(len(spans))
	for r, s := range spans {
		text, err := p.read(ctx, src, s, p.steps+1)
		if err != nil {
			return Batch{}, err
		}
		b.set(r, text, p.width)
	}
	return b, nil
}

// read returns the n tokens at s, Width bytes each, a part of what src owns.
func (p Plan) read(ctx context.Context, src Source, s Span, n int) ([]byte, error) {
	b, err := src.Piece(ctx, s.Piece)
	if err != nil {
		return nil, fmt.Errorf("read batch: %w", err)
	}
	if len(b) != p.piece*p.width {
		return nil, fmt.Errorf("read batch: piece %d has %d bytes, want %d", s.Piece, len(b), p.piece*p.width)
	}
	return b[s.Offset*p.width : (s.Offset+n)*p.width], nil
}
