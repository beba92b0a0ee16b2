package process_test

import (
	"fmt"

	"lode/engine/process"
)

func ExampleStart() {
	_, err := process.Start(process.Command{Path: "no-such-python"})
	fmt.Println(err)
	// Output: start no-such-python: exec: "no-such-python": executable file not found in $PATH
}
