package torch_test

import (
	"fmt"
	"strings"

	"lode/engine/model"
	"lode/engine/torch"
)

func ExampleNew() {
	_, err := torch.New(model.Default(), torch.Options{Python: "no-such-python"})
	fmt.Println(strings.HasPrefix(err.Error(), "torch: no Python"))
	// Output: true
}
