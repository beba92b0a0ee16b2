package tokenizer

// This file holds byte pair encoding: the vocabulary, and how the tokens of a word
// are merged.

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"unicode/utf8"
)

// BPE is the tokenizer of a tokenizer.json.
type BPE struct {
	normalize normalizer
	split     splitter
	byteLevel bool // words are bytes in GPT-2's spelling
	anyBytes  bool // text may be no UTF-8

	words        map[string]int32 // tokens by the text of words that they are; bytes if byteLevel
	texts        [][]byte         // what each token decodes to; nil: nothing
	merges       map[[2]int32]merged
	bytes        [256]int32 // the token of each byte, −1 for none
	unknown      int32      // −1 for none
	fuseUnknown  bool
	ignoreMerges bool
	apart        bool  // no token goes on with a mark behind another character
	between      int32 // −1 for none

	raw, normal added // tokens found in the text as it is, and in the normal one

	pool sync.Pool // of *scratch
}

// merged is what a pair becomes; the lowest rank goes first.
type merged struct {
	rank, token int32
}

// scratch is what one goroutine needs to encode.
type scratch struct {
	words   map[string][]int32 // tokens of words seen lately
	symbols []symbol
	queue   pairQueue
}

// Words up to maxCached bytes are remembered, at most maxWords of them.
const (
	maxCached = 64
	maxWords  = 1 << 16
)

// setModel takes the vocabulary and the merges.
func (t *BPE) setModel(m *modelPart, spell speller) error {
	switch {
	case m.Dropout != nil && *m.Dropout != 0:
		return fmt.Errorf("its model drops merges at random (dropout), which gives other tokens each time")
	case m.Prefix != nil && *m.Prefix != "", m.Suffix != nil && *m.Suffix != "":
		return fmt.Errorf("its model marks words with a prefix or a suffix, which is not understood")
	case len(m.Vocab) == 0:
		return fmt.Errorf("its vocabulary is empty")
	}
	t.words, t.unknown = make(map[string]int32, len(m.Vocab)), -1
	t.fuseUnknown, t.ignoreMerges = m.FuseUnknown, m.IgnoreMerges
	for _, word := range byNumber(m.Vocab) {
		id := m.Vocab[word]
		if err := t.grow(id); err != nil {
			return err
		}
		if t.texts[id] != nil {
			return fmt.Errorf("two of its tokens have number %d", id)
		}
		t.texts[id] = spell(word)
		if key, ok := t.key(word); ok {
			t.words[key] = id
		}
	}
	if err := t.setMerges(m); err != nil {
		return err
	}
	for i := range t.bytes {
		t.bytes[i] = -1
		name := string([]byte{byte(i)})
		if !t.byteLevel {
			name = fmt.Sprintf("<0x%02X>", i)
		}
		if id, ok := t.words[name]; ok && (t.byteLevel || m.ByteFallback) {
			t.bytes[i] = id
		}
	}
	t.apart = t.standApart()
	if m.Unknown != nil {
		id, ok := m.Vocab[*m.Unknown]
		if !ok {
			return fmt.Errorf("its token for what is unknown, %.40q, is not in its vocabulary", *m.Unknown)
		}
		t.unknown = id
	}
	return nil
}

// setMerges takes the merges, the first one first.
func (t *BPE) setMerges(m *modelPart) error {
	t.merges = make(map[[2]int32]merged, len(m.Merges))
	for rank, pair := range m.Merges {
		a, okA := m.Vocab[pair[0]]
		b, okB := m.Vocab[pair[1]]
		c, okC := m.Vocab[pair[0]+pair[1]]
		if !okA || !okB || !okC {
			return fmt.Errorf("its merge %d, %.40q and %.40q, is not in its vocabulary", rank, pair[0], pair[1])
		}
		t.merges[[2]int32{a, b}] = merged{int32(rank), c}
	}
	return nil
}

// byNumber returns the words of a vocabulary in the order of their numbers.
func byNumber(vocab map[string]int32) []string {
	return slices.SortedFunc(maps.Keys(vocab), func(a, b string) int {
		return cmp.Or(cmp.Compare(vocab[a], vocab[b]), cmp.Compare(a, b))
	})
}

// key is how a word of the vocabulary is looked up: no two have the same. Text never
// is a word that is not in the spelling of a byte-level vocabulary.
func (t *BPE) key(word string) (string, bool) {
	if !t.byteLevel {
		return word, true
	}
	b, ok := unspell(word)
	return string(b), ok
}

// grow makes room for a token.
func (t *BPE) grow(id int32) error {
	if id < 0 || id >= maxTokens {
		return fmt.Errorf("a token has number %d, they can be 0 to %d", id, maxTokens-1)
	}
	for int(id) >= len(t.texts) {
		t.texts = append(t.texts, nil)
	}
	return nil
}

// Size implements [Tokenizer].
func (t *BPE) Size() int { return len(t.texts) }

// Decode implements [Tokenizer].
func (t *BPE) Decode(dst []byte, token int32) []byte {
	if token < 0 || int(token) >= len(t.texts) {
		return dst
	}
	return append(dst, t.texts[token]...)
}

// Between implements [Tokenizer]: the token for the end of a text, if there is one.
func (t *BPE) Between() []int32 {
	if t.between < 0 {
		return nil
	}
	return []int32{t.between}
}

// Encode implements [Tokenizer].
func (t *BPE) Encode(dst []int32, text []byte) ([]int32, error) {
	s, ok := t.pool.Get().(*scratch)
	if !ok {
		s = &scratch{words: map[string][]int32{}}
	}
	defer t.pool.Put(s)
	if !t.anyBytes {
		text = valid(text)
	}
	word := func(w []byte) {
		for t.apart && len(w) > 0 {
			n := beforeMark(w)
			dst = t.encodeWord(dst, w[:n], s)
			w = w[n:]
		}
		dst = t.encodeWord(dst, w, s)
	}
	normal := func(part []byte, first bool) error { return t.split(part, first, word) }
	take := func(id int32) { dst = append(dst, id) }
	err := t.raw.cut(text, true, take, func(part []byte, first bool) error {
		part, err := t.normalize(part, limitOf(len(part)))
		if err != nil {
			return err
		}
		return t.normal.cut(part, first, take, normal)
	})
	return dst, err
}

// encodeWord appends the tokens of a word.
func (t *BPE) encodeWord(dst []int32, word []byte, s *scratch) []int32 {
	if len(word) == 0 {
		return dst
	}
	if ids, ok := s.words[string(word)]; ok {
		return append(dst, ids...)
	}
	start := len(dst)
	if id, ok := t.words[string(word)]; ok && t.ignoreMerges {
		dst = append(dst, id)
	} else {
		t.spellOut(word, s)
		dst = t.join(dst, s)
	}
	if len(word) <= maxCached {
		if len(s.words) >= maxWords {
			clear(s.words)
		}
		s.words[string(word)] = append([]int32(nil), dst[start:]...)
	}
	return dst
}

// spellOut fills s.symbols with the smallest tokens of a word.
func (t *BPE) spellOut(word []byte, s *scratch) {
	s.symbols = s.symbols[:0]
	add := func(id int32) {
		n := len(s.symbols)
		s.symbols = append(s.symbols, symbol{id, n - 1, n + 1})
	}
	fuse := false // the symbol before is unknown
	for i := 0; i < len(word); {
		size := 1
		id, known := int32(-1), false
		if t.byteLevel {
			id = t.bytes[word[i]]
			known = id >= 0
		} else {
			_, size = utf8.DecodeRune(word[i:])
			if id, known = t.words[string(word[i:i+size])]; !known && t.fallBack(word[i:i+size], add) {
				i, fuse = i+size, false
				continue
			}
		}
		switch i += size; {
		case known:
			add(id)
		case t.unknown >= 0 && !(fuse && t.fuseUnknown):
			add(t.unknown)
		}
		fuse = !known
	}
}

// fallBack adds the tokens of the bytes of a character, if all have one.
func (t *BPE) fallBack(char []byte, add func(int32)) bool {
	for _, c := range char {
		if t.bytes[c] < 0 {
			return false
		}
	}
	for _, c := range char {
		add(t.bytes[c])
	}
	return true
}
