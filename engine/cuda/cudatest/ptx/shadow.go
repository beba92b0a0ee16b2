package ptx

// This file holds who touched memory last, to find races.

import "fmt"

// stamp is a thread and its time: block, thread, barriers of the block and of the warp that
// it has passed. 0 is never.
type stamp struct {
	block  int32
	thread int32
	time   uint64 // barriers of the block, counted over all blocks; from 1
	syncs  uint64
}

func (w *warp) stamp(lane int) stamp {
	return stamp{int32(w.number), int32(w.first + lane), w.barriers, w.syncs}
}

// before tells whether what happened at s lies before what t does now.
func (s stamp) before(t *stamp) bool {
	switch {
	case s.time == 0 || s.block == t.block && s.thread == t.thread:
		return true
	case s.block != t.block:
		return false
	case s.time != t.time:
		return true
	}
	return s.thread/lanes == t.thread/lanes && s.syncs != t.syncs
}

// cell is what is known of a few bytes.
type cell struct {
	write, read, other, atomic stamp // read and other are of different threads
	block                      int32 // that these are of, where memory is fresh
}

// shadow is what is known of memory.
type shadow struct {
	grain uint64 // bytes of a cell
	fresh bool   // each block begins with memory that nobody has touched
	pages map[uint64]*[page]cell
	last  *[page]cell // the page asked for last
	which uint64      // its number
}

const page = 256 // cells

// newShadow returns one for memory of which at least grain bytes are touched at once; no
// grain is none.
func newShadow(grain int, fresh bool) shadow {
	return shadow{grain: uint64(grain), fresh: fresh, pages: map[uint64]*[page]cell{}}
}

func (s *shadow) cell(at uint64) *cell {
	n := at / s.grain
	if s.last == nil || s.which != n/page {
		s.which = n / page
		if s.last = s.pages[s.which]; s.last == nil {
			s.last = new([page]cell)
			s.pages[s.which] = s.last
		}
	}
	return &s.last[n%page]
}

// how memory is touched.
type how byte

const (
	reads how = iota
	writes
	atomically
)

// touch notes that n bytes are touched, and says what is wrong with that.
func (s *shadow) touch(at, n uint64, by stamp, h how) string {
	for ; n > 0; at, n = at+s.grain, n-s.grain {
		c := s.cell(at)
		if s.fresh && c.block != by.block {
			*c = cell{block: by.block}
		}
		with := func(x stamp, did string) string {
			return fmt.Sprintf("a race at %#x: thread %d of block %d %s it, and no barrier lies between", at, x.thread, x.block, did)
		}
		if !c.write.before(&by) {
			return with(c.write, "wrote")
		}
		if h != atomically && !c.atomic.before(&by) {
			return with(c.atomic, "changed")
		}
		if h != reads {
			if !c.read.before(&by) {
				return with(c.read, "read")
			}
			if !c.other.before(&by) {
				return with(c.other, "read")
			}
		}
		switch h {
		case reads:
			if c.read.thread != by.thread || c.read.block != by.block {
				// Of another warp, if there is one: its barrier orders less.
				if c.read.time != 0 && (c.other.time == 0 || c.other.before(&by) || c.read.thread/lanes != by.thread/lanes) {
					c.other = c.read
				}
			}
			c.read = by
		case writes:
			c.write = by
		case atomically:
			c.atomic = by
		}
	}
	return ""
}
