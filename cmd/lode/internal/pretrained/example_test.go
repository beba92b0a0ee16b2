package pretrained_test

import (
	"fmt"
	"os"
	"path/filepath"

	"lode/checkpoints/safetensors"
	"lode/cmd/lode/internal/pretrained"
	"lode/engine/model"
	"lode/tensor"
)

// A model that some program has left in a folder is opened, and its values are read.
func Example() {
	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	m := model.MLP{Input: []int{2}, Activation: model.ReLU, Classes: 2}
	l, _ := model.Layout(m)
	h, _ := safetensors.ForLayout(l, nil)
	f, _ := os.Create(filepath.Join(dir, "model.safetensors"))
	_ = safetensors.Write(f, h, l, tensor.Flat{1, 2, 3, 4, 5, 6})
	_ = f.Close()
	_ = os.WriteFile(filepath.Join(dir, "config.json"), m.Config(), 0o600)

	w, err := pretrained.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	params, err := w.Checked(m, l)
	if err != nil {
		fmt.Println(err)
		return
	}
	bias := make(tensor.Flat, l.Len())
	_ = tensor.Copy(l, bias, params)
	fmt.Println(bias[l.Offset(1):])
	// Output: [5 6]
}
