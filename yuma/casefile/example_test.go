package casefile_test

import (
	"fmt"

	"lode/yuma/casefile"
)

// Two epochs of a validator that names one of two workers, then the other.
func Example() {
	cases, err := casefile.Split([]byte(`{
		"name": "change of mind", "params": {"tempo": 10, "rao_emission": 1000},
		"epochs": [
			{"block": 10, "stake": [7, 0, 0], "weights_sparse": {"0": [[1, 65535]]}},
			{"weights_sparse": {"0": [[2, 65535]]}}
		]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := cases[0].Run()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range r.Epochs {
		fmt.Println(o.Combined, o.Bonds[0])
	}
	// Output:
	// [500 500 0] [0 6553 0]
	// [500 0 500] [0 5897 6553]
}
