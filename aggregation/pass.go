package aggregation

// This file holds a pass: going over all chunks of a merge, window by window and
// on all cores.

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"

	"lode/gradient"
	"lode/tensor"
)

// pass says what is done with each chunk. prepare and finish are called for one
// chunk at a time in the order of the layout, work for several at the same time
// and in any order; leave is called at the end, for one core at a time. All but
// work may be nil.
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
	vals    [tensor.ChunkLen]int64
	planes  [][]int64
	digests [][sha256.Size]byte // of each row
	out     chunkBytes
}

// lane is the scratch space of one core.
type lane struct {
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
	lanes := make([]lane, max(1, min(runtime.GOMAXPROCS(0), l.NumChunks()/batchPerLane)))
	slots := make([]slot, min(len(lanes)*batchPerLane, max(1, l.NumChunks())))
	parts := make([]*gradient.Part, len(m.plan.from))
	for i := range lanes {
		lanes[i].rows = chunkRows{from: m.plan.from, unit: m.cfg.Unit, parts: parts}
	}
	n := 0
	for c := range l.Chunks() {
		slots[n].chunk = c
		if n++; n == len(slots) {
			if err := m.batch(p, slots, lanes, parts); err != nil {
				return err
			}
			n = 0
		}
	}
	if err := m.batch(p, slots[:n], lanes, parts); err != nil {
		return err
	}
	for i := range lanes {
		if p.leave != nil {
			p.leave(&lanes[i])
		}
	}
	return nil
}

// batch fills slots in order, has the lanes work on them, and takes the results
// in order.
func (m *merger) batch(p pass, slots []slot, lanes []lane, parts []*gradient.Part) error {
	if len(slots) == 0 {
		return nil
	}
	for w, from := range m.plan.from {
		var err error
		if parts[w], err = from.Update.Load(slots[0].chunk, slots[len(slots)-1].chunk, parts[w]); err != nil {
			return fmt.Errorf("aggregation: contribution %d: %w", w, err)
		}
	}
	if err := each(slots, p.prepare); err != nil {
		return err
	}
	var wait sync.WaitGroup
	for i := range lanes {
		wait.Go(func() { // ends with its share of the slots
			for j := i; j < len(slots); j += len(lanes) {
				lanes[i].rows.chunk = slots[j].chunk
				p.work(&slots[j], &lanes[i])
			}
		})
	}
	wait.Wait()
	return each(slots, p.finish)
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
