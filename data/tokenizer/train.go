package tokenizer

// This file holds training: the pair of tokens that stands side by side most often
// becomes a token, again and again (Sennrich, Haddow and Birch, "Neural Machine
// Translation of Rare Words with Subword Units", 2016, section 3.2), over bytes
// (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019).

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Bounds on the tokens of a trained vocabulary. The least has the token for the
// end of a text and one for each byte.
const (
	MinVocab = 257
	MaxVocab = 1 << 18
)

// EndOfText is the token that a trained tokenizer puts between documents: number 0.
const EndOfText = "<|endoftext|>"

// ErrFewWords says that a text has too few different words for a vocabulary.
var ErrFewWords = errors.New("the text is too short or too uniform for so many tokens")

// atLeast is how often a pair must stand in the text to become a token.
const atLeast = 2

// learner is a vocabulary being learnt.
type learner struct {
	texts  []string // of each token, in bytes
	ids    map[string]int32
	merges [][2]int32

	words  [][]int32 // the text's words, in tokens
	times  []int64   // how often each stands in the text
	counts map[[2]int32]int64
	where  map[[2]int32][]int32 // words that may hold the pair; ascending
	queue  frequentFirst
}

// Train returns the tokenizer.json of a byte-level BPE of so many tokens that was
// learnt from the counted words. The same words give the same bytes: pairs equally
// frequent go in the order of their numbers, as in the Python package tokenizers.
// After each new token it calls progress, if not nil. The count is not used up.
func (c *Count) Train(ctx context.Context, vocab int, progress func(done, total int)) ([]byte, error) {
	if vocab < MinVocab || vocab > MaxVocab {
		return nil, fmt.Errorf("train tokenizer: %d tokens, there can be %d to %d", vocab, MinVocab, MaxVocab)
	}
	l := newLearner(c)
	for len(l.texts) < vocab {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("train tokenizer: %w", err)
		}
		pair, ok := l.next()
		if !ok {
			return nil, fmt.Errorf("train tokenizer: %w: it is enough for %d", ErrFewWords, len(l.texts))
		}
		l.merge(pair)
		if progress != nil {
			progress(len(l.texts), vocab)
		}
	}
	return l.file(), nil
}

func newLearner(c *Count) *learner {
	l := &learner{ids: map[string]int32{}, counts: map[[2]int32]int64{}, where: map[[2]int32][]int32{}}
	l.texts = append(l.texts, EndOfText) // its bytes are no key in ids: no merge makes it
	order := make([]byte, 256)           // of the bytes, as their letters are ordered
	for i := range order {
		order[i] = byte(i)
	}
	slices.SortFunc(order, func(a, b byte) int { return int(letters[a] - letters[b]) })
	for _, b := range order {
		l.token(string([]byte{b}))
	}
	for _, w := range slices.Sorted(maps.Keys(c.words)) {
		tokens := make([]int32, len(w))
		for i := range tokens {
			tokens[i] = l.ids[w[i:i+1]]
		}
		l.words, l.times = append(l.words, tokens), append(l.times, int64(c.words[w]))
	}
	for i, w := range l.words {
		for j := 1; j < len(w); j++ {
			l.note([2]int32{w[j-1], w[j]}, int32(i), l.times[i])
		}
	}
	for pair, n := range l.counts {
		l.queue = append(l.queue, frequent{pair, n})
	}
	heap.Init(&l.queue)
	return l
}

// token returns the token of that text, made if need be.
func (l *learner) token(text string) int32 {
	id, ok := l.ids[text]
	if !ok {
		id = int32(len(l.texts))
		l.texts, l.ids[text] = append(l.texts, text), id
	}
	return id
}

// note counts a pair n times more in a word, or fewer.
func (l *learner) note(pair [2]int32, word int32, n int64) {
	l.counts[pair] += n
	if at := l.where[pair]; n > 0 && (len(at) == 0 || at[len(at)-1] != word) {
		l.where[pair] = append(at, word)
	}
}

// next returns the most frequent pair.
func (l *learner) next() (pair [2]int32, ok bool) {
	for l.queue.Len() > 0 {
		f := heap.Pop(&l.queue).(frequent)
		switch n := l.counts[f.pair]; {
		case n < atLeast:
		case n == f.times:
			return f.pair, true
		default: // it has become rarer since
			heap.Push(&l.queue, frequent{f.pair, n})
		}
	}
	return pair, false
}

// merge makes a token of the pair, wherever it stands.
func (l *learner) merge(pair [2]int32) {
	made := l.token(l.texts[pair[0]] + l.texts[pair[1]])
	l.merges = append(l.merges, pair)
	fresh := map[[2]int32]bool{}
	for _, i := range l.where[pair] {
		w := l.words[i]
		for j := 0; j+1 < len(w); j++ {
			if w[j] != pair[0] || w[j+1] != pair[1] {
				continue
			}
			change := func(old, fine [2]int32) {
				l.note(old, i, -l.times[i])
				l.note(fine, i, l.times[i])
				fresh[fine] = true
			}
			if j > 0 {
				change([2]int32{w[j-1], pair[0]}, [2]int32{w[j-1], made})
			}
			if j+2 < len(w) {
				change([2]int32{pair[1], w[j+2]}, [2]int32{made, w[j+2]})
			}
			w[j] = made
			w = append(w[:j+1], w[j+2:]...)
		}
		l.words[i] = w
	}
	delete(l.where, pair)
	delete(l.counts, pair)
	for pair := range fresh { // in any order: the queue orders them
		if n := l.counts[pair]; n > 0 {
			heap.Push(&l.queue, frequent{pair, n})
		}
	}
}

// frequent is a pair and how often it stood in the text when it was queued.
type frequent struct {
	pair  [2]int32
	times int64
}

// frequentFirst is a heap: the most frequent pair on top, of equals the one of the
// lowest numbers.
type frequentFirst []frequent

func (q frequentFirst) Len() int { return len(q) }
func (q frequentFirst) Less(i, j int) bool {
	if q[i].times != q[j].times {
		return q[i].times > q[j].times
	}
	return slices.Compare(q[i].pair[:], q[j].pair[:]) < 0
}
func (q frequentFirst) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *frequentFirst) Push(x any)   { *q = append(*q, x.(frequent)) }

// Pop implements heap.Interface.
func (q *frequentFirst) Pop() any {
	last := len(*q) - 1
	f := (*q)[last]
	*q = (*q)[:last]
	return f
}
