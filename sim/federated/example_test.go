package federated_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lode/data/examples"
	"lode/data/split"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/protocol"
	"lode/sim/federated"
)

// Four clients, each with most of its examples on one side of a line, learn where the
// line is.
func Example() {
	if err := play(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// after 10 rounds more than 95 % are right: true
}

func play() (err error) {
	dir, err := os.MkdirTemp("", "federated")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var text strings.Builder
	text.WriteString("x,y,label\n")
	for i := range 400 {
		x, y := i%20-10, i/20-10
		fmt.Fprintf(&text, "%d,%d,%v\n", x, y, 2*x > y)
	}
	file := filepath.Join(dir, "line.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return err
	}
	set, err := examples.Open(file, examples.Options{})
	if err != nil {
		return err
	}
	if set, err = set.Load(false); err != nil {
		return err
	}

	seed := protocol.Digest{1}
	rest, held, err := split.HeldOut(set.Len(), 0.2, seed)
	if err != nil {
		return err
	}
	rule, err := split.ParseRule("dirichlet:0.5")
	if err != nil {
		return err
	}
	clients, err := rule.Deal(set.Examples(), rest, 4, seed)
	if err != nil {
		return err
	}
	method, err := federated.ParseMethod("fedavg")
	if err != nil {
		return err
	}
	m := model.MLP{Input: set.Shape(), Activation: model.ReLU, Classes: len(set.Classes())}
	_, err = federated.Run(context.Background(), federated.Options{
		Set: set, Train: clients, Held: held, Seed: seed,
		Open: func() (federated.Engine, error) {
			e, err := cpu.New(m, cpu.Options{})
			if err != nil {
				return nil, err
			}
			return e, model.Init(m, seed, e.Params())
		},
		Engines: 2, Method: method, Fraction: 1, Epochs: 1, Batch: 10, Rate: 0.1, Rounds: 10, Every: 10,
		Each: func(r federated.Round) {
			if r.Number == 10 {
				fmt.Println("after 10 rounds more than 95 % are right:", r.Global.Accuracy > 0.95)
			}
		},
	})
	return err
}
