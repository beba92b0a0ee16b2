package cpu_test

import (
	"fmt"
	"log"

	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/model"
)

func Example() {
	m := model.Default()
	e, err := cpu.New(m, cpu.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	if err := model.Init(m, [32]byte{1}, e.Params()); err != nil {
		log.Fatal(err)
	}
	b := engine.Tokens(1, 4, []int32{1, 2, 3, 4}, []int32{2, 3, 4, 5})
	var loss float64
	for range 40 {
		if loss, err = e.Step(b, engine.Hyper{Rate: 1e-2}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("learnt:", loss < 0.1)
	// Output: learnt: true
}
