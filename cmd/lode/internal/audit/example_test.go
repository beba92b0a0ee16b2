package audit_test

import (
	"errors"
	"fmt"

	"lode/cmd/lode/internal/audit"
	"lode/protocol"
)

// What Verify returns says where to look, what was found there and what that
// means.
func ExampleMismatch() {
	var err error = &audit.Mismatch{
		What: "model root", Round: new(protocol.Round(7)), Want: protocol.Sum([]byte("a")), Got: protocol.Sum([]byte("b")),
		Means: "the receipt that the validators signed is not what the accepted updates give",
	}
	if m, ok := errors.AsType[*audit.Mismatch](err); ok {
		fmt.Println("round", *m.Round)
		fmt.Println(m.What)
		fmt.Println(m.Means)
	}
	// Output:
	// round 7
	// model root
	// the receipt that the validators signed is not what the accepted updates give
}
