package tokenizer

// This file holds what a tokenizer offers, and the one whose tokens are bytes.

import "fmt"

// Tokenizer turns text into tokens, 0 to Size−1, and back.
type Tokenizer interface {
	// Size is the number of tokens: the least vocabulary of a model.
	Size() int
	// Encode appends the tokens of text to dst. It fails only where a pattern or
	// normalizer of the tokenizer's file takes too long or makes too much.
	Encode(dst []int32, text []byte) ([]int32, error)
	// Decode appends the text of a token that stands behind others. One that it
	// does not know has none.
	Decode(dst []byte, token int32) []byte
	// Between are the tokens that stand between two documents.
	Between() []int32
}

// Bytes is the tokenizer whose tokens are bytes. Between two documents stands a
// line feed.
type Bytes struct{}

// Size implements [Tokenizer].
func (Bytes) Size() int { return 256 }

// Encode implements [Tokenizer].
func (Bytes) Encode(dst []int32, text []byte) ([]int32, error) {
	for _, c := range text {
		dst = append(dst, int32(c))
	}
	return dst, nil
}

// Decode implements [Tokenizer].
func (Bytes) Decode(dst []byte, token int32) []byte {
	if token < 0 || token > 255 {
		return dst
	}
	return append(dst, byte(token))
}

// Between implements [Tokenizer].
func (Bytes) Between() []int32 { return []int32{'\n'} }

// Width returns the least bytes of a token in a corpus of that tokenizer: 1, 2 or 4.
func Width(t Tokenizer) int {
	switch n := t.Size(); {
	case n <= 1<<8:
		return 1
	case n <= 1<<16:
		return 2
	case n <= 1<<31-1:
		return 4
	default:
		panic(fmt.Sprintf("tokenizer: %d tokens", n))
	}
}
