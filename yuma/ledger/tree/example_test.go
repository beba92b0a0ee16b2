package tree_test

import (
	"fmt"

	"lode/yuma/ledger/tree"
)

func Example() {
	var t tree.Tree
	t.Put("alice", "3")
	t.Put("bob  ", "5")
	root := t.Root()
	for _, who := range []string{"bob  ", "carol"} {
		value, known, err := t.Prove(who).Check(root, []byte(who))
		fmt.Printf("%s: %q %v %v\n", who, value, known, err)
	}
	// Output:
	// bob  : "5" true <nil>
	// carol: "" false <nil>
}
