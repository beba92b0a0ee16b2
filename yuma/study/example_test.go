package study_test

import (
	"fmt"

	"lode/yuma/study"
)

// What a validator with a fifth of the stake earns in the end by copying.
func Example() {
	for lag := range 3 {
		out, err := study.Play(study.WeightCopier(lag, 12), study.Variant{Float: study.DefaultParams(study.Yuma2)})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d late: %.3f\n", lag, out[11].Dividends[2])
	}
	// Output:
	// 0 late: 0.200
	// 1 late: 0.140
	// 2 late: 0.074
}
