package columntest

// This file holds the measurement of a decoder's memory.

import "runtime/metrics"

// Slack is how many bytes a decoder may allocate beyond what it returns: the
// decompressor's tables, one block, and what the measurement is off by.
const Slack = 1 << 20

// Allocated returns how many bytes are allocated while f runs, by others too. The
// runtime counts small objects by spans of some kilobytes; it need not stop the world
// for that, which a fuzz target could not bear.
func Allocated(f func()) int {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	before := s[0].Value.Uint64()
	f()
	metrics.Read(s)
	return int(s[0].Value.Uint64() - before)
}
