package aggregation

// This file holds a pass: going over all chunks of a merge, window by window and
// on all cores.

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"lode/gradient"
	"lode/tensor"
)

// pass says what is done with each chunk. prepare and finish are called for one
// chunk at a time in the order of the layout, work for several at the same time
// and in any order, of other chunks than finish; leave is called at the end, for one
// core at a time. All but work may be nil.
type pass struct {
	prepare func(*slot) error
	work    func(*slot, *lane)
	finish  func(*slot) error
	leave   func(*lane)
}

// batchPerLane is the number of chunks a core works on between two visits to
// state and contributions. It bounds memory and changes no result.
const batchPerLane = 16

// slot holds one chunk on its way.
type slot struct {
	chunk   tensor.Chunk
	planes  [][]int64
	digests [][sha256.Size]byte // of each row
	out     chunkBytes
}

// lane is the scratch space of one core.
type lane struct {
	vals    [tensor.ChunkLen]int64 // of the chunk at work
	rows    chunkRows
	blended blendedRows
	scratch scratch
	halves  halves
	gram    *gramSums
}

// table returns the rows of the chunk at work, or blends of them.
func (ln *lane) table(blends []blend) table {
	if blends == nil {
		return &ln.rows
	}
	b := &ln.blended
	b.blends, b.of, b.len, b.sums = blends, &ln.rows, ln.rows.chunk.Len, &ln.scratch.sums
	return b
}

// run makes one pass over all chunks.
func (m *merger) run(p pass) error {
	l := m.layout
	w := &walk{pass: p, from: m.plan.from, parts: make([]*gradient.Part, len(m.plan.from))}
	w.lanes = make([]lane, max(1, min(runtime.GOMAXPROCS(0), l.NumChunks()/batchPerLane)))
	for i := range w.lanes {
		w.lanes[i].rows = chunkRows{from: m.plan.from, unit: m.cfg.Unit, parts: w.parts}
	}
	size := min(len(w.lanes)*batchPerLane, max(1, l.NumChunks()))
	slots, done := make([]slot, size), make([]slot, size)
	n := 0
	for c := range l.Chunks() {
		slots[n].chunk = c
		if n++; n == size {
			if err := w.batch(slots); err != nil {
				return err
			}
			slots, done, n = done, slots, 0
		}
	}
	if err := w.batch(slots[:n]); err != nil {
		return err
	}
	if err := each(w.worked, p.finish); err != nil {
		return err
	}
	for i := range w.lanes {
		if p.leave != nil {
			p.leave(&w.lanes[i])
		}
	}
	return nil
}

// walk is a pass on its way.
type walk struct {
	pass
	from   []Contribution
	parts  []*gradient.Part // of each contribution, for the batch at work
	lanes  []lane
	worked []slot // the batch before, not yet finished
}

// batch reads what slots need, in their order, finishes the batch before, in order,
// and has the lanes work on the slots meanwhile.
func (w *walk) batch(slots []slot) error {
	if len(slots) == 0 {
		return nil
	}
	if err := w.load(slots[0].chunk, slots[len(slots)-1].chunk); err != nil {
		return err
	}
	if err := each(slots, w.prepare); err != nil {
		return err
	}
	err := w.spread(len(slots), func() error { return each(w.worked, w.finish) }, func(i int, ln *lane) {
		ln.rows.chunk = slots[i].chunk
		w.work(&slots[i], ln)
	})
	w.worked = slots
	return err
}

// load reads of each contribution the chunks from first to last.
func (w *walk) load(first, last tensor.Chunk) error {
	errs := make([]error, len(w.from))
	_ = w.spread(len(w.from), func() error { return nil }, func(i int, _ *lane) {
		w.parts[i], errs[i] = w.from[i].Update.Load(first, last, w.parts[i])
	})
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("aggregation: contribution %d: %w", i, err)
		}
	}
	return nil
}

// spread calls work for each of n pieces, whichever lane is free next, while the
// caller's, the first, begins with own and returns its error.
func (w *walk) spread(n int, own func() error, work func(i int, ln *lane)) error {
	var next atomic.Int64
	lead := func(ln *lane) {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			work(i, ln)
		}
	}
	var wait sync.WaitGroup
	for i := 1; i < min(len(w.lanes), n); i++ {
		wait.Go(func() { lead(&w.lanes[i]) }) // ends when no piece is left
	}
	err := own()
	lead(&w.lanes[0])
	wait.Wait()
	return err
}

// each calls visit, unless it is nil, for one slot after another.
func each(slots []slot, visit func(*slot) error) error {
	if visit == nil {
		return nil
	}
	for i := range slots {
		if err := visit(&slots[i]); err != nil {
			return err
		}
	}
	return nil
}
