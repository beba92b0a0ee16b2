package models

// This file holds letting a model write, as text that a terminal can show.

import (
	"context"
	"fmt"
	"unicode/utf8"

	"lode/data"
	"lode/engine/cpu"
)

// Sampling says how much a model writes and how it chooses.
type Sampling struct {
	Tokens      int     // at most so many; a token is a byte
	Temperature float64 // 0 takes the likeliest token
	TopK        int     // draw among so many only; 0: all
	Seed        uint64  // the same seed writes the same text on the same kind of processor
}

// Generate lets the model go on from prompt and hands what it writes to emit,
// piece by piece, each valid UTF-8; the prompt is not repeated. Bytes that are no
// UTF-8 come out as U+FFFD. An empty prompt is a line feed.
func Generate(ctx context.Context, l *Loaded, prompt string, s Sampling, emit func(string)) error {
	if _, err := l.context(); err != nil {
		return err
	}
	if s.Tokens < 0 {
		return fmt.Errorf("generate: %d tokens", s.Tokens)
	}
	if prompt == "" {
		prompt = "\n"
	}
	tokens := make([]int32, len(prompt))
	for i := range tokens {
		tokens[i] = int32(prompt[i])
	}
	var w runes
	err := l.Engine.Generate(ctx, tokens, s.Tokens, cpu.Sampling{Temperature: s.Temperature, TopK: s.TopK, Seed: s.Seed}, func(t int32) error {
		if piece := w.add(byte(t)); piece != "" {
			emit(piece)
		}
		return nil
	})
	if rest := w.flush(); rest != "" {
		emit(rest)
	}
	return err
}

// context returns the longest text that the model reads, in bytes. It refuses
// models that read no text and those whose tokens are not bytes.
func (l *Loaded) context() (int, error) {
	inputs, _ := l.Model.Takes()
	switch {
	case !inputs.Series:
		return 0, fmt.Errorf("the model in %s is of family %s, which reads no text", l.Dir, l.Model.Family())
	case inputs.Limit != data.Vocab:
		return 0, fmt.Errorf("the model in %s has a vocabulary of %d; only byte models, of %d, are understood", l.Dir, inputs.Limit, data.Vocab)
	}
	return inputs.Shape[0], nil
}

// runes joins bytes to whole characters. What it holds is the beginning of one,
// at most three bytes.
type runes struct{ held []byte }

// add takes the next byte and returns the text that is complete with it.
func (r *runes) add(b byte) string {
	r.held = append(r.held, b)
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
