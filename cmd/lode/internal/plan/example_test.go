package plan_test

import (
	"fmt"

	"lode/cmd/lode/internal/plan"
)

// A run.yaml names what differs from the defaults. What is wrong with it comes
// all at once.
func ExampleParse() {
	p, err := plan.Parse([]byte("name: tiny\nmodel:\n  layers: 2\ntiming:\n  train: 90s\n"))
	fmt.Println(p.Run.Name, p.Model.Llama.Layers, p.Model.Llama.Dim, p.Run.Timing.Train.Seconds(), err)

	_, err = plan.Parse([]byte("model:\n  dim: 97\n  layer: 2\ntiming:\n  train: 90\n"))
	fmt.Println(err)
	// Output:
	// tiny 2 96 90 <nil>
	// 2:8: model.dim: is 97, must be an even multiple of 4 heads
	// 3:3: model.layer: unknown key; did you mean layers?
	// 5:10: timing.train: has no unit: write 90s if seconds are meant
}
