package main

// This file holds the command that makes a model of one's own known to others.

import (
	"github.com/spf13/cobra"

	"lode/data"
	"lode/engine"
	"lode/engine/torch"
)

func describeCommand() *cobra.Command {
	var factory, loss, python string
	var vocab, context int
	c := &cobra.Command{
		Use:   "describe",
		Short: "Describe a PyTorch model of your own, for a run to train it",
		Long: `Run the function of yours that makes a torch.nn.Module, and print what everybody in a
run must know of it: the function's name, the digest of its file, and the name, shape and
first values of every parameter. A run.yaml names the file with that (model.config).
docs/pytorch.md has an example.`,
		Example: "  lode describe --model nano:build --context 64 > nano.json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if factory == "" {
				return usagef("--model is missing: MODULE:FUNCTION, as Python names them")
			}
			text := engine.Port{Shape: []int{context}, Series: true, Limit: vocab}
			log, err := newLog(c.ErrOrStderr(), "warn")
			if err != nil {
				return err
			}
			m, err := torch.Describe(factory, loss, text, text, torch.Options{Python: python, Device: "cpu", Log: log})
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(m.Config())
			return err
		},
	}
	c.Flags().StringVar(&factory, "model", "", "function that makes the module, MODULE:FUNCTION; looked for here and on PYTHONPATH")
	c.Flags().StringVar(&loss, "loss", "", "function in the same file, of model, inputs and targets, that gives the mean loss (default: cross-entropy)")
	c.Flags().StringVar(&python, "python", "", "a Python that has PyTorch (default $LODE_PYTHON, else python3)")
	c.Flags().IntVar(&vocab, "vocab", data.Vocab, "tokens that the model knows")
	c.Flags().IntVar(&context, "context", 256, "longest sequence it is trained on, tokens")
	return c
}
