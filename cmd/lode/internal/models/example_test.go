package models_test

import (
	"context"
	"fmt"
	"os"

	"lode/checkpoints"
	"lode/cmd/lode/internal/models"
	"lode/engine/model"
	"lode/tensor"
)

// A store is pulled from and loaded, and the model goes on with a text.
func Example() {
	ctx := context.Background()
	store, _ := os.MkdirTemp("", "store")
	dir, _ := os.MkdirTemp("", "model")
	defer os.RemoveAll(store)
	defer os.RemoveAll(dir)

	arch := model.Default()
	layout, _ := model.Layout(arch)
	params := make(tensor.Flat, layout.Len())
	_ = model.Init(arch, [32]byte{1}, params)
	s, _ := checkpoints.OpenDir(store)
	_, err := checkpoints.Write(ctx, s, checkpoints.Draft{Run: [32]byte{1}, Round: 50, Layout: layout, Model: params, Config: arch.Config()})
	if err != nil {
		fmt.Println(err)
		return
	}

	res, err := models.Pull(ctx, store, models.Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := models.Load(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	characters := 0
	err = models.Generate(ctx, l, "func main() {", models.Sampling{Tokens: 16}, func(s string) { characters += len([]rune(s)) })
	fmt.Println("round", res.Round, l.Verified, characters > 0, err)
	// Output: round 50 true true <nil>
}
