package kernel_test

import (
	"fmt"
	"math"

	"lode/gradient/kernel"
)

func Example() {
	residual := []float32{1, 0, -4}
	start, now := []float32{3, 3, 3}, []float32{3, 2.5, 5}
	kernel.Join(residual, residual, start, now, 0.5)
	mask := make([]uint64, 1)
	kernel.Mark(mask, residual, math.Float32bits(1))
	fmt.Println(residual)
	fmt.Printf("%03b\n", mask[0])
	// Output:
	// [0.5 0.5 -4]
	// 100
}
