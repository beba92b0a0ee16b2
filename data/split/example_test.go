package split_test

import (
	"fmt"
	"os"

	"lode/data/split"
	"lode/protocol"
)

func Example() {
	all := make([]split.Example, 1000) // of ten labels
	for i := range all {
		all[i].Label = i % 10
	}
	seed := protocol.Digest{1}
	rest, held, err := split.HeldOut(len(all), 0.2, seed)
	if err != nil {
		fmt.Println(err)
		return
	}
	rule, err := split.ParseRule("dirichlet:0.1")
	if err != nil {
		fmt.Println(err)
		return
	}
	clients, err := rule.Deal(all, rest, 4, seed)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(held), "examples held out for all")
	if err := split.Print(os.Stdout, split.Describe(all, clients)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 200 examples held out for all
	// client  samples  entropy      0     1     2     3     4     5     6     7     8     9
	//      0      124    1.357     84     0     0    27     1     8     0     3     0     1
	//      1      238    1.730      0    78    81     0     0     5     0     1    73     0
	//      2      190    1.932      4     2     0     4    74    66    37     1     0     2
	//      3      248    2.119      0     0     0    52     4     0    42    77     3    70
}
