package columntest

// This file holds the measurement of a decoder's memory.

import "runtime/metrics"

// Slack is how many bytes a decoder may allocate beyond what it returns: the
// decompressor's tables, one block, and what the measurement is off by.
const Slack = 1 << 20

// Exceeds reports whether f allocates more than so many bytes, and how many. What
// others allocate meanwhile counts too, the collector and the fuzzing engine among
// them, so f must do it each of three times. The runtime counts small objects by
// spans of some kilobytes; it need not stop the world for that, which a fuzz target
// could not bear.
func Exceeds(most int, f func()) (bytes int, yes bool) {
	for range 3 {
		if bytes = allocated(f); bytes <= most {
			return bytes, false
		}
	}
	return bytes, true
}

func allocated(f func()) int {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	before := s[0].Value.Uint64()
	f()
	metrics.Read(s)
	return int(s[0].Value.Uint64() - before)
}
