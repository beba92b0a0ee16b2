package tokenizer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// trained returns a tokenizer of so many tokens that was learnt from text.
func trained(t *testing.T, text string, vocab int) ([]byte, *BPE) {
	t.Helper()
	c := NewCount()
	c.Add([]byte(text))
	b, err := c.Train(t.Context(), vocab, nil)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return b, tok
}

// slowTrain is the plain loop that training must match: it counts all pairs anew
// for each token.
func slowTrain(text string, vocab int) (merges []string) {
	words := map[string]int64{}
	for _, w := range words2(text) {
		words[w]++
	}
	l := newLearner(&Count{words: map[string]uint64{}})
	var seqs [][]int32
	var times []int64
	for _, w := range slices.Sorted(maps.Keys(words)) {
		var s []int32
		for i := range len(w) {
			s = append(s, l.ids[w[i:i+1]])
		}
		seqs, times = append(seqs, s), append(times, words[w])
	}
	for len(l.texts) < vocab {
		counts := map[[2]int32]int64{}
		for i, s := range seqs {
			for j := 1; j < len(s); j++ {
				counts[[2]int32{s[j-1], s[j]}] += times[i]
			}
		}
		var best [2]int32
		var most int64
		for pair, n := range counts {
			if n > most || n == most && slices.Compare(pair[:], best[:]) < 0 {
				best, most = pair, n
			}
		}
		if most < atLeast {
			break
		}
		made := l.token(l.texts[best[0]] + l.texts[best[1]])
		merges = append(merges, fmt.Sprint(best))
		for i, s := range seqs {
			for j := 0; j+1 < len(s); j++ {
				if s[j] == best[0] && s[j+1] == best[1] {
					s[j] = made
					s = slices.Delete(s, j+1, j+2)
				}
			}
			seqs[i] = s
		}
	}
	return merges
}

func words2(text string) []string { return words(splitGPT2, []byte(text)) }

// nonsense is text of few letters, so that pairs overlap and counts are equal.
func nonsense(seed uint64, num int) string {
	rng := rand.New(rand.NewPCG(seed, 3))
	var b strings.Builder
	for range num {
		b.WriteByte("aaabbc  \n"[rng.IntN(9)])
	}
	return b.String()
}

func TestTrainingIsThePlainLoop(t *testing.T) {
	for seed := range uint64(30) {
		text := nonsense(seed, 400)
		want := slowTrain(text, 300)
		c := NewCount()
		c.Add([]byte(text))
		l := newLearner(c)
		var got []string
		for len(l.texts) < 300 {
			pair, ok := l.next()
			if !ok {
				break
			}
			l.merge(pair)
			got = append(got, fmt.Sprint(pair))
		}
		if !slices.Equal(got, want) || len(got) < 20 {
			t.Fatalf("seed %d: %d merges %v,\nwant %d %v", seed, len(got), got, len(want), want)
		}
	}
}

// Training finds the vocabulary that the Python package finds.
func TestTrainingIsThatOfPython(t *testing.T) {
	a := readAnswers(t)
	c := NewCount()
	for _, text := range a.Cases {
		if len(text) < 900 {
			c.Add([]byte(text))
		}
	}
	b, err := c.Train(t.Context(), len(a.Vocab), nil)
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	if len(a.Merges) < 100 || !slices.Equal(f.Model.Merges, a.Merges) || !maps.Equal(f.Model.Vocab, a.Vocab) {
		t.Errorf("%d merges, want %d:\n%v\n%v", len(f.Model.Merges), len(a.Merges), f.Model.Merges, a.Merges)
	}
}

// The same words give the same file, whatever the order they came in.
func TestTrainingIsDeterministic(t *testing.T) {
	text := nonsense(7, 3000)
	want, tok := trained(t, text, 320)
	if tok.Size() != 320 || !slices.Equal(tok.Between(), []int32{0}) {
		t.Errorf("%d tokens, %v between", tok.Size(), tok.Between())
	}
	all := words2(text)
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 9))
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		one, two := NewCount(), NewCount()
		for i, w := range all {
			[]*Count{one, two}[i%2].Add([]byte(w))
		}
		one.Merge(two)
		got, err := one.Train(t.Context(), 320, nil)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("another order makes another file (%v)", err)
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	c := NewCount()
	c.Add([]byte("a b a b"))
	for _, vocab := range []int{0, MinVocab - 1, MaxVocab + 1} {
		if _, err := c.Train(t.Context(), vocab, nil); err == nil {
			t.Errorf("%d tokens were learnt", vocab)
		}
	}
	if _, err := c.Train(t.Context(), 400, nil); !errors.Is(err, ErrFewWords) {
		t.Errorf("got %v", err)
	}
	if b, err := c.Train(t.Context(), MinVocab, nil); err != nil || len(b) == 0 {
		t.Errorf("bytes alone: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Train(ctx, 400, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Rare words are forgotten where there are too many, and long ones never counted.
func TestCountsAreBounded(t *testing.T) {
	c := NewCount()
	c.Add([]byte(strings.Repeat("x", maxCountedLen+1)))
	if c.Words() != 0 {
		t.Error("a long word was counted")
	}
	for i := range maxCounted {
		c.words[fmt.Sprint(i)] = 1 + uint64(i%2)
	}
	c.Add([]byte("more"))
	if c.Words() != maxCounted/2 {
		t.Errorf("%d words are kept", c.Words())
	}
}

func FuzzTrain(f *testing.F) {
	f.Add([]byte("the cat sat on the mat, the cat"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := NewCount()
		c.Add(text)
		b, err := c.Train(t.Context(), 270, nil)
		if err != nil {
			return
		}
		tok, err := Parse(b)
		if err != nil || tok.Size() != 270 {
			t.Fatal(err)
		}
		ids, err := tok.Encode(nil, text)
		var back []byte
		for _, id := range ids {
			back = tok.Decode(back, id)
		}
		if err != nil || !bytes.Equal(back, text) {
			t.Fatalf("%q became %q: %v", text, back, err)
		}
	})
}
