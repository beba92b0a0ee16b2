package tokenizer

// This file holds GPT-2's way to cut text into words, the one of ByteLevel.

import (
	"unicode"
	"unicode/utf8"
)

// gpt2Pattern is what splitGPT2 does by hand, some fifty times as fast; a test
// holds one to the other. It is the pattern of OpenAI's encoder.py of GPT-2.
const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// class is what the pattern knows of a character.
type class byte

const (
	other class = iota
	letter
	digit
	space
)

// ascii are the classes of the first 128 characters.
var ascii = func() (c [128]class) {
	for i := range c {
		c[i] = classOf(rune(i))
	}
	return c
}()

func classOf(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return digit
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// next returns the class of the first character of text, and its length.
func next(text []byte) (class, int) {
	if text[0] < utf8.RuneSelf {
		return ascii[text[0]], 1
	}
	r, n := utf8.DecodeRune(text)
	if r == utf8.RuneError && n == 1 {
		return other, 1
	}
	return classOf(r), n
}

// run returns the length of the characters of class c that text begins with, and
// that of the last one.
func run(text []byte, c class) (n, last int) {
	for n < len(text) {
		d, m := next(text[n:])
		if d != c {
			break
		}
		n, last = n+m, m
	}
	return n, last
}

// splitGPT2 is the [splitter] of gpt2Pattern. A byte that is no UTF-8 counts as a
// character that is neither letter, number nor space.
func splitGPT2(text []byte, _ bool, word func([]byte)) error {
	for len(text) > 0 {
		n := wordGPT2(text)
		word(text[:n])
		text = text[n:]
	}
	return nil
}

// wordGPT2 returns the length of the word that text begins with.
func wordGPT2(text []byte) int {
	if n := contraction(text); n > 0 {
		return n
	}
	c, _ := next(text)
	if c != space {
		n, _ := run(text, c)
		return n
	}
	if text[0] == ' ' && len(text) > 1 {
		if d, _ := next(text[1:]); d != space {
			n, _ := run(text[1:], d)
			return 1 + n
		}
	}
	n, last := run(text, space)
	if n < len(text) && n > last {
		return n - last // the last space belongs to the word behind
	}
	return n
}

// contraction returns the length of an English one, 0 if text begins with none.
func contraction(text []byte) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	switch text[1] {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(text) > 2 {
		switch string(text[1:3]) {
		case "re", "ve", "ll":
			return 3
		}
	}
	return 0
}
