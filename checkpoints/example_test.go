package checkpoints_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"lode/checkpoints"
	"lode/tensor"
)

// A coordinator writes a checkpoint; someone else gets it and checks it.
func Example() {
	ctx := context.Background()
	tmp, err := os.MkdirTemp("", "checkpoints")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	store, err := checkpoints.Open(ctx, filepath.Join(tmp, "store"), checkpoints.Options{})
	if err != nil {
		log.Fatal(err)
	}

	layout, err := tensor.NewLayout(tensor.Spec{Name: "w", Shape: []int{2, 2}})
	if err != nil {
		log.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	_, err = checkpoints.Write(ctx, store, checkpoints.Draft{
		Run: [32]byte{0xaa}, Round: 3, Info: map[string]string{"loss": "3.14"},
		Layout: layout, Model: tensor.Flat{1, 2, 3, 4}, Config: []byte(`{"model_type":"llama"}`),
		Sign: checkpoints.SignWith(key),
	})
	if err != nil {
		log.Fatal(err)
	}

	dir := filepath.Join(tmp, "model")
	got, err := checkpoints.Pull(ctx, store, dir, checkpoints.PullOptions{
		Trusted: []ed25519.PublicKey{key.Public().(ed25519.PublicKey)},
	})
	if err != nil {
		log.Fatal(err)
	}
	model, err := checkpoints.OpenModel(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	params := make(tensor.Flat, layout.Len())
	values, err := model.Reader(layout) // compares the root of all parameters
	if err != nil {
		log.Fatal(err)
	}
	if err := tensor.Copy(layout, params, values); err != nil {
		log.Fatal(err)
	}
	fmt.Println("round", got.Manifest.Round, "loss", got.Manifest.Info["loss"], "signed by", got.SignedBy)
	fmt.Println(params, string(model.Config))
	// Output:
	// round 3 loss 3.14 signed by 1
	// [1 2 3 4] {"model_type":"llama"}
}
