package cpu

// This file holds how work is shared between threads.

import (
	"sync"
	"sync/atomic"
)

// team is the goroutines that work on one step: the caller and, between begin and
// end, its helpers. It belongs to one engine; calls must not overlap.
type team struct {
	size    int        // at least one
	panels  []float32  // where products keep the operand that all read
	mixed   bool       // large products round their operands to bf16
	pairs   []uint32   // panels of such a product
	library Multiplier // multiplies large matrices; nil: package kernel does
	helpers []*helper  // of a step under way
	all     sync.WaitGroup
	job     atomic.Pointer[job]
}

// partsEach is how many parts a member has on average, so that one whom the system
// keeps waiting leaves its parts to the others.
const partsEach = 4

// split calls work for disjoint ranges that cover 0 to n, and returns when all
// are done. Each range but the last starts and ends at a multiple of grain. Calls at
// the same time have different member numbers, below the team's size.
func (t *team) split(n, grain int, work func(member, lo, hi int)) {
	units := (n + grain - 1) / grain
	part := max(1, units/(partsEach*t.size)) * grain
	if t.size == 1 {
		part = max(n, 1)
	}
	t.share((n+part-1)/part, func(member, i int) { work(member, i*part, min(n, (i+1)*part)) })
}

// share calls work for each of n parts, in any order.
func (t *team) share(n int, work func(member, part int)) {
	if len(t.helpers) == 0 || n == 1 {
		for i := range n {
			work(0, i)
		}
		return
	}
	j := &job{work: work, parts: int64(n), done: make(chan struct{})}
	t.job.Store(j)
	for _, h := range t.helpers {
		h.wake()
	}
	j.take(0)
	j.wait()
}

// job is work that is shared.
type job struct {
	work  func(member, part int)
	parts int64
	next  atomic.Int64  // first part that nobody has taken
	ended atomic.Int64  // parts that are done
	done  chan struct{} // closed with the last one
}

// take does parts until none is left.
func (j *job) take(member int) {
	for {
		i := j.next.Add(1) - 1
		if i >= j.parts {
			return
		}
		j.work(member, int(i))
		if j.ended.Add(1) == j.parts {
			close(j.done)
		}
	}
}

func (j *job) wait() {
	for range patience {
		if j.ended.Load() == j.parts {
			return
		}
	}
	<-j.done
}

// patience is how often a member looks for what it waits for before it sleeps:
// some ten microseconds, less than it takes to be woken. Most of the time the next
// job is there sooner.
const patience = 1 << 14

// helper is a goroutine that waits for jobs.
type helper struct {
	asleep atomic.Bool
	bell   chan struct{} // wakes it; holds one
}

func (h *helper) wake() {
	if h.asleep.CompareAndSwap(true, false) {
		h.bell <- struct{}{}
	}
}

// begin starts the helpers, who end with end.
func (t *team) begin() {
	t.job.Store(nil)
	for member := 1; member < t.size; member++ {
		h := &helper{bell: make(chan struct{}, 1)}
		t.helpers = append(t.helpers, h)
		t.all.Go(func() { t.help(member, h) }) // ends with end
	}
}

// end sends the helpers home and waits until they are.
func (t *team) end() {
	t.job.Store(&job{})
	for _, h := range t.helpers {
		h.wake()
	}
	t.helpers = nil
	t.all.Wait()
}

// help does parts of one job after the other, up to the one without work.
func (t *team) help(member int, h *helper) {
	var last *job
	for {
		j := t.await(last, h)
		if j.work == nil {
			return
		}
		j.take(member)
		last = j
	}
}

// await returns the job after last.
func (t *team) await(last *job, h *helper) *job {
	for {
		for range patience {
			if j := t.job.Load(); j != last {
				return j
			}
		}
		h.asleep.Store(true)
		if t.job.Load() == last || !h.asleep.CompareAndSwap(true, false) {
			<-h.bell // a job came, or comes
		}
	}
}
