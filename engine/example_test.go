package engine_test

import (
	"fmt"

	"lode/engine"
)

func ExampleBatch_Validate() {
	bytes := engine.Port{Shape: []int{64}, Series: true, Limit: 256} // up to 64 of them a row
	fmt.Println(engine.Tokens(1, 3, []int32{7, 8, 9}, []int32{8, 9, 256}).Validate(bytes, bytes))

	pixels, class := engine.Port{Shape: []int{2, 2}}, engine.Port{Limit: 10}
	fmt.Println(engine.Batch{
		Rows:    1,
		Inputs:  engine.Array{Shape: []int{2, 2}, Reals: []float32{0, 0.5, 0.5, 1}},
		Targets: engine.Array{IDs: []int32{7}},
	}.Validate(pixels, class))
	// Output:
	// batch: targets: value 2 is id 256, want 0 to 255
	// <nil>
}
