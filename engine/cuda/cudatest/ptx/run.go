package ptx

// This file holds how a grid is run: block after block, the warps of a block in turns.

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Launch is what a grid is run with.
type Launch struct {
	Grid, Block [3]int
	Dynamic     int    // bytes of dynamic shared memory
	Args        []byte // as the driver takes them: one after the other, each aligned
	Memory      Memory // all that is global
	Seed        uint64 // of the order of blocks and warps
	Stats       *Stats // to be added to, or nil
}

// Fault is why a launch ended.
type Fault struct {
	Kernel, Instruction string
	Block               [3]int
	Thread              int // within the block
	Why                 string
}

// Error implements error.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s, block %v, thread %d: %s: %s", f.Kernel, f.Block, f.Thread, f.Instruction, f.Why)
}

// lanes of a warp.
const lanes = 32

// grid is a launch that runs, block after block.
type grid struct {
	Launch
	kernel   *Kernel
	chance   *rand.Rand
	id       [3]int // of the block
	number   int    // of the block
	threads  int    // of a block
	barriers uint64 // that were passed, of all blocks so far
	shared   []byte
	narrow   shadow // of shared memory
	wide     shadow // of global memory
	warps    []*warp
}

// Run runs a grid. An error is a *Fault if the kernel is to blame.
func (k *Kernel) Run(l Launch) error {
	threads := l.Block[0] * l.Block[1] * l.Block[2]
	switch {
	case len(l.Args) != k.params.bytes:
		return fmt.Errorf("ptx: %s takes %d bytes of arguments, not %d", k.Name, k.params.bytes, len(l.Args))
	case threads%lanes != 0 || threads < 1 || threads > 1024 || k.Threads > 0 && threads > k.Threads:
		return fmt.Errorf("ptx: %s in blocks of %d threads", k.Name, threads)
	}
	g := &grid{
		Launch: l, kernel: k, threads: threads, chance: rand.New(rand.NewPCG(l.Seed, 0)),
		shared: make([]byte, (k.shared.bytes+15)/16*16+l.Dynamic),
		narrow: newShadow(k.least(shared), true), wide: newShadow(k.least(global), false),
	}
	for n := range threads / lanes {
		g.warps = append(g.warps, newWarp(g, n))
	}
	for _, i := range g.chance.Perm(l.Grid[0] * l.Grid[1] * l.Grid[2]) {
		g.number, g.id = i, [3]int{i % l.Grid[0], i / l.Grid[0] % l.Grid[1], i / (l.Grid[0] * l.Grid[1])}
		if f := g.block(); f != nil {
			return f
		}
	}
	return nil
}

// slice is how many stretches of code a warp runs at most before another's turn.
const slice = 64

// block runs one block to its end.
func (g *grid) block() *Fault {
	g.barriers++
	for i := range g.shared {
		g.shared[i] = 0xff // NaN
	}
	for _, w := range g.warps {
		w.begin()
	}
	for {
		ran := false
		for _, i := range g.chance.Perm(len(g.warps)) {
			w := g.warps[i]
			for n := 1 + g.chance.IntN(slice); n > 0 && !w.blocked(); n-- {
				ran = true
				if f := w.step(); f != nil {
					return f
				}
			}
		}
		if ran {
			continue
		}
		if done, f := g.release(); done || f != nil {
			return f
		}
	}
}

// release lets warps go on that all wait at the block's barrier. It says whether all have
// ended.
func (g *grid) release() (done bool, f *Fault) {
	at := -1
	for _, w := range g.warps {
		switch {
		case w.live == 0:
			done = true
		case at >= 0 && int(w.pc[0]) != at:
			return false, w.fault(0, "warps of the block wait at different barriers")
		default:
			at = int(w.pc[0])
		}
	}
	if at < 0 {
		return true, nil
	}
	g.barriers++
	for _, w := range g.warps {
		if done && w.live != 0 {
			return false, w.fault(0, "waits for threads that have ended")
		}
		w.pass()
	}
	return false, nil
}

// specials are what the hardware fills a register with.
var specials = map[special]func(g *grid, thread int) uint64{
	"%tid.x":    func(g *grid, t int) uint64 { return uint64(t % g.Block[0]) },
	"%tid.y":    func(g *grid, t int) uint64 { return uint64(t / g.Block[0] % g.Block[1]) },
	"%tid.z":    func(g *grid, t int) uint64 { return uint64(t / (g.Block[0] * g.Block[1])) },
	"%ntid.x":   func(g *grid, _ int) uint64 { return uint64(g.Block[0]) },
	"%ntid.y":   func(g *grid, _ int) uint64 { return uint64(g.Block[1]) },
	"%ntid.z":   func(g *grid, _ int) uint64 { return uint64(g.Block[2]) },
	"%ctaid.x":  func(g *grid, _ int) uint64 { return uint64(g.id[0]) },
	"%ctaid.y":  func(g *grid, _ int) uint64 { return uint64(g.id[1]) },
	"%ctaid.z":  func(g *grid, _ int) uint64 { return uint64(g.id[2]) },
	"%nctaid.x": func(g *grid, _ int) uint64 { return uint64(g.Grid[0]) },
	"%nctaid.y": func(g *grid, _ int) uint64 { return uint64(g.Grid[1]) },
	"%nctaid.z": func(g *grid, _ int) uint64 { return uint64(g.Grid[2]) },
	"%laneid":   func(_ *grid, t int) uint64 { return uint64(t % lanes) },
}

// word reads a little-endian number of 1, 2, 4 or 8 bytes.
func word(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// setWord writes one.
func setWord(b []byte, v uint64) {
	switch len(b) {
	case 1:
		b[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(v))
	default:
		binary.LittleEndian.PutUint64(b, v)
	}
}
