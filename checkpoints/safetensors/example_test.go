package safetensors_test

import (
	"bytes"
	"fmt"

	"lode/checkpoints/safetensors"
	"lode/tensor"
)

func Example() {
	layout, err := tensor.NewLayout(tensor.Spec{Name: "w", Shape: []int{2, 2}})
	if err != nil {
		panic(err)
	}
	header, err := safetensors.ForLayout(layout, map[string]string{"format": "pt"})
	if err != nil {
		panic(err)
	}
	var file bytes.Buffer
	if err := safetensors.Write(&file, header, layout, tensor.Flat{1, 2, 3, 4}); err != nil {
		panic(err)
	}
	r := bytes.NewReader(file.Bytes())
	if header, err = safetensors.Parse(r, r.Size()); err != nil {
		panic(err)
	}
	for _, e := range header.Entries() {
		fmt.Println(e.Name, e.DType, e.Shape, e.End-e.Begin, "bytes")
	}
	fmt.Printf("%s\n", file.Bytes()[8:header.DataStart()])
	// Output:
	// w F32 [2 2] 16 bytes
	// {"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}
}
