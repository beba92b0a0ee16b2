package main

// This file holds lode bench yuma: what an epoch costs on this machine.

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/measure"
)

// yumaBench is what lode bench yuma prints as JSON.
type yumaBench struct {
	Small float64           `json:"epoch_256x64_ms"`   // Yuma 3, full density, one core
	Large float64           `json:"epoch_4096x128_ms"` // the same
	Tx    float64           `json:"tx_per_s_applied"`  // as Chain says
	Sync  float64           `json:"tx_per_s_synced"`   // the same
	Rows  []measure.YumaRow `json:"rows"`
	Chain measure.ChainRow  `json:"chain"`
}

func newYumaBench(rows []measure.YumaRow, ledger measure.ChainRow) yumaBench {
	b := yumaBench{Rows: rows, Tx: ledger.TxPerSecond, Sync: ledger.Synced, Chain: ledger}
	for _, r := range rows {
		switch full := r.Rule == "yuma3" && r.PerRow == r.Neurons; {
		case full && r.Neurons == 256:
			b.Small = r.Ms
		case full && r.Neurons == 4096:
			b.Large = r.Ms
		}
	}
	return b
}

func benchYumaCommand() *cobra.Command {
	var asJSON, sparse bool
	var accounts int
	c := &cobra.Command{
		Use:   "yuma",
		Short: "Times of Yuma epochs and of transactions on this machine",
		Long: `Time epochs of 256 neurons with 64 validators and of 4,096 with 128, at full density,
on one core, the shortest of up to 21, beside a plain float64 version with full
matrices.
With --sparse also up to 16,384 neurons with 256 validators, where the cost follows
the number of weights.
Then apply transfers among many accounts on one core, in blocks of 500, signatures and
the root after each block included; and as a coordinator records them, each a signed
entry, 64 written and synced at once.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			sizes := []measure.Crowd{{Neurons: 256, Validators: 64, PerRow: 256}, {Neurons: 4096, Validators: 128, PerRow: 4096}}
			if sparse {
				for _, n := range []int{1024, 4096, 16384} {
					for _, perRow := range []int{64, 256, 512} {
						sizes = append(sizes, measure.Crowd{Neurons: n, Validators: 256, PerRow: perRow})
					}
				}
			}
			rows, err := measure.Yuma(c.Context(), sizes)
			if err != nil {
				return err
			}
			ledger, err := measure.Chain(c.Context(), accounts)
			if err != nil {
				return err
			}
			return printYuma(c.OutOrStdout(), newYumaBench(rows, ledger), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	c.Flags().BoolVar(&sparse, "sparse", false, "also large sizes with few weights each")
	c.Flags().IntVar(&accounts, "accounts", 100_000, "accounts that transfers go among")
	return c
}

func printYuma(w io.Writer, r yumaBench, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	fmt.Fprintf(w, "%-13s %8s %11s %8s %10s %10s %12s\n", "rule", "neurons", "validators", "per row", "ms", "ns/weight", "float64 ms")
	for _, x := range r.Rows {
		fmt.Fprintf(w, "%-13s %8d %11d %8d %10.2f %10.1f %12.2f\n", x.Rule, x.Neurons, x.Validators, x.PerRow, x.Ms, x.NsPerWeight, x.DenseMs)
	}
	fmt.Fprintf(w, "\n%.0f transactions/s applied among %d accounts of %.0f bytes each\n", r.Tx, r.Chain.Accounts, r.Chain.BytesPerAccount)
	fmt.Fprintf(w, "%.0f transactions/s into a synced record, %d at a time, %.0f bytes each\n", r.Sync, r.Chain.Batch, r.Chain.RecordBytes)
	return nil
}
