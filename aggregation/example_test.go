package aggregation_test

import (
	"fmt"

	"lode/aggregation"
	"lode/gradient"
	"lode/tensor"
)

// Two updates, one of them clipped to half, become one step that every machine
// applies with the same result.
func Example() {
	l, _ := tensor.NewLayout(tensor.Spec{Name: "w", Shape: []int{2, 4}})
	p := gradient.Params{Codec: gradient.TopK, K: 512, Bits: 2, EMin: -40, EMax: -4} // an eighth: 1 of 8 values
	cfg := aggregation.DefaultConfig(p)
	first, _ := gradient.Encode(l, p, tensor.Flat{0.5, 0, 0, 0, 0, 0, 0, 0})
	second, _ := gradient.Encode(l, p, tensor.Flat{0, 0, 0, 0, 0, -0.5, 0, 0})

	step, err := aggregation.Merge(l, cfg, []aggregation.Contribution{
		{Update: first, Clip: gradient.Unclipped},
		{Update: second, Clip: gradient.Unclipped / 2},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	theta := tensor.Flat{1, 1, 1, 1, 1, 1, 1, 1}
	if err := aggregation.Apply(step, theta, theta); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(theta)
	// Output:
	// [0.75 1 1 1 1 1.125 1 1]
}
