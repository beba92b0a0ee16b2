package gradient_test

import (
	"fmt"

	"lode/gradient"
	"lode/tensor"
)

// A worker compresses what it wants to send, keeps what was lost for the next
// round, and the receiver finds the same update.
func Example() {
	l, _ := tensor.NewLayout(tensor.Spec{Name: "w", Shape: []int{2, 4}})
	p := gradient.Params{Codec: gradient.TopK, K: 1024, Bits: 2, EMin: -40, EMax: -4} // a quarter: 2 of 8 values
	a := tensor.Flat{0.5, 0.01, -0.25, 0.02, 0, 0, 0.03, 0}

	u, err := gradient.Encode(l, p, a)
	if err != nil {
		fmt.Println(err)
		return
	}
	for c := range l.Chunks() {
		u.SubtractFrom(c, gradient.Unclipped, a[c.Offset:c.Offset+c.Len])
	}
	received, err := gradient.ParseWire(l, p, u.Wire())
	if err != nil {
		fmt.Println(err)
		return
	}
	sent := make(tensor.Flat, l.Len())
	tensor.Copy(l, sent, received)
	fmt.Println("sent", sent)
	fmt.Println("left", a)
	// Output:
	// sent [0.5 0 -0.25 0 0 0 0 0]
	// left [0 0.01 0 0.02 0 0 0.03 0]
}
