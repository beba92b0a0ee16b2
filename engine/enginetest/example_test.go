package enginetest_test

import (
	"fmt"
	"log"

	"lode/engine"
	"lode/engine/enginetest"
	"lode/engine/model"
)

func ExampleReference() {
	m := model.Llama{Dim: 4, Layers: 1, Heads: 1, KVHeads: 1, FFN: 4, Vocab: 4, Context: 4, RopeTheta: 10000, NormEps: 1e-5}
	r, err := enginetest.NewReference(m)
	if err != nil {
		log.Fatal(err)
	}
	// With all parameters zero every token is equally likely.
	b := engine.Tokens(1, 2, []int32{0, 1}, []int32{1, 2})
	fmt.Printf("%.4f\n", r.Loss(b))
	// Output: 1.3863
}
