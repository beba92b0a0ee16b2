package main

// This file holds lode bench gradient and lode bench merge: what updates and
// merges cost on this machine.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/measure"
	"lode/cmd/lode/internal/plan"
	"lode/data"
	"lode/gradient"
	"lode/replica"
	"lode/sim"
	"lode/tensor"
)

const (
	pseudoRounds = 12       // of training before an update is measured
	timedParams  = 16 << 20 // 64 MiB of float32, beyond the caches
	copiedParams = 64 << 20 // 256 MiB, what merges are compared with
)

func benchGradientCommand() *cobra.Command {
	var text dataFlags
	var keep, bits int
	var asJSON bool
	c := &cobra.Command{
		Use:   "gradient",
		Short: "Bits and rates of compressed updates on this machine",
		Long: `Train the default model for some rounds, compress what a worker would send, and
print how many bits a kept value takes; then time encoding, with error feedback and
packing, and decoding on one core, against copying the same float32 values. It takes
some seconds, on a busy machine up to a minute.`,
		Example: "  lode bench gradient --keep 64 --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p := gradient.DefaultParams()
			p.K, p.Bits = keep, bits
			if err := p.Validate(); err != nil {
				return usagef("%v", err)
			}
			l, a, err := pseudoGradient(c.Context(), &text, c.ErrOrStderr())
			if err != nil {
				return err
			}
			r, err := measure.Gradient(c.Context(), l, a, p, timedParams)
			if err != nil {
				return err
			}
			return printGradient(c.OutOrStdout(), r, asJSON)
		},
	}
	text.add(c, "the Go standard library's sources")
	c.Flags().IntVar(&keep, "keep", 64, "values kept of a chunk of 4096")
	c.Flags().IntVar(&bits, "bits", 2, "bits of a value, 1 to 4")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// pseudoGradient trains the default model and returns what a worker would
// compress.
func pseudoGradient(ctx context.Context, text *dataFlags, stderr io.Writer) (l tensor.Layout, a tensor.Flat, err error) {
	p := plan.Defaults()
	c, err := text.open(ctx, p.Run.Data.Piece, 1, &storeFlags{}, stderr)
	if err != nil {
		return l, nil, err
	}
	defer c.Close()
	p.Run.Data.Piece, p.Model.Llama.Vocab = uint32(c.Index.Piece), c.Tokenizer.Size()
	man, err := p.Manifest(sim.NodeID("coordinator", 0), sim.NodeID("invitation", 0), described(c))
	if err != nil {
		return l, nil, err
	}
	rules, err := replica.NewRules(man)
	if err != nil {
		return l, nil, err
	}
	shards, err := data.NewPlan(c.Index, man.Data, man.Train)
	if err != nil {
		return l, nil, err
	}
	a, err = measure.Trained(ctx, rules, shards, c.Source, pseudoRounds)
	return rules.Layout, a, err
}

func printGradient(w io.Writer, r measure.GradientResult, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	fmt.Fprintf(w, "bits     %.3f per kept value; positions %.3f, bound %.3f (k = %d, %d parameters after training)\n",
		r.BitsPerValue, r.PositionBits, r.PositionBound, r.Keep, r.Params)
	fmt.Fprintf(w, "error    %.4f of the norm is left for later rounds\n", r.RelativeError)
	fmt.Fprintf(w, "encode   %.0f MB/s of float32, one core, with error feedback and packing: %.2f of a copy (%.0f MB/s)\n",
		r.EncodeMBps, r.EncodeOverCopy, r.CopyMBps)
	fmt.Fprintf(w, "decode   %.0f million values/s, one core, added up\n", r.DecodeMValues)
	return nil
}

func benchMergeCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "merge",
		Short: "Rates of merging updates on this machine",
		Long: `Time the mean of dense and of compressed updates of 4 million parameters. Rates
count what W updates and the step hold as float32 values, read and written, and
are compared with copies of 256 MB on one core, made in turns with each kind of
merge. The memory is what the process held at most until each kind of merge was done
once. It takes some seconds, on a busy machine up to a minute.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := measure.Merge(c.Context(), timedParams/4, copiedParams, ownPeak)
			if err != nil {
				return err
			}
			return printMerge(c.OutOrStdout(), r, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func printMerge(w io.Writer, r measure.MergeResult, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	fmt.Fprintf(w, "%-8s %8s %10s %10s %8s\n", "updates", "workers", "MB/s", "copy MB/s", "of copy")
	for _, x := range r.Rows {
		fmt.Fprintf(w, "%-8s %8d %10.0f %10.0f %8.2f\n", x.Codec, x.Workers, x.MBps, x.CopyMBps, x.OverCopy)
	}
	if r.PeakBytes > 0 {
		fmt.Fprintf(w, "peak memory of this process %s\n", bytesText(uint64(r.PeakBytes)))
	}
	return nil
}
