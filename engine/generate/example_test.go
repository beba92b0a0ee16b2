package generate_test

import (
	"context"
	"fmt"
	"log"

	"lode/engine/cpu"
	"lode/engine/generate"
	"lode/engine/model"
)

func ExampleText() {
	m := model.Default()
	e, err := cpu.New(m, cpu.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	if err := model.Init(m, [32]byte{1}, e.Params()); err != nil {
		log.Fatal(err)
	}
	num := 0
	err = generate.Text(context.Background(), e, []int32{'G', 'o'}, 5, generate.Sampling{Temperature: 1, Seed: 1}, func(int32) error {
		num++
		return nil
	})
	fmt.Println(num, err)
	// Output: 5 <nil>
}
