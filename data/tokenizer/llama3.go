package tokenizer

// This file holds the way of Llama 3 and Qwen 2 to cut text into words.

// The patterns that splitLlama3 does by hand, with at most three digits in a word
// and one; a test holds it to them.
const (
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// digitsByHand says how many digits a word has in the patterns that are done by
// hand.
var digitsByHand = map[string]int{llama3Pattern: 3, qwen2Pattern: 1}

// splitLlama3 is the [splitter] of those patterns. They leave nothing out, so that
// it does not matter whether what lies between their matches is kept.
func splitLlama3(digits int) splitter {
	return func(text []byte, _ bool, word func([]byte)) error {
		for len(text) > 0 {
			n := wordLlama3(text, digits)
			word(text[:n])
			text = text[n:]
		}
		return nil
	}
}

// wordLlama3 returns the length of the word that text begins with.
func wordLlama3(text []byte, digits int) int {
	if n := contraction(lowered(text)); n > 0 {
		return n
	}
	c, n := next(text)
	after := other // class of the character behind
	if n < len(text) {
		after, _ = next(text[n:])
	}
	switch {
	case c == letter:
		n, _ = run(text, letter)
		return n
	case c == digit:
		for i := 1; i < digits && n < len(text); i++ {
			d, m := next(text[n:])
			if d != digit {
				break
			}
			n += m
		}
		return n
	case after == letter && n < len(text) && !isBreak(text[0]):
		m, _ := run(text[n:], letter)
		return n + m
	case c == other:
		return withBreaks(text, 0)
	case text[0] == ' ' && n < len(text) && after == other:
		return withBreaks(text, 1)
	}
	return spaces(text)
}

// lowered returns the first three bytes of text in small letters.
func lowered(text []byte) []byte {
	var b [3]byte
	n := copy(b[:], text)
	for i, c := range b[:n] {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b[:n]
}

func isBreak(c byte) bool { return c == '\n' || c == '\r' }

// withBreaks returns the length of a run of characters that are neither letters,
// digits nor spaces, from an offset on, with the line breaks behind it.
func withBreaks(text []byte, from int) int {
	n, _ := run(text[from:], other)
	for n += from; n < len(text) && isBreak(text[n]); n++ {
	}
	return n
}

// spaces returns the length of the word of spaces that text begins with: up to the
// last line break among them, else without the last one if more text follows.
func spaces(text []byte) int {
	n, last := run(text, space)
	for i := n - 1; i >= 0; i-- {
		if isBreak(text[i]) {
			return i + 1
		}
	}
	if n < len(text) && n > last {
		return n - last
	}
	return n
}
