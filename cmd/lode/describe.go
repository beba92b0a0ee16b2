package main

// This file holds the command that makes a model of one's own known to others.

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"lode/checkpoints/safetensors"
	"lode/data"
	"lode/engine"
	"lode/engine/torch"
	"lode/tensor"
)

func describeCommand() *cobra.Command {
	var factory, loss, python, values string
	var vocab, context int
	c := &cobra.Command{
		Use:   "describe",
		Short: "Describe a PyTorch model of your own, for a run to train it",
		Long: `Run the function of yours that makes a torch.nn.Module, and print what everybody in a
run must know of it: the function's name, the digest of its file, and the name, shape and
spread of first values of every parameter. A run.yaml names the file with that
(model.config). With --values, a file gets the parameters as the function has made
them, for a run to begin with (model.from): of a model that is pretrained, or has such
parts. docs/pytorch.md has an example.`,
		Example: `  lode describe --model nano:build --context 64 > nano.json
  lode describe --model nano:build --context 64 --values nano.safetensors > nano.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if factory == "" {
				return usagef("--model is missing: MODULE:FUNCTION, as Python names them")
			}
			text := engine.Port{Shape: []int{context}, Series: true, Limit: vocab}
			log, err := newLog(c.ErrOrStderr(), "warn")
			if err != nil {
				return err
			}
			var keep func(tensor.Layout, tensor.Flat) error
			if values != "" {
				keep = func(l tensor.Layout, params tensor.Flat) error { return writeValues(values, l, params) }
			}
			m, err := torch.Describe(factory, loss, text, text, torch.Options{Python: python, Device: "cpu", Log: log}, keep)
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(m.Config())
			return err
		},
	}
	c.Flags().StringVar(&factory, "model", "", "function that makes the module, MODULE:FUNCTION; looked for here and on PYTHONPATH")
	c.Flags().StringVar(&loss, "loss", "", "function in the same file, of model, inputs and targets, that gives the mean loss (default: cross-entropy)")
	c.Flags().StringVar(&values, "values", "", "file that gets the parameters as the function has made them, as safetensors")
	c.Flags().StringVar(&python, "python", "", "a Python that has PyTorch (default $LODE_PYTHON, else python3)")
	c.Flags().IntVar(&vocab, "vocab", data.Vocab, "tokens that the model knows")
	c.Flags().IntVar(&context, "context", 256, "longest sequence it is trained on, tokens")
	return c
}

// writeValues writes parameters to a file, whole or not at all.
func writeValues(path string, l tensor.Layout, params tensor.Flat) (err error) {
	h, err := safetensors.ForLayout(l, map[string]string{"format": "pt"})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("--values: %w", err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	err = errors.Join(safetensors.Write(out, h, l, params), out.Flush(), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("--values: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
