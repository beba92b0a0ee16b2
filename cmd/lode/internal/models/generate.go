package models

// This file holds letting a model write, as text that a terminal can show.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"lode/checkpoints"
	"lode/data"
	"lode/data/tokenizer"
	"lode/engine/generate"
)

// Sampling says how much a model writes and how it chooses.
type Sampling struct {
	Tokens      int     // at most so many
	Temperature float64 // 0 takes the likeliest token
	TopK        int     // draw among so many only; 0: all
	Seed        uint64  // the same seed writes the same text on the same kind of processor
}

// Generate lets the model go on from prompt and hands what it writes to emit,
// piece by piece, each valid UTF-8; the prompt is not repeated. Bytes that are no
// UTF-8 come out as U+FFFD. An empty prompt is what stands between two documents. A
// token that ends a text ends writing.
func Generate(ctx context.Context, l *Loaded, prompt string, s Sampling, emit func(string)) error {
	t, _, err := l.reads()
	if err != nil {
		return err
	}
	if s.Tokens < 0 {
		return fmt.Errorf("generate: %d tokens", s.Tokens)
	}
	tokens, err := t.Encode(nil, []byte(prompt))
	if err == nil && len(tokens) == 0 {
		if tokens = t.Between(); len(tokens) == 0 {
			tokens, err = t.Encode(nil, []byte("\n"))
		}
	}
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	var w runes
	var text []byte
	err = generate.Text(ctx, l.Engine, tokens, s.Tokens, generate.Sampling{Temperature: s.Temperature, TopK: s.TopK, Seed: s.Seed}, func(token int32) error {
		if ends(t, token) {
			return errEnd
		}
		text = t.Decode(text[:0], token)
		if piece := w.add(text...); piece != "" {
			emit(piece)
		}
		return nil
	})
	if rest := w.flush(); rest != "" {
		emit(rest)
	}
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

// errEnd stops writing where a text ends.
var errEnd = errors.New("the text ends")

// ends reports whether a token says that a text ends, and is no text itself.
func ends(t tokenizer.Tokenizer, token int32) bool {
	_, plain := t.(tokenizer.Bytes)
	return !plain && slices.Contains(t.Between(), token)
}

// reads returns the tokenizer of the text that the model reads, and the longest text
// in tokens. It refuses models that read no text, or whose tokenizer is not known.
func (l *Loaded) reads() (t tokenizer.Tokenizer, longest int, err error) {
	inputs, _ := l.Model.Takes()
	if !inputs.Series {
		return nil, 0, fmt.Errorf("the model in %s is of family %s, which reads no text", l.Dir, l.Model.Family())
	}
	t = l.Tokenizer
	switch {
	case l.unreadable != nil:
		return nil, 0, fmt.Errorf("the model in %s: %w", l.Dir, l.unreadable)
	case t == nil && inputs.Limit == data.Vocab:
		t = tokenizer.Bytes{}
	case t == nil:
		return nil, 0, fmt.Errorf("the model in %s has a vocabulary of %d and no %s; without one only byte models, of %d, are understood",
			l.Dir, inputs.Limit, checkpoints.TokenizerFile, data.Vocab)
	case t.Size() > inputs.Limit:
		return nil, 0, fmt.Errorf("the model in %s has a vocabulary of %d, its tokenizer has %d tokens", l.Dir, inputs.Limit, t.Size())
	}
	return t, inputs.Shape[0], nil
}

// runes joins bytes to whole characters. What it holds is the beginning of one,
// at most three bytes.
type runes struct{ held []byte }

// add takes the next bytes and returns the text that is complete with them.
func (r *runes) add(b ...byte) string {
	r.held = append(r.held, b...)
	var out []byte
	for len(r.held) > 0 && utf8.FullRune(r.held) {
		c, n := utf8.DecodeRune(r.held)
		out = utf8.AppendRune(out, c) // U+FFFD for a byte that begins nothing
		r.held = r.held[n:]
	}
	return string(out)
}

// flush returns what is left of a character that never became whole.
func (r *runes) flush() string {
	if len(r.held) == 0 {
		return ""
	}
	r.held = nil
	return string(utf8.RuneError)
}
