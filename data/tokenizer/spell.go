package tokenizer

// This file holds spelling: how the tokens of a file are written in it, and what
// they decode to.

import (
	"fmt"
	"strconv"
	"strings"
)

// letters are the characters that stand for bytes in byte-level vocabularies
// (GPT-2's bytes_to_unicode): printable ones for themselves, the rest for those
// from U+0100 on, in order.
var letters, letterBytes = func() (letters [256]rune, of map[rune]byte) {
	of = map[rune]byte{}
	next := rune(0x100)
	for b := range rune(256) {
		letters[b] = b
		if !(b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae) {
			letters[b] = next
			next++
		}
		of[letters[b]] = byte(b)
	}
	return letters, of
}()

// spelled writes bytes in those characters.
func spelled(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(letters[c])
	}
	return s.String()
}

// unspell reads them back. It is false where other characters are among them.
func unspell(word string) ([]byte, bool) {
	b := make([]byte, 0, len(word))
	for _, r := range word {
		c, ok := letterBytes[r]
		if !ok {
			return nil, false
		}
		b = append(b, c)
	}
	return b, true
}

// maxSteps bounds the steps of a decoder, which are gone through for each token.
const maxSteps = 32

// speller returns what a token of the vocabulary decodes to. It is not nil.
type speller func(word string) []byte

func newSpeller(p *part, byteLevel bool) (speller, error) {
	if p == nil || p.Type == "ByteLevel" {
		if byteLevel {
			return func(word string) []byte {
				if b, ok := unspell(word); ok {
					return b
				}
				return []byte(word)
			}, nil
		}
		if p == nil {
			return func(word string) []byte { return []byte(word) }, nil
		}
	}
	steps := []part{*p}
	if p.Type == "Sequence" {
		steps = p.Decoders
	}
	if len(steps) > maxSteps {
		return nil, fmt.Errorf("its decoder has %d steps, at most %d", len(steps), maxSteps)
	}
	from := func(word string) string { return word }
	bytesToo := false
	for _, s := range steps {
		before := from
		switch {
		case s.Type == "Replace" && s.Pattern != nil && s.Pattern.String != nil && len(s.Content) > len(*s.Pattern.String):
			return nil, fmt.Errorf("its decoder makes tokens longer (%.40q becomes %.40q), which is not understood", *s.Pattern.String, s.Content)
		case s.Type == "Replace" && s.Pattern != nil && s.Pattern.String != nil && *s.Pattern.String != "":
			from = func(word string) string { return strings.ReplaceAll(before(word), *s.Pattern.String, s.Content) }
		case s.Type == "Metaspace" && s.Replacement != "":
			from = func(word string) string { return strings.ReplaceAll(before(word), s.Replacement, " ") }
		case s.Type == "ByteFallback":
			bytesToo = true
		case s.Type == "Fuse", s.Type == "Strip": // what a whole text begins with; a token here stands behind others
		case s.Type == "ByteLevel" && byteLevel && len(steps) == 1:
		default:
			return nil, fmt.Errorf("its decoder %.40q is not understood", s.Type)
		}
	}
	return func(word string) []byte {
		if bytesToo && len(word) == 6 && strings.HasPrefix(word, "<0x") && word[5] == '>' {
			if b, err := strconv.ParseUint(word[3:5], 16, 8); err == nil {
				return []byte{byte(b)}
			}
		}
		return []byte(from(word))
	}, nil
}
