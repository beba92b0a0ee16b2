package model_test

import (
	"fmt"
	"log"

	"lode/engine/model"
)

func ExampleLayout() {
	l, err := model.Layout(model.Default())
	if err != nil {
		log.Fatal(err)
	}
	for t := range 3 {
		fmt.Println(l.Spec(t).Name, l.Spec(t).Shape)
	}
	fmt.Println(l.NumTensors(), "tensors,", l.Len(), "parameters")
	// Output:
	// model.embed_tokens.weight [256 96]
	// model.layers.0.input_layernorm.weight [96]
	// model.layers.0.self_attn.q_proj.weight [96 96]
	// 29 tensors, 357024 parameters
}
