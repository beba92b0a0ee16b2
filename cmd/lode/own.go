package main

// This file brings up a worker's own data, in runs with data.mode private.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/corpora"
	"lode/data"
	"lode/data/examples"
	"lode/data/split"
	"lode/protocol"
	"lode/worker"
)

// ownFlags are the choices of a worker that has data of its own.
type ownFlags struct {
	split, part string
	target      string
	classes     []string
	keepBack    float64
	json        bool
}

// defaultKeepBack is the share of its own data that a worker measures with.
const defaultKeepBack = 0.1

func (f *ownFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.split, "split", "", "private runs: several workers have the same --data and each takes a part: iid, labels:K, dirichlet:A, dirichlet:A:equal or files")
	c.Flags().StringVar(&f.part, "part", "", "with --split: which part of how many, such as 2/10")
	c.Flags().StringVar(&f.target, "target", "", "private runs: the column of a CSV table with the label (default: label, else the last)")
	c.Flags().StringSliceVar(&f.classes, "classes", nil, "private runs: names of the labels in the run's order, where they are no numbers")
	c.Flags().Float64Var(&f.keepBack, "keep-back", defaultKeepBack, "private runs: share of the own data that is measured with and not trained on; at most what a round trains on")
	c.Flags().BoolVar(&f.json, "json", false, "private runs: print how each round did on own data as JSON, one object a line")
}

// given reports whether anything is asked for that needs own data.
func (f *ownFlags) given() bool {
	return f.split != "" || f.part != "" || f.target != "" || f.classes != nil || f.json || f.keepBack != 0 && f.keepBack != defaultKeepBack
}

// check refuses what cannot be before anything is opened.
func (f *ownFlags) check() error {
	if (f.split == "") != (f.part == "") {
		return usagef("--split and --part go together")
	}
	if !(f.keepBack >= 0 && f.keepBack < 1) {
		return usagef("--keep-back is %v, it can be 0 and more, below 1", f.keepBack)
	}
	if f.split == "" {
		return nil
	}
	if _, err := split.ParseRule(f.split); err != nil {
		return usagef("--split: %v", err)
	}
	_, err := f.portion()
	return err
}

// portion reads --part.
func (f *ownFlags) portion() (p data.Portion, err error) {
	if f.part == "" {
		return p, nil
	}
	number, of, _ := strings.Cut(f.part, "/")
	p.Number, err = strconv.Atoi(number)
	if err == nil {
		p.Of, err = strconv.Atoi(of)
	}
	if err != nil || p.Of < 1 || p.Of > split.MaxClients || p.Number < 1 || p.Number > p.Of {
		return p, usagef("--part is %q, it is a number, a slash and how many there are, such as 2/10", f.part)
	}
	return p, nil
}

// openOwn opens a worker's own data. What has to be prepared of it is kept in cache.
func (n *node) openOwn(ctx context.Context, f *nodeFlags, cache string, stderr io.Writer) error {
	if f.data == "" {
		return usagef("workers of this run train on data of their own: name it with --data; it stays on this machine")
	}
	file, err := n.fetchTokenizer(ctx)
	if err != nil {
		return fmt.Errorf("tokenizer of the run: %w", err)
	}
	read, err := f.text.options(stderr)
	if err != nil {
		return err
	}
	portion, err := f.own.portion()
	if err != nil {
		return err
	}
	inputs, targets := n.rules.Model.Takes()
	samples, closing, err := corpora.OpenOwn(ctx, corpora.Own{
		Want:     corpora.Want{Path: f.data, File: file, Read: read, Cache: cache, Lock: lockDir, Tell: tellTo(stderr)},
		Manifest: n.rules.Manifest, Inputs: inputs, Targets: targets,
		Split: f.own.split, Portion: portion, Seed: protocol.Hash("own parts", n.rules.Run[:]),
		Target: f.own.target, Classes: f.own.classes,
	})
	if err != nil {
		return err
	}
	n.closing = closing
	if n.own, err = n.rules.Private(nodeIDOf(n.key), samples, f.own.keepBack); err != nil {
		return fmt.Errorf("own data at %s: %w", f.data, err)
	}
	ready := n.log.Info().Str("data", f.data).Int("samples", n.own.Len()).Int("kept_back", n.own.Kept())
	if o, ok := samples.(*examples.Own); ok && o.Classes() != nil {
		ready = ready.Str("classes", numbered(o.Classes()))
	}
	ready.Msg("own data is ready; it stays here")
	return nil
}

// numbered says which class has which number.
func numbered(classes []string) string {
	all := make([]string, len(classes))
	for i, name := range classes {
		all[i] = fmt.Sprintf("%d=%s", i, name)
	}
	return strings.Join(all, " ")
}

// duties is what a worker trains on.
func (n *node) duties() worker.Duties {
	if n.own != nil {
		return n.own
	}
	return n.text
}

// trainedLine is how a round did on a worker's own data, as it is printed.
type trainedLine struct {
	Event  string         `json:"event"` // "trained"
	Round  uint64         `json:"round"`
	Before worker.Quality `json:"before"` // of the run's model
	After  worker.Quality `json:"after"`  // of the worker's, after its inner steps
}

// tell returns what prints it, nil if nobody wants it.
func (f *ownFlags) tell(w io.Writer) func(worker.Trained) {
	if !f.json {
		return nil
	}
	return func(t worker.Trained) {
		_ = json.NewEncoder(w).Encode(trainedLine{"trained", uint64(t.Round), t.Before, t.After}) // the command says that it could not be written
	}
}
