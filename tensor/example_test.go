package tensor_test

import (
	"fmt"

	"lode/tensor"
)

func Example() {
	layout, err := tensor.NewLayout(
		tensor.Spec{Name: "embedding", Shape: []int{256, 96}},
		tensor.Spec{Name: "norm", Shape: []int{96}},
	)
	if err != nil {
		panic(err)
	}
	fmt.Println(layout.Len(), "values in", layout.NumChunks(), "chunks")
	params := make(tensor.Flat, layout.Len())
	root, err := tensor.Root(layout, params)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%x…\n", root[:4])
	// Output:
	// 24672 values in 7 chunks
	// f5b08bc5…
}
