package main

// This file holds lode stake and lode unstake.

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/books"
	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
)

// stakeFlags say on which run, and what must come of it at least.
type stakeFlags struct {
	actFlags
	on, least string
}

func (f *stakeFlags) add(c *cobra.Command, of string) {
	f.actFlags.add(c)
	f.addOn(c)
	c.Flags().StringVar(&f.least, "least", "", "do it only if at least so many "+of+" come of it; needed where runs have coins of their own")
}

func (f *stakeFlags) addOn(c *cobra.Command) {
	c.Flags().StringVar(&f.on, "on", "", "run by its number, or root, which counts for all runs (default: the only run there is)")
}

// bound returns the least that must come of a trade of an amount: where there is no
// market, nothing can come between.
func (f *stakeFlags) bound(a *actor, run ledger.Run) (ledger.Amount, error) {
	if f.least != "" {
		least, err := books.ParseCoins(f.least)
		if err != nil {
			return 0, usagef("--least: %v", err)
		}
		return least, nil
	}
	if a.network.Market && run != ledger.Root {
		return 0, usagef("prices move here: say with --least what must come of it (lode runs shows what stake is worth)")
	}
	return 0, nil
}

func stakeCommand() *cobra.Command {
	var f stakeFlags
	c := &cobra.Command{
		Use:   "stake HOTKEY AMOUNT",
		Short: "Put coins on a node's key: they weigh its votes and earn with it",
		Long: `Stake coins of a wallet on a hotkey, your own or another's who works for you: it
keeps its take of what your stake earns. AMOUNT is in coins with up to 9 decimals, or
all. Stake comes back with lode unstake, after a waiting time.`,
		Example: `  lode stake r3kd...y2oq 100
  lode stake r3kd...y2oq 100 --on root --wallet main`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			hot, err := parseHot(args[0])
			if err != nil {
				return err
			}
			amount, err := parseAmount(args[1])
			if err != nil {
				return err
			}
			return f.run(func(ctx context.Context, a *actor, _ []string) error { return f.stake(ctx, a, hot, amount) })(c, args)
		},
	}
	f.add(c, "units of stake")
	return c
}

func (f *stakeFlags) stake(ctx context.Context, a *actor, hot ledger.Hotkey, amount ledger.Amount) error {
	run, err := a.runOr(ctx, f.on)
	if err != nil {
		return err
	}
	if amount == everything {
		amount = a.account.Balance
	}
	if err := a.spends(amount); err != nil {
		return err
	}
	least, err := f.bound(a, run)
	if err != nil {
		return err
	}
	id, err := a.identity(ctx, hot)
	if err != nil {
		return err
	}
	if err := a.enough(ctx, run, hot, amount); err != nil {
		return err
	}
	how := fmt.Sprintf("which keeps %s of what it earns", books.Share(uint64(id.Take)))
	if id.Owner == a.address {
		how = "which is its own"
	}
	return a.act(ctx, deed{
		ledger.Stake{Run: run, Hot: hot, Amount: amount, Least: least},
		fmt.Sprintf("stake %s coins on run %s on %s, %s", books.Coins(amount), books.RunName(run), hot, how),
	})
}

// enough checks that a stake is not smaller than is kept.
func (a *actor) enough(ctx context.Context, run ledger.Run, hot ledger.Hotkey, amount ledger.Amount) error {
	least := ledger.Amount(a.network.Params.MinStake)
	if amount >= least {
		return nil
	}
	k := ask.Key(ask.Positions, run, hot, a.address)
	s, err := a.Client.Get(ctx, k)
	if err != nil {
		return err
	}
	if _, there := s.Value(k); !there {
		return fmt.Errorf("a stake has at least %s coins", books.Coins(least))
	}
	return nil
}

// identity returns who owns a hotkey.
func (a *actor) identity(ctx context.Context, hot ledger.Hotkey) (ledger.Identity, error) {
	k := ask.Key(ask.Identities, hot)
	s, err := a.Client.Get(ctx, k)
	if err != nil {
		return ledger.Identity{}, err
	}
	id, ok, err := ask.Load[ledger.Identity](s, k)
	if err == nil && !ok {
		err = fmt.Errorf("the ledger knows no hotkey %s (lode delegate show lists those it knows)", hot)
	}
	return id, err
}

func unstakeCommand() *cobra.Command {
	var f stakeFlags
	c := &cobra.Command{
		Use:   "unstake HOTKEY AMOUNT",
		Short: "Take stake back; lode unstake withdraw gets it after the waiting time",
		Long: `Take stake back from a hotkey. AMOUNT is in units of stake, which are coins unless
runs have coins of their own, with up to 9 decimals, or all. What is unstaked waits,
and can be punished with the hotkey meanwhile; then lode unstake withdraw makes it
free. What waits already from the same hotkey and run would wait anew, so what is free
of it is withdrawn first.`,
		Example: `  lode unstake r3kd...y2oq 50
  lode unstake r3kd...y2oq all --on 1
  lode unstake withdraw`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			hot, err := parseHot(args[0])
			if err != nil {
				return err
			}
			units, err := parseAmount(args[1])
			if err != nil {
				return err
			}
			return f.run(func(ctx context.Context, a *actor, _ []string) error { return f.unstake(ctx, a, hot, units) })(c, args)
		},
	}
	f.add(c, "coins")
	c.AddCommand(withdrawCommand())
	return c
}

func (f *stakeFlags) unstake(ctx context.Context, a *actor, hot ledger.Hotkey, units ledger.Amount) error {
	run, err := a.runOr(ctx, f.on)
	if err != nil {
		return err
	}
	least, err := f.bound(a, run)
	if err != nil {
		return err
	}
	h, err := a.Holdings(ctx, a.address)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(h.Stakes, func(s books.Stake) bool { return s.Run == run && s.Hot == hot })
	switch {
	case i < 0:
		return fmt.Errorf("%s has no stake on run %s on %s (lode wallet balance shows where it has some)", a.name, books.RunName(run), hot)
	case units == 0:
		return usagef("the amount is 0")
	case units != everything && units > h.Stakes[i].Units:
		return fmt.Errorf("%s has %s staked there, %s are to be taken back", a.name, books.Coins(h.Stakes[i].Units), books.Coins(units))
	}
	var deeds []deed
	for _, l := range h.Leaving {
		switch {
		case l.Run != run || l.Hot != hot:
		case l.Free <= h.Height:
			deeds = append(deeds, withdrawal(l))
		default:
			fmt.Fprintf(a.stderr, "note: %s coins that would be free from block %d on will wait anew, with these\n", books.Coins(l.Amount), l.Free)
		}
	}
	what := "all " + books.Coins(h.Stakes[i].Units)
	if units != everything {
		what = books.Coins(units)
	}
	deeds = append(deeds, deed{
		ledger.Unstake{Run: run, Hot: hot, Units: units, Least: least},
		fmt.Sprintf("unstake %s from run %s from %s, free after %d blocks", what, books.RunName(run), hot, a.network.Params.Unbond),
	})
	return a.act(ctx, deeds...)
}

func withdrawal(l books.Leaving) deed {
	return deed{
		ledger.Withdraw{Run: l.Run, Hot: l.Hot},
		fmt.Sprintf("withdraw %s coins that were unstaked from run %s from %s", books.Coins(l.Amount), books.RunName(l.Run), l.Hot),
	}
}

func withdrawCommand() *cobra.Command {
	var f actFlags
	c := &cobra.Command{
		Use:   "withdraw",
		Short: "Make all unstaked coins free whose waiting time is over",
		Args:  cobra.NoArgs,
		RunE: f.run(func(ctx context.Context, a *actor, _ []string) error {
			h, err := a.Holdings(ctx, a.address)
			if err != nil {
				return err
			}
			var deeds []deed
			for _, l := range h.Leaving {
				if l.Free <= h.Height {
					deeds = append(deeds, withdrawal(l))
				}
			}
			if len(deeds) == 0 {
				return a.nothingFree(h)
			}
			return a.act(ctx, deeds...)
		}),
	}
	f.add(c)
	return c
}

// nothingFree says what is waited for.
func (a *actor) nothingFree(h books.Holdings) error {
	if len(h.Leaving) == 0 {
		return fmt.Errorf("nothing of %s was unstaked that is not withdrawn", a.name)
	}
	first := slices.MinFunc(h.Leaving, func(x, y books.Leaving) int { return int(min(x.Free, 1<<62)) - int(min(y.Free, 1<<62)) })
	return fmt.Errorf("nothing is free yet: the first %s coins from block %d on, now is %d", books.Coins(first.Amount), first.Free, h.Height)
}

// stakesText lists stakes by run, for a table.
func stakesText(t io.Writer, stakes []books.Pool) {
	for i, s := range stakes {
		if i > 0 {
			fmt.Fprint(t, ", ")
		}
		fmt.Fprintf(t, "%s on %s", books.Coins(s.Units), books.RunName(s.Run))
	}
}
