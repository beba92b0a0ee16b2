package yuma_test

import (
	"fmt"

	"lode/yuma"
)

// Two validators agree that the first worker is three times as good as the second.
func ExampleEpoch() {
	opinion := []yuma.Entry{{UID: 2, Value: 65535}, {UID: 3, Value: 21845}}
	s := yuma.State{
		Block:    10,
		Emission: 1_000_000,
		Neurons: []yuma.Neuron{
			{Stake: 600, LastUpdate: 10, Permit: true, Weights: opinion},
			{Stake: 400, LastUpdate: 10, Permit: true, Weights: opinion},
			{},
			{},
		},
	}
	r, err := yuma.Epoch(yuma.DefaultParams(), s)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("workers   ", r.Server)
	fmt.Println("validators", r.Validator)
	fmt.Println("bonds     ", r.Bonds[0])
	// Output:
	// workers    [0 0 375000 124999]
	// validators [299999 199999 0 0]
	// bonds      [{2 4915} {3 1638}]
}
