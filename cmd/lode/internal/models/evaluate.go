package models

// This file holds measuring a model on held-out text.

import (
	"context"
	"fmt"
	"math"

	"lode/data"
	"lode/data/tokenizer"
	"lode/engine"
)

// Text is the corpus a model is measured on; its held-out pieces are used.
type Text struct {
	Plan   data.Plan
	Source data.Source
}

// Measuring says how much is measured.
type Measuring struct {
	Tokens   int                   // at most so many; 0: all
	Steps    int                   // tokens of a window; 0: the model's context, at most 1,024
	Progress func(done, total int) // in tokens; nil: nobody is told
}

// Evaluation is how well a model predicts text. What is per byte compares models
// with different tokenizers: a token that ends a text has no bytes.
type Evaluation struct {
	Nats        float64 `json:"nats_per_token"`
	NatsPerByte float64 `json:"nats_per_byte"`
	Bits        float64 `json:"bits_per_byte"`
	Tokens      int     `json:"tokens"`
	Bytes       int     `json:"bytes"`
	Windows     int     `json:"windows"`
	Of          int     `json:"of_windows"` // how many the held-out text has
	Steps       int     `json:"window_tokens"`
	Whole       bool    `json:"whole"` // every window was measured
}

const (
	maxSteps  = 1024
	batchRows = 8 // windows measured together
)

// Evaluate measures the mean loss on held-out text. Each held-out piece is cut
// into windows that do not overlap; each window is predicted on its own, from its
// first token on, and what is left at a piece's end is not used. If there are
// more windows than the tokens asked for allow, evenly spaced ones are taken, the
// same ones every time.
func Evaluate(ctx context.Context, l *Loaded, text Text, m Measuring) (Evaluation, error) {
	t, longest, err := l.reads()
	if err != nil {
		return Evaluation{}, err
	}
	steps := m.Steps
	if steps == 0 {
		steps = min(longest, maxSteps)
	}
	if steps < 1 || steps > longest || m.Tokens < 0 {
		return Evaluation{}, fmt.Errorf("evaluate: %d tokens in windows of %d, the model's context is %d", m.Tokens, steps, longest)
	}
	w, err := newWindows(ctx, text, steps, m.Tokens)
	if err != nil {
		return Evaluation{}, fmt.Errorf("evaluate: %w", err)
	}
	out := Evaluation{Tokens: w.num * steps, Windows: w.num, Of: w.all, Steps: steps, Whole: w.num == w.all}
	var sum float64 // of window losses
	for at := 0; at < w.num; at += batchRows {
		b, err := w.batch(ctx, at, min(batchRows, w.num-at))
		if err != nil {
			return Evaluation{}, fmt.Errorf("evaluate: %w", err)
		}
		loss, err := l.Engine.Loss(b)
		if err != nil {
			return Evaluation{}, fmt.Errorf("evaluate: %w", err)
		}
		sum += float64(loss * float64(b.Rows))
		out.Bytes += textLen(t, b.Targets.IDs)
		if m.Progress != nil {
			m.Progress((at+b.Rows)*steps, out.Tokens)
		}
	}
	out.Nats = sum / float64(w.num)
	out.NatsPerByte = float64(out.Nats*float64(out.Tokens)) / float64(max(out.Bytes, 1))
	out.Bits = out.NatsPerByte / math.Ln2
	return out, nil
}

// textLen returns how many bytes of text tokens are.
func textLen(t tokenizer.Tokenizer, tokens []int32) (n int) {
	var b []byte
	for _, token := range tokens {
		if !ends(t, token) {
			b = t.Decode(b[:0], token)
			n += len(b)
		}
	}
	return n
}

// windows are the held-out windows that are measured, num of all.
type windows struct {
	text          Text
	steps         int
	each          int // windows of a piece
	all, num      int
	current       []byte // the piece read last
	currentNumber int
}

func newWindows(ctx context.Context, text Text, steps, tokens int) (*windows, error) {
	w := &windows{text: text, steps: steps, currentNumber: -1}
	first, err := w.piece(ctx, text.Plan.Training())
	if err != nil {
		return nil, err
	}
	w.each = (len(first)/text.Plan.Width() - 1) / steps
	w.all = w.each * text.Plan.HeldOut()
	w.num = w.all
	if tokens > 0 {
		w.num = min(w.all, max(1, tokens/steps))
	}
	if w.num == 0 {
		return nil, fmt.Errorf("a piece of %d tokens has no window of %d and one to predict", len(first)/text.Plan.Width(), steps)
	}
	return w, nil
}

// piece returns a held-out piece by its number in the corpus.
func (w *windows) piece(ctx context.Context, i int) ([]byte, error) {
	if i == w.currentNumber {
		return w.current, nil
	}
	b, err := w.text.Source.Piece(ctx, i)
	if err != nil {
		return nil, fmt.Errorf("held-out text: %w", err)
	}
	if w.current != nil && len(b) != len(w.current) {
		return nil, fmt.Errorf("held-out text: piece %d has %d bytes, the one before %d", i, len(b), len(w.current))
	}
	w.current, w.currentNumber = b, i
	return b, nil
}

// batch returns rows of the measured windows from number at on.
func (w *windows) batch(ctx context.Context, at, rows int) (engine.Batch, error) {
	inputs, targets := make([]int32, rows*w.steps), make([]int32, rows*w.steps)
	for r := range rows {
		i := int(int64(at+r) * int64(w.all) / int64(w.num)) // window of all
		text, err := w.piece(ctx, w.text.Plan.Training()+i/w.each)
		if err != nil {
			return engine.Batch{}, err
		}
		width := w.text.Plan.Width()
		text = text[i%w.each*w.steps*width:]
		data.Tokens(inputs[r*w.steps:][:w.steps], text, width)
		data.Tokens(targets[r*w.steps:][:w.steps], text[width:], width)
	}
	return engine.Tokens(rows, w.steps, inputs, targets), nil
}
