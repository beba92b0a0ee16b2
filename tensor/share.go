package tensor

// This file holds how chunks are shared by cores.

import (
	"iter"
	"runtime"
	"sync"
)

// minShare is the least number of chunks worth a core of their own.
const minShare = 64

// Shares returns among how many cores the chunks of l are worth sharing, at least 1.
func (l Layout) Shares() int {
	return max(1, min(runtime.GOMAXPROCS(0), l.NumChunks()/minShare))
}

// Share calls f for each of num shares, all at the same time, and returns when they are
// done: share i has the chunks of l numbered from first to before end, which come after those
// of share i-1, and all shares have all chunks.
func (l Layout) Share(num int, f func(i, first, end int)) {
	all := l.NumChunks()
	var wait sync.WaitGroup
	for i := range num { // each ends with its chunks
		wait.Go(func() { f(i, all*i/num, all*(i+1)/num) })
	}
	wait.Wait()
}

// Numbered yields the chunks numbered from first to before end, of at most NumChunks.
func (l Layout) Numbered(first, end int) iter.Seq[Chunk] {
	return func(yield func(Chunk) bool) {
		for t, before := 0, 0; before < end; t++ {
			num := l.NumChunksOf(t)
			for i := max(0, first-before); i < min(num, end-before); i++ {
				if !yield(l.chunkAt(t, i)) {
					return
				}
			}
			before += num
		}
	}
}
