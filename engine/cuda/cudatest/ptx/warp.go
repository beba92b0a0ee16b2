package ptx

// This file holds a warp: which of its threads go on, and where.

import (
	"math/bits"
)

// mask names lanes of a warp.
type mask uint32

const all mask = 1<<lanes - 1

// each yields the lanes of a mask.
func (m mask) each(yield func(lane int) bool) {
	for ; m != 0; m &= m - 1 {
		if !yield(bits.TrailingZeros32(uint32(m))) {
			return
		}
	}
}

// warp is 32 threads.
type warp struct {
	*grid
	first   int // thread of the block
	regs    [][lanes]uint64
	pc      [lanes]int32
	live    mask   // that have not ended
	waiting mask   // for others, at an instruction that they have not executed
	stopped bool   // at the block's barrier
	syncs   uint64 // of the warp's own barriers
	local   [lanes][]byte
	copies  [lanes][]copying
	groups  [lanes]int // of copies, that were closed
}

// unset is what registers begin with: NaN, true, or the largest of all numbers.
var unset = func() (r [lanes]uint64) {
	for lane := range r {
		r[lane] = ^uint64(0)
	}
	return r
}()

func newWarp(g *grid, number int) *warp {
	w := &warp{grid: g, first: number * lanes, regs: make([][lanes]uint64, g.kernel.regs)}
	for i, v := range g.kernel.consts {
		for lane := range lanes {
			w.regs[g.kernel.regs-len(g.kernel.consts)+i][lane] = v
		}
	}
	for lane := range lanes {
		w.local[lane] = make([]byte, g.kernel.local.bytes)
	}
	return w
}

// begin makes the warp one of the block that begins.
func (w *warp) begin() {
	own := w.kernel.regs - len(w.kernel.consts)
	for r := range w.regs[:own-len(w.kernel.special)] {
		w.regs[r] = unset
	}
	for i, s := range w.kernel.special {
		for lane := range lanes {
			w.regs[own-len(w.kernel.special)+i][lane] = specials[s](w.grid, w.first+lane)
		}
	}
	for lane := range lanes {
		w.pc[lane], w.copies[lane], w.groups[lane] = 0, nil, 0
	}
	w.live, w.waiting, w.stopped = all, 0, false
}

// blocked tells whether the warp has ended or waits for the block.
func (w *warp) blocked() bool { return w.live == 0 || w.stopped }

// pass lets it go on behind the block's barrier.
func (w *warp) pass() {
	w.stopped, w.waiting = false, 0
	for lane := range lanes {
		w.pc[lane]++
	}
}

func (w *warp) fault(lane int, why string) *Fault {
	return &Fault{w.kernel.Name, w.kernel.code[w.pc[lane]].text, w.id, w.first + lane, why}
}

// next returns the lanes that are furthest behind of those that do not wait, with all at
// that place, and the next place where others are.
func (w *warp) next() (m mask, stop int32) {
	at := int32(1<<31 - 1)
	for lane := range (w.live &^ w.waiting).each {
		at = min(at, w.pc[lane])
	}
	stop = 1<<31 - 1
	for lane := range w.live.each {
		switch pc := w.pc[lane]; {
		case pc == at:
			m |= 1 << lane
		case pc > at:
			stop = min(stop, pc)
		}
	}
	return m, stop
}

// step runs one stretch of code: to where threads part, meet or wait.
func (w *warp) step() *Fault {
	if w.live == w.waiting {
		lane := bits.TrailingZeros32(uint32(w.live))
		return w.fault(lane, "waits for threads of its warp that never come")
	}
	m, stop := w.next()
	lane := bits.TrailingZeros32(uint32(m))
	pc := w.pc[lane]
	for {
		in := &w.kernel.code[pc]
		on := w.guarded(in, m)
		w.Stats.instruction(on)
		switch in.kind {
		case branch:
			for lane := range m.each {
				if w.pc[lane] = pc + 1; on>>lane&1 == 1 {
					w.pc[lane] = in.target
				}
			}
			return nil
		case leave:
			w.live &^= on
			for lane := range m.each {
				w.pc[lane] = pc + 1
			}
			return nil
		case together, barrier:
			return w.meet(in, m, on, pc)
		}
		if on != 0 {
			if f := in.run(w, in, on); f != nil {
				return f
			}
		}
		pc++
		for lane := range m.each {
			w.pc[lane] = pc
		}
		if pc >= stop {
			return nil
		}
	}
}

// guarded returns the lanes of m that execute an instruction.
func (w *warp) guarded(in *instr, m mask) mask {
	if in.guard == none {
		return m
	}
	var on mask
	p := &w.regs[in.guard]
	for lane := range m.each {
		if (p[lane] != 0) != in.unless {
			on |= 1 << lane
		}
	}
	return on
}

// meet executes an instruction for which lanes wait for each other, once all are there.
func (w *warp) meet(in *instr, m, on mask, pc int32) *Fault {
	if on != m {
		return w.fault(bits.TrailingZeros32(uint32(m)), "threads of a warp work together under a condition that they do not share")
	}
	want := all
	if in.kind == together && in.typ.size == 0 {
		members := &w.regs[in.src[len(in.src)-1]]
		want = mask(members[bits.TrailingZeros32(uint32(m))])
		for lane := range m.each {
			if mask(members[lane]) != want || want>>lane&1 == 0 {
				return w.fault(lane, "threads of a warp name different threads to work with")
			}
		}
	}
	if want&^w.live != 0 {
		return w.fault(bits.TrailingZeros32(uint32(m)), "works with threads of its warp that have ended")
	}
	if w.waiting |= m; want&^m != 0 {
		return nil
	}
	if in.kind == barrier {
		w.stopped = true
		return nil
	}
	w.waiting &^= m
	if f := in.run(w, in, m); f != nil {
		return f
	}
	for lane := range m.each {
		w.pc[lane] = pc + 1
	}
	return nil
}
