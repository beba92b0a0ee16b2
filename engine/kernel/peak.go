package kernel

// This file holds the yardstick of the others: what the processor could do at
// most.

// Peak does nothing but n rounds of multiply-adds in registers and returns how
// many floating-point operations that was, a multiply-add being two. No kernel of
// this package does more of them in a second of one thread.
func Peak(n int) (operations int) {
	if n > 0 {
		active.fma(n)
	}
	return n * active.fmaWork
}

// fmaPlain has eight sums that do not wait for each other, as many as a processor
// without vectors can use.
func fmaPlain(n int) {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32 = 0, 1, 2, 3, 4, 5, 6, 7 // else the compiler sees one
	x, y := float32(n), 1/float32(n)
	for range n {
		s0 += x * y
		s1 += x * y
		s2 += x * y
		s3 += x * y
		s4 += x * y
		s5 += x * y
		s6 += x * y
		s7 += x * y
	}
	sink(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7)
}

// sink keeps the compiler from leaving work out.
//
//go:noinline
func sink(float32) {}
