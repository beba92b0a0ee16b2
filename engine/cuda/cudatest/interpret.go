package cudatest

// This file holds how kernels run as PTX.

import (
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"lode/engine/cuda/cudatest/ptx"
	"lode/engine/cuda/kernels"
)

// interpreted is what the library asks; fake/interpret.cpp has the same.
type interpreted struct {
	name          *byte
	grid, block   [3]uint64
	dynamic       uint64
	arguments     *byte
	argumentBytes uint64
	spans         *span
	numSpans      uint64
	why           *byte
	room          uint64
}

type span struct {
	address *byte
	bytes   uint64
}

// programs returns the kernels that train, by name.
var programs = sync.OnceValues(func() (map[string]*ptx.Kernel, error) {
	all := map[string]*ptx.Kernel{}
	for _, name := range kernels.Names() {
		m, err := ptx.Parse(kernels.PTX(name))
		if err != nil {
			return nil, err
		}
		for k := range m.Kernels {
			all[k] = m.Kernels[k]
		}
	}
	return all, nil
})

// interpreter is what a test has asked for.
var interpreter struct {
	sync.Mutex
	stats map[string]*ptx.Stats
	seed  uint64
}

// callback is made once: there is room for few.
var callback = sync.OnceValue(func() uintptr { return newCallback(interpretation) })

// asPTX is how many tests that run have asked for it.
var asPTX atomic.Int32

// AsPTX has [Use] call [Card.Interpret] in this test and those within. $LODE_PTX=1 does so in
// all tests, which takes minutes.
func AsPTX(t testing.TB) {
	asPTX.Add(1)
	t.Cleanup(func() { asPTX.Add(-1) })
}

// Interpret has the kernels that train run as PTX from now on, by package ptx, until the test
// ends. It counts into stats, by kernel; nil counts nothing.
func (c *Card) Interpret(stats map[string]*ptx.Stats) {
	c.t.Helper()
	if c.real {
		c.needStandIn("its interpreter")
	}
	if _, err := programs(); err != nil {
		c.t.Fatal(err)
	}
	interpreter.Lock()
	interpreter.stats = stats
	interpreter.Unlock()
	call(c.interpret, callback())
	c.t.Cleanup(func() { call(c.interpret, 0) })
}

// interpretation runs one launch. It returns what interpret.cpp says.
func interpretation(x *interpreted) uintptr {
	all, _ := programs()
	k := all[text(x.name)]
	if k == nil {
		return 1
	}
	interpreter.Lock()
	defer interpreter.Unlock()
	interpreter.seed++
	stats := interpreter.stats[k.Name]
	if stats == nil && interpreter.stats != nil {
		stats = &ptx.Stats{}
		interpreter.stats[k.Name] = stats
	}
	l := ptx.Launch{
		Grid: shape(x.grid), Block: shape(x.block), Dynamic: int(x.dynamic),
		Args: unsafe.Slice(x.arguments, x.argumentBytes), Seed: interpreter.seed, Stats: stats,
	}
	for _, s := range unsafe.Slice(x.spans, x.numSpans) {
		l.Memory = append(l.Memory, ptx.Region{Addr: uint64(uintptr(unsafe.Pointer(s.address))), Bytes: unsafe.Slice(s.address, s.bytes)})
	}
	if err := k.Run(l); err != nil {
		copy(unsafe.Slice(x.why, x.room), err.Error())
		return 2
	}
	return 0
}

func shape(s [3]uint64) [3]int { return [3]int{int(s[0]), int(s[1]), int(s[2])} }

// text is a string of C.
func text(at *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(at), n)) != 0 {
		n++
	}
	return unsafe.String(at, n)
}
