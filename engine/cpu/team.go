package cpu

// This file holds how work is shared between threads.

import "sync"

// team is the number of goroutines that work at once, at least one.
type team int

// split calls work for disjoint ranges that cover 0 to n, and returns when all
// are done. Each range but the last starts and ends at a multiple of grain; each
// call has its own member number, below the team's size.
func (t team) split(n, grain int, work func(member, lo, hi int)) {
	units := (n + grain - 1) / grain
	members := min(int(t), units)
	if members <= 1 {
		if n > 0 {
			work(0, 0, n)
		}
		return
	}
	var done sync.WaitGroup
	for w := range members {
		lo, hi := units*w/members*grain, min(n, units*(w+1)/members*grain)
		done.Go(func() { work(w, lo, hi) }) // ends with its range
	}
	done.Wait()
}
