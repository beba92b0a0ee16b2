package engine_test

import (
	"fmt"

	"lode/engine"
)

func ExampleBatch_Validate() {
	b := engine.Batch{Rows: 1, Steps: 3, Inputs: []int32{7, 8, 9}, Targets: []int32{8, 9, 256}}
	fmt.Println(b.Validate(256))
	// Output: batch: target 2 is token 256, vocabulary has 256
}
