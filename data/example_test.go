package data_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"lode/data"
	"lode/protocol"
)

// A corpus is indexed, the index named in a manifest, and a worker's duty of one
// round cut into batches.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "corpus")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	text := strings.Repeat("the quick brown fox jumps over the lazy dog. ", 100)
	if err := os.WriteFile(filepath.Join(dir, "fox.txt"), []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}

	corpus, err := data.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	index, err := corpus.Index(ctx, 256, nil)
	if err != nil {
		log.Fatal(err)
	}
	source, err := data.NewLocal(corpus, index)
	if err != nil {
		log.Fatal(err)
	}
	plan, err := data.NewPlan(index,
		protocol.Data{Tokenizer: protocol.TokenBytes, Width: 1, Index: index.Digest(), Bytes: index.Bytes, Piece: 256, HeldOut: protocol.Q16(0.1)},
		protocol.Train{InnerSteps: 4, Rows: 2, Steps: 32})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d pieces for training, %d held out\n", plan.Training(), plan.HeldOut())

	duty := plan.Duty(protocol.Sum([]byte("round seed")), 4, 0)
	num := 0
	for batch, err := range plan.Batches(ctx, source, duty) {
		if err != nil {
			log.Fatal(err)
		}
		num += len(batch.Inputs)
	}
	fmt.Printf("worker 0 of 4 trains on %d tokens\n", num)
	// Output:
	// 16 pieces for training, 1 held out
	// worker 0 of 4 trains on 256 tokens
}
