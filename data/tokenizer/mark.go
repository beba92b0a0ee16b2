package tokenizer

// This file holds a short cut for vocabularies that write spaces as ▁: where ▁ only
// begins tokens, text can be cut in front of it, since no merge crosses the cut. So a
// whole text is not one word, and the words that come again are remembered.

import (
	"bytes"
	"strings"
)

const mark = "▁"

// standApart reports whether that holds for this vocabulary.
func (t *BPE) standApart() bool {
	if _, ok := t.words[mark]; !ok || t.byteLevel || t.ignoreMerges {
		return false
	}
	for word := range t.words {
		if strings.Contains(strings.TrimLeft(word, mark), mark) {
			return false
		}
	}
	return true
}

// beforeMark returns where text, which is not empty, is cut first: in front of the
// first mark behind another character.
func beforeMark(text []byte) int {
	from := 0
	for bytes.HasPrefix(text[from:], []byte(mark)) {
		from += len(mark)
	}
	if i := bytes.Index(text[from:], []byte(mark)); i >= 0 {
		return from + i
	}
	return len(text)
}
