package main

// This file holds lode data records.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/corpora"
	"lode/data/examples"
	"lode/protocol"
)

// recordsFlags are the choices of lode data records.
type recordsFlags struct {
	out, seed, target string
	classes           []string
	skipBad           bool
}

func dataRecordsCommand() *cobra.Command {
	var f recordsFlags
	c := &cobra.Command{
		Use:   "records EXAMPLES",
		Short: "Turn pictures or tables with labels into a corpus of records",
		Long: `Turn pictures or tables with labels into one file that a run of an mlp or a cnn
deals out, with data.tokenizer: records. EXAMPLES are an IDX pair (MNIST's format, also
.gz), a folder with a folder of PNGs for each class, or a CSV file whose values lie
between 0 and 1. The order is drawn from the seed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(args[0], c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVarP(&f.out, "output", "o", "records.bin", "file for the records")
	c.Flags().StringVar(&f.seed, "seed", "lode", "any text: another one gives another order")
	c.Flags().StringVar(&f.target, "target", "", "of a CSV file: the column with the label (default: label, else the last)")
	c.Flags().StringSliceVar(&f.classes, "classes", nil, "names of the labels in the order of their numbers (default: in the order of the names, unless they are numbers)")
	c.Flags().BoolVar(&f.skipBad, "skip-bad", false, "leave out files and records that are bad, and name them, instead of refusing all")
	return c
}

func (f *recordsFlags) run(path string, stdout, stderr io.Writer) error {
	s, err := openExamples(path, examples.Options{Skip: f.skipBad, Target: f.target, Classes: f.classes}, stderr)
	if err != nil {
		return err
	}
	length, err := f.write(s)
	if err != nil {
		return fmt.Errorf("%s: %w", f.out, err)
	}
	fmt.Fprintf(stdout, "%s holds %d records of %d bytes, of %d classes\n", f.out, s.Len(), length, len(s.Classes()))
	if !s.Numbered() {
		fmt.Fprintf(stdout, "Classes: %s\n", numbered(s.Classes()))
	}
	fmt.Fprintf(stdout, "A run of them has data.path: %s, data.tokenizer: records, train.steps: 1,\n", f.out)
	fmt.Fprintf(stdout, "model.input: %s, model.classes: %d and as data.piece a multiple of %d.\n",
		strings.ReplaceAll(fmt.Sprint(s.Shape()), " ", ", "), len(s.Classes()), length)
	return nil
}

// write writes the records beside their place and moves them there.
func (f *recordsFlags) write(s *examples.Set) (length int, err error) {
	file, err := os.Create(f.out + ".part")
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(file)
	length, err = examples.WriteRecords(out, s, protocol.Hash("seed", []byte(f.seed)))
	if err = errors.Join(err, out.Flush(), file.Close()); err == nil {
		err = os.Rename(file.Name(), f.out)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(file.Name()))
	}
	return length, nil
}

// openExamples reads all examples at path and names those that are left out.
func openExamples(path string, o examples.Options, stderr io.Writer) (*examples.Set, error) {
	s, err := examples.Open(path, o)
	if err == nil {
		s, err = s.Load(o.Skip)
	}
	if errors.Is(err, examples.ErrBad) && !o.Skip {
		err = fmt.Errorf("%w (--skip-bad leaves out what is bad)", err)
	}
	if err != nil {
		return nil, err
	}
	bad, num := s.Skipped()
	corpora.TellSkipped(tellTo(stderr), bad, num)
	return s, nil
}
