package main

// This file holds lode runs: the runs of a ledger and who has places there.

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/books"
	"lode/yuma/ledger"
)

func runsCommand() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "runs [NUMBER]",
		Short: "List the runs of a ledger, or the places on one",
		Long: `List the runs that a ledger pays, or with a number the places on that run: stake and
what the last epoch gave. Amounts are in coins, or in units of the run's own.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			l, done, err := f.open(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			all, _, err := l.Runs(c.Context())
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return f.show(c.OutOrStdout(), all, func(t io.Writer) { printRuns(t, all) })
			}
			run, err := parseRun(args[0])
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(all, func(r books.Run) bool { return r.Number == run }) {
				return fmt.Errorf("the ledger has no run %d; lode runs lists those it has", run)
			}
			return f.showPlaces(c, l, run)
		},
	}
	f.add(c)
	return c
}

func printRuns(t io.Writer, all []books.Run) {
	if len(all) == 0 {
		fmt.Fprintln(t, "the ledger has no runs")
		return
	}
	fmt.Fprintln(t, "run\tmanifest\tplaces\tprice of one\tstake\tworth in coins\tepochs\tblocks an epoch\towed")
	for _, r := range all {
		fmt.Fprintf(t, "%d\t%s\t%d of %d\t%s\t%s\t%s\t%d\t%d\t%s\n", r.Number, r.ID.Short(), r.Places, r.Params["max_uids"],
			books.Coins(r.Price), books.Coins(r.Stake), books.Coins(r.Worth), r.Epochs, r.Params["tempo"], books.Coins(r.Owed))
	}
}

func (f *ledgerFlags) showPlaces(c *cobra.Command, l counter, run ledger.Run) error {
	all, _, err := l.Places(c.Context(), run)
	if err != nil {
		return err
	}
	return f.show(c.OutOrStdout(), all, func(t io.Writer) {
		fmt.Fprintln(t, "uid\thotkey\tvotes\tstake\ttrust\tincentive\tdividends\temission\tlast weights")
		for _, p := range all {
			votes := "no"
			if p.Permit {
				votes = "yes"
			}
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", p.UID, p.Hot, votes, books.Coins(p.Stake), books.Share(uint64(p.Trust)),
				books.Share(uint64(p.Incentive)), books.Share(uint64(p.Dividends)), books.Coins(p.Emission), p.Updated)
		}
	})
}
