package main

// This file holds lode delegate: whom one can stake on, and what he keeps.

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/books"
	"lode/yuma/ledger"
)

func delegateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "delegate", Short: "Node keys that one can stake on, and what they keep", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(delegateShowCommand(), delegateTakeCommand())
	return c
}

func delegateShowCommand() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "show [HOTKEY]",
		Short: "List the hotkeys of the ledger: owner, take, stake by run",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			l, done, err := f.open(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			all, _, err := l.Delegates(c.Context())
			if err != nil {
				return err
			}
			if len(args) > 0 {
				hot, err := parseHot(args[0])
				if err != nil {
					return err
				}
				all = slices.DeleteFunc(all, func(d books.Delegate) bool { return d.Hot != hot })
				if len(all) == 0 {
					return fmt.Errorf("the ledger knows no hotkey %s", hot)
				}
			}
			return f.show(c.OutOrStdout(), all, func(t io.Writer) {
				fmt.Fprintln(t, "hotkey\towner\ttake\tstake on run")
				for _, d := range all {
					fmt.Fprintf(t, "%s\t%s\t%s\t", d.Hot, d.Owner, books.Share(uint64(d.Take)))
					stakesText(t, d.Stakes)
					fmt.Fprintln(t)
				}
			})
		},
	}
	f.add(c)
	return c
}

func delegateTakeCommand() *cobra.Command {
	var f actFlags
	c := &cobra.Command{
		Use:   "take HOTKEY PERCENT",
		Short: "Set what a hotkey of yours keeps of what others' stake on it earns",
		Long: `Set the take of a hotkey that your wallet owns, in percent, such as 9 or 17.5. It can
be lowered at any time, and raised now and then, up to the network's bound.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			hot, err := parseHot(args[0])
			if err != nil {
				return err
			}
			take, err := books.ParseShare(args[1])
			if err != nil {
				return usagef("take: %v", err)
			}
			return f.run(func(ctx context.Context, a *actor, _ []string) error { return a.setTake(ctx, hot, take) })(c, args)
		},
	}
	f.add(c)
	return c
}

func (a *actor) setTake(ctx context.Context, hot ledger.Hotkey, take uint16) error {
	id, err := a.identity(ctx, hot)
	if err != nil {
		return err
	}
	p := a.network.Params
	switch {
	case id.Owner != a.address:
		return fmt.Errorf("%s belongs to %s, not to %s", hot, id.Owner, a.name)
	case uint64(take) > p.MaxTake:
		return fmt.Errorf("a take is at most %s here", books.Share(p.MaxTake))
	case take == id.Take:
		return fmt.Errorf("it takes %s already", books.Share(uint64(take)))
	case take > id.Take && a.network.Height < id.Raised+p.TakeRate:
		return fmt.Errorf("the take was last raised at block %d and can be again from %d on; now is %d", id.Raised, id.Raised+p.TakeRate, a.network.Height)
	}
	return a.act(ctx, deed{
		ledger.SetTake{Hot: hot, Take: take},
		fmt.Sprintf("set the take of %s from %s to %s", hot, books.Share(uint64(id.Take)), books.Share(uint64(take))),
	})
}
