package kernel_test

import (
	"fmt"

	"lode/engine/kernel"
)

func ExampleMul() {
	a := kernel.Dense([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	c := make([]float32, 4)
	kernel.Mul(kernel.Dense(c, 2, 2), a, a.T())
	fmt.Println(c)
	// Output: [14 32 32 77]
}

func ExampleSoftmax() {
	x := []float32{1, 1, 1, 1}
	kernel.Softmax(x, 2)
	fmt.Println(x)
	// Output: [0.25 0.25 0.25 0.25]
}
