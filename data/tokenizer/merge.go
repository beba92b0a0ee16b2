package tokenizer

// This file holds merging: of all pairs that stand side by side, the one of the
// lowest rank becomes one token, the leftmost first, until there is none.

import "container/heap"

// symbol is a token of a word, between its neighbours.
type symbol struct {
	id         int32 // −1: it was merged into the one before
	prev, next int   // places in the word; −1 and its length are the ends
}

// candidate is a pair that may be merged: its left symbol's place, what both were.
type candidate struct {
	rank        int32
	at          int
	left, right int32
	token       int32
}

// pairQueue is a heap of candidates, the one to merge next on top.
type pairQueue []candidate

func (q pairQueue) Len() int { return len(q) }
func (q pairQueue) Less(i, j int) bool {
	return q[i].rank < q[j].rank || q[i].rank == q[j].rank && q[i].at < q[j].at
}
func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *pairQueue) Push(x any)   { *q = append(*q, x.(candidate)) }

// Pop implements heap.Interface.
func (q *pairQueue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	*q = (*q)[:last]
	return c
}

// shortWord is up to how many symbols looking at all pairs each time is faster
// than a heap.
const shortWord = 32

// join merges s.symbols and appends what is left.
func (t *BPE) join(dst []int32, s *scratch) []int32 {
	if len(s.symbols) > shortWord {
		return t.joinLong(dst, s)
	}
	w := s.symbols
	for {
		best, at := merged{rank: -1}, 0
		for i := range len(w) - 1 {
			if m, ok := t.merges[[2]int32{w[i].id, w[i+1].id}]; ok && (best.rank < 0 || m.rank < best.rank) {
				best, at = m, i
			}
		}
		if best.rank < 0 {
			break
		}
		w[at].id = best.token
		w = append(w[:at+1], w[at+2:]...)
	}
	for _, c := range w {
		dst = append(dst, c.id)
	}
	return dst
}

// joinLong does the same in n·log n steps.
func (t *BPE) joinLong(dst []int32, s *scratch) []int32 {
	w, q := s.symbols, &s.queue
	*q = (*q)[:0]
	look := func(i int) (c candidate, ok bool) {
		if i < 0 || w[i].next >= len(w) {
			return c, false
		}
		left, right := w[i].id, w[w[i].next].id
		m, ok := t.merges[[2]int32{left, right}]
		return candidate{m.rank, i, left, right, m.token}, ok
	}
	for i := range w {
		if c, ok := look(i); ok {
			*q = append(*q, c)
		}
	}
	heap.Init(q)
	for q.Len() > 0 {
		c := heap.Pop(q).(candidate)
		next := w[c.at].next
		if w[c.at].id != c.left || next >= len(w) || w[next].id != c.right {
			continue // one of the two was merged since
		}
		w[c.at].id, w[c.at].next = c.token, w[next].next
		w[next].id = -1
		if w[c.at].next < len(w) {
			w[w[c.at].next].prev = c.at
		}
		for _, i := range []int{w[c.at].prev, c.at} {
			if c, ok := look(i); ok {
				heap.Push(q, c)
			}
		}
	}
	for _, c := range w {
		if c.id >= 0 {
			dst = append(dst, c.id)
		}
	}
	return dst
}
