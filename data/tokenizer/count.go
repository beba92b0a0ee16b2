package tokenizer

// This file holds counting the words of a text that a BPE is trained on.

// Bounds on what is counted: longer words are left out; with more different ones
// the rarest are forgotten.
const (
	maxCountedLen = 256 // bytes
	maxCounted    = 1 << 20
)

// Count is how often each word stands in a text, cut as GPT-2 does.
type Count struct {
	words map[string]uint64
	floor uint64 // words with no more were forgotten
}

// NewCount returns a count of nothing.
func NewCount() *Count { return &Count{words: map[string]uint64{}} }

// Add counts the words of text.
func (c *Count) Add(text []byte) {
	_ = splitGPT2(text, true, func(w []byte) { // never fails
		if len(w) <= maxCountedLen {
			c.words[string(w)]++
		}
	})
	c.bound()
}

// Merge adds what another count has. The result depends on the order of merging
// only where words are so many that rare ones are forgotten.
func (c *Count) Merge(o *Count) {
	for w, n := range o.words {
		c.words[w] += n
	}
	c.bound()
}

// Words returns the number of different words.
func (c *Count) Words() int { return len(c.words) }

// bound forgets the rarest words until there are few enough.
func (c *Count) bound() {
	for len(c.words) > maxCounted {
		c.floor++
		for w, n := range c.words {
			if n <= c.floor {
				delete(c.words, w)
			}
		}
	}
}
