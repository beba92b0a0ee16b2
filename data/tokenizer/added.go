package tokenizer

// This file holds added tokens: those that are found in the text as a whole before
// it is cut into words.

import (
	"bytes"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// added are added tokens, by their first byte, the longest first.
type added struct {
	starts [256][]addedToken
	any    bool
}

// endings are the names that tokens for the end of a text go by.
var endings = []string{"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eos|>"}

// setAdded takes the added tokens.
func (t *BPE) setAdded(list []addedToken) error {
	for _, a := range list {
		switch {
		case a.Content == "":
			continue
		case a.SingleWord:
			return fmt.Errorf("its token %.40q is added for whole words only (single_word), which is not understood", a.Content)
		}
		if err := t.grow(a.ID); err != nil {
			return err
		}
		t.texts[a.ID] = []byte(a.Content)
		if !a.Normalized {
			t.raw.add(a)
			continue
		}
		normal, err := t.normalize([]byte(a.Content))
		if err != nil {
			return err
		}
		if a.Content = string(normal); a.Content != "" {
			t.normal.add(a)
		}
	}
	for _, name := range endings {
		i := slices.IndexFunc(list, func(a addedToken) bool { return a.Content == name })
		if i >= 0 {
			t.between = list[i].ID
			break
		}
	}
	return nil
}

func (d *added) add(a addedToken) {
	first := &d.starts[a.Content[0]]
	at, _ := slices.BinarySearchFunc(*first, len(a.Content), func(have addedToken, n int) int { return n - len(have.Content) })
	*first = slices.Insert(*first, at, a)
	d.any = true
}

// cut calls token for each added token in text and rest for what lies between, in
// order. The longest token counts where several begin at one place. rest hears
// whether its part begins the text, if text itself does.
func (d *added) cut(text []byte, first bool, token func(int32), rest func(part []byte, first bool) error) error {
	from := 0
	for i := 0; d.any && i < len(text); i++ {
		a := d.at(text[i:])
		if a == nil {
			continue
		}
		left, right := text[from:i], text[i+len(a.Content):]
		if a.LStrip {
			left = bytes.TrimRightFunc(left, unicode.IsSpace)
		}
		if a.RStrip {
			right = bytes.TrimLeftFunc(right, unicode.IsSpace)
		}
		if len(left) > 0 {
			if err := rest(left, first && from == 0); err != nil {
				return err
			}
		}
		token(a.ID)
		from = len(text) - len(right)
		i = from - 1
	}
	if from == len(text) {
		return nil
	}
	return rest(text[from:], first && from == 0)
}

// at returns the longest added token that text begins with, nil for none.
func (d *added) at(text []byte) *addedToken {
	for i, a := range d.starts[text[0]] {
		if len(a.Content) <= len(text) && string(text[:len(a.Content)]) == a.Content {
			return &d.starts[text[0]][i]
		}
	}
	return nil
}

// valid replaces what is no UTF-8 by U+FFFD.
func valid(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for _, r := range string(text) {
		out = utf8.AppendRune(out, r)
	}
	return out
}
