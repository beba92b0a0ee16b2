package main

// This file holds the command that trains a tokenizer.

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lode/data/documents"
	"lode/data/tokenizer"
)

func tokenizerCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "tokenizer",
		Short: "Train a tokenizer",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(tokenizerTrainCommand())
	return c
}

// tokenizerFlags are the choices of lode tokenizer train.
type tokenizerFlags struct {
	textFlags
	store      storeFlags
	out, cache string
	vocab      int
	most       int64
}

func tokenizerTrainCommand() *cobra.Command {
	var f tokenizerFlags
	c := &cobra.Command{
		Use:   "train DATA...",
		Short: "Learn a vocabulary from text and write a tokenizer.json",
		Long: `Learn a byte-level BPE from text and write it as a tokenizer.json that the Python
packages tokenizers and transformers load too. DATA is as for lode data prepare. The
same text gives the same file on every machine.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), args, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVarP(&f.out, "output", "o", "tokenizer.json", "file to write")
	c.Flags().IntVar(&f.vocab, "vocab", 4096, "tokens to learn, those of single bytes among them")
	c.Flags().Int64Var(&f.most, "most", 1024, "MB of text to learn from; more of it hardly changes the vocabulary")
	c.Flags().StringVar(&f.cache, "cache", "", "folder for what is fetched (default: lode in the user's cache folder)")
	f.textFlags.add(c)
	f.store.addS3(c)
	return c
}

// errEnough ends reading when there is text enough.
var errEnough = errors.New("enough text was read")

func (f *tokenizerFlags) run(ctx context.Context, paths []string, stdout, stderr io.Writer) error {
	if f.vocab < tokenizer.MinVocab || f.vocab > tokenizer.MaxVocab {
		return usagef("--vocab is %d, it can be %d to %d", f.vocab, tokenizer.MinVocab, tokenizer.MaxVocab)
	}
	if f.most < 1 {
		return usagef("--most must be above 0")
	}
	read, err := f.options(stderr)
	if err != nil {
		return err
	}
	set, err := findText(ctx, paths, &f.store, f.cache, stderr)
	if err != nil {
		return err
	}
	words, tally, err := countWords(ctx, set, read, f.most<<20)
	if err != nil {
		return err
	}
	b, err := words.Train(ctx, f.vocab, nil)
	if err != nil {
		return err
	}
	if err := replaceFile(f.out, b, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s has %d tokens, learnt from %s of text with %d different words; %d bad files and %d bad records were left out\n",
		f.out, f.vocab, bytesText(uint64(tally.Bytes)), words.Words(), tally.BadFiles, tally.BadRecords)
	return nil
}

// countWords counts the words of the first bytes of a set, on all cores.
func countWords(ctx context.Context, set *documents.Set, opt documents.Options, most int64) (*tokenizer.Count, documents.Tally, error) {
	all := tokenizer.NewCount()
	var tally documents.Tally
	read := func(ctx context.Context, each func(*documents.Batch) error) error {
		end, err := set.Read(ctx, opt, documents.Position{}, documents.Tally{}, func(b *documents.Batch) error {
			if err := each(b); err != nil || b.Tally.Bytes < most {
				return err
			}
			return errEnough
		})
		if tally = end; errors.Is(err, errEnough) {
			return nil
		}
		return err
	}
	count := func(b *documents.Batch) (*tokenizer.Count, error) {
		c := tokenizer.NewCount()
		for _, p := range b.Parts {
			c.Add(p.Text)
		}
		return c, nil
	}
	err := documents.Each(ctx, threadsOr(0), read, count, func(_ *documents.Batch, c *tokenizer.Count) error {
		all.Merge(c)
		return nil
	})
	return all, tally, err
}
