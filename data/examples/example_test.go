package examples_test

import (
	"fmt"
	"os"
	"path/filepath"

	"lode/data/examples"
)

func Example() {
	dir, err := os.MkdirTemp("", "examples")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	const text = "width,height,label\n1,4,flat\n2,4,flat\n3,high,tall\n3,9,tall\n"
	if err := os.WriteFile(filepath.Join(dir, "plants.csv"), []byte(text), 0o644); err != nil {
		fmt.Println(err)
		return
	}
	s, err := examples.Open(dir, examples.Options{Skip: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	bad, _ := s.Skipped()
	fmt.Println(s.Len(), "examples of shape", s.Shape(), "and classes", s.Classes())
	fmt.Println("left out:", bad[0].Record, bad[0].Why)
	by, err := examples.Measure(s, []int{0, 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("means", by.Mean, "deviations", by.Deviation)
	// Output:
	// 3 examples of shape [2] and classes [flat tall]
	// left out: 4 column 2 is "high", want a finite number
	// means [1.5 4] deviations [0.5 1]
}
