package tokenizer

// This file holds added tokens: those that are found in the text as a whole before
// it is cut into words.

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds on added tokens, which come from a file. The longest that models have are
// runs of some 30 spaces.
const (
	maxAdded     = 1 << 16
	maxAddedText = 512 // bytes of one, as it is and when normalized
)

// added are added tokens. Those that begin with byte b are sorted[from[b]:from[b+1]]
// once sort was called.
type added struct {
	tokens map[string]addedToken
	sorted []string
	from   [257]int
}

// endings are the names that tokens for the end of a text go by.
var endings = []string{"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eos|>"}

// setAdded takes the added tokens. All together have the time of one match.
func (t *BPE) setAdded(list []addedToken) error {
	if len(list) > maxAdded {
		return fmt.Errorf("it adds %d tokens, at most %d", len(list), maxAdded)
	}
	most := limit{maxAddedText, time.Now().Add(patternTime)}
	seen := make(map[string]bool, len(list))
	for _, a := range list {
		switch {
		case a.Content == "":
			continue
		case a.SingleWord:
			return fmt.Errorf("its token %.40q is added for whole words only (single_word), which is not understood", a.Content)
		case len(a.Content) > maxAddedText:
			return fmt.Errorf("its added token %.40q has %d bytes, at most %d", a.Content, len(a.Content), maxAddedText)
		case seen[a.Content]:
			return fmt.Errorf("its token %.40q is added twice", a.Content)
		}
		seen[a.Content] = true
		if err := t.setOne(a, most); err != nil {
			return err
		}
	}
	t.raw.sort()
	t.normal.sort()
	for _, name := range endings {
		i := slices.IndexFunc(list, func(a addedToken) bool { return a.Content == name })
		if i >= 0 {
			t.between = list[i].ID
			break
		}
	}
	return nil
}

// setOne takes an added token.
func (t *BPE) setOne(a addedToken, most limit) error {
	if err := t.grow(a.ID); err != nil {
		return err
	}
	t.texts[a.ID] = []byte(a.Content)
	if !a.Normalized {
		t.raw.add(a)
		return nil
	}
	normal, err := t.normalize([]byte(a.Content), most)
	if err != nil {
		return fmt.Errorf("its added token %.40q: %w", a.Content, err)
	}
	if a.Content = string(normal); a.Content != "" {
		t.normal.add(a)
	}
	return nil
}

// add adds a token, unless one before it is the same when normalized.
func (d *added) add(a addedToken) {
	if _, there := d.tokens[a.Content]; there {
		return
	}
	if d.tokens == nil {
		d.tokens = map[string]addedToken{}
	}
	d.tokens[a.Content] = a
}

// sort makes the tokens ready for at.
func (d *added) sort() {
	d.sorted = slices.Sorted(maps.Keys(d.tokens))
	for _, s := range d.sorted {
		d.from[int(s[0])+1]++
	}
	for b := range 256 {
		d.from[b+1] += d.from[b]
	}
}

// cut calls token for each added token in text and rest for what lies between, in
// order. The longest token counts where several begin at one place. rest hears
// whether its part begins the text, if text itself does.
func (d *added) cut(text []byte, first bool, token func(int32), rest func(part []byte, first bool) error) error {
	from := 0
	for i := 0; len(d.tokens) > 0 && i < len(text); i++ {
		a, ok := d.at(text[i:])
		if !ok {
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

// at returns the longest added token that text begins with, if any. It looks at one
// byte more of text as long as there are tokens that begin like it.
func (d *added) at(text []byte) (a addedToken, ok bool) {
	longest := ""
	few := d.sorted[d.from[text[0]]:d.from[int(text[0])+1]]
	for n := 1; len(few) > 0; n++ {
		if len(few[0]) == n { // what begins like others is sorted before them
			longest, few = few[0], few[1:]
		}
		if n == len(text) {
			break
		}
		c := text[n]
		few = few[sort.Search(len(few), func(i int) bool { return few[i][n] >= c }):]
		few = few[:sort.Search(len(few), func(i int) bool { return few[i][n] > c })]
	}
	if longest == "" {
		return a, false
	}
	return d.tokens[longest], true
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
