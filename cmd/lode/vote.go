package main

// This file holds lode vote: what is voted on, proposing, saying yes and no.

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/books"
	"lode/yuma/ledger"
)

func voteCommand() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "vote",
		Short: "Changes of a ledger's rules: list what is voted on, propose, vote",
		Long: `List the changes of parameters that are voted on or wait to be made. Who has hotkeys
with stake proposes with lode vote propose and votes with lode vote yes and no.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, done, err := f.open(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			all, s, err := l.Proposals(c.Context())
			if err != nil {
				return err
			}
			return f.show(c.OutOrStdout(), all, func(t io.Writer) { printProposals(t, all, s.Network.Height) })
		},
	}
	f.add(c)
	c.AddCommand(proposeCommand(), castCommand("yes", true), castCommand("no", false), paramsCommand())
	return c
}

func printProposals(t io.Writer, all []books.Proposal, height uint64) {
	if len(all) == 0 {
		fmt.Fprintf(t, "nothing is voted on at block %d\n", height)
		return
	}
	fmt.Fprintln(t, "proposal\tof\tchange\tyes\tno\t")
	for _, p := range all {
		var what []string
		for _, x := range p.Changes {
			what = append(what, fmt.Sprintf("%s %d → %d", x.Name, x.From, x.To))
		}
		state := fmt.Sprintf("counted at block %d, in %d", p.Due, p.Due-min(height, p.Due))
		if p.Passed {
			state = fmt.Sprintf("passed, made at block %d", p.Due)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", p.Number, scopeName(p.Run), strings.Join(what, ", "), books.Coins(p.Yes), books.Coins(p.No), state)
	}
}

// scopeName names what a proposal is about.
func scopeName(run ledger.Run) string {
	if run == ledger.Root {
		return "network"
	}
	return "run " + books.RunName(run)
}

// votingFlags say which hotkey speaks.
type votingFlags struct {
	actFlags
	hotkey string
}

func (f *votingFlags) add(c *cobra.Command) {
	f.actFlags.add(c)
	c.Flags().StringVar(&f.hotkey, "hotkey", "", "hotkey whose stake speaks (default: the only one that the wallet owns)")
}

// hot returns the hotkey that speaks.
func (f *votingFlags) hot(ctx context.Context, a *actor) (ledger.Hotkey, error) {
	if f.hotkey != "" {
		return parseHot(f.hotkey)
	}
	all, _, err := a.Delegates(ctx)
	if err != nil {
		return ledger.Hotkey{}, err
	}
	all = slices.DeleteFunc(all, func(d books.Delegate) bool { return d.Owner != a.address })
	switch len(all) {
	case 0:
		return ledger.Hotkey{}, fmt.Errorf("%s owns no hotkey, and hotkeys vote: a node that joins with lode worker or validator --wallet is one, lode stake gives it stake", a.name)
	case 1:
		return all[0].Hot, nil
	}
	return ledger.Hotkey{}, usagef("%s owns %d hotkeys: say which speaks with --hotkey (lode delegate show lists them)", a.name, len(all))
}

func castCommand(word string, yes bool) *cobra.Command {
	var f votingFlags
	c := &cobra.Command{
		Use:   word + " PROPOSAL",
		Short: "Vote " + word + " with the stake on a hotkey of yours",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return usagef("%q is no number of a proposal: lode vote lists them", args[0])
			}
			return f.run(func(ctx context.Context, a *actor, _ []string) error { return f.cast(ctx, a, n, yes) })(c, args)
		},
	}
	f.add(c)
	return c
}

func (f *votingFlags) cast(ctx context.Context, a *actor, n uint64, yes bool) error {
	all, _, err := a.Proposals(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(p books.Proposal) bool { return p.Number == n })
	switch {
	case i < 0:
		return fmt.Errorf("there is no proposal %d; lode vote lists those there are", n)
	case all[i].Passed:
		return fmt.Errorf("the votes on proposal %d are counted: it passed, and is made at block %d", n, all[i].Due)
	}
	hot, err := f.hot(ctx, a)
	if err != nil {
		return err
	}
	word := map[bool]string{true: "yes", false: "no"}[yes]
	return a.act(ctx, deed{
		ledger.CastVote{Proposal: n, Hot: hot, Yes: yes},
		fmt.Sprintf("vote %s on proposal %d of %s with the stake on %s", word, n, scopeName(all[i].Run), hot),
	})
}

func proposeCommand() *cobra.Command {
	var f votingFlags
	var on string
	c := &cobra.Command{
		Use:   "propose NAME=VALUE...",
		Short: "Propose to change parameters of a run or of the network",
		Long: `Propose new values of parameters; lode vote params lists them with their bounds. All
values are whole numbers: amounts in 10⁻⁹ coin, spans in blocks, shares in 65535ths.`,
		Example: `  lode vote propose kappa=30000 liquid_alpha=1 --on 1
  lode vote propose unbond=14400 --on root`,
		Args: cobra.MinimumNArgs(1),
		RunE: f.run(func(ctx context.Context, a *actor, args []string) error {
			run, err := a.runOr(ctx, on)
			if err != nil {
				return err
			}
			hot, err := f.hot(ctx, a)
			if err != nil {
				return err
			}
			return a.propose(ctx, run, hot, args)
		}),
	}
	f.add(c)
	addScope(c, &on)
	return c
}

func addScope(c *cobra.Command, on *string) {
	c.Flags().StringVar(on, "on", "", "run by its number, or root for the network (default: the only run there is)")
}

func (a *actor) propose(ctx context.Context, run ledger.Run, hot ledger.Hotkey, args []string) error {
	settings, err := a.Settings(ctx, run)
	if err != nil {
		return err
	}
	var changes []ledger.Change
	var says []string
	for _, arg := range args {
		c, err := parseChange(arg, settings)
		if err != nil {
			return err
		}
		changes = append(changes, c)
		says = append(says, fmt.Sprintf("%s %d → %d", settings[c.Param].Name, settings[c.Param].Value, c.Value))
	}
	return a.act(ctx, deed{
		ledger.Propose{Hot: hot, Run: run, Changes: changes},
		fmt.Sprintf("propose for %s: %s, with the stake on %s", scopeName(run), strings.Join(says, ", "), hot),
	})
}

// parseChange reads NAME=VALUE.
func parseChange(arg string, settings []ledger.Setting) (ledger.Change, error) {
	name, value, _ := strings.Cut(arg, "=")
	i := slices.IndexFunc(settings, func(s ledger.Setting) bool { return s.Name == name })
	if i < 0 {
		return ledger.Change{}, usagef("there is no parameter %q; lode vote params lists them", name)
	}
	v, err := strconv.ParseUint(value, 10, 64)
	if s := settings[i]; err != nil || v < s.Low || v > s.High {
		return ledger.Change{}, usagef("%s must be a whole number from %d to %d, not %q", name, s.Low, s.High, value)
	}
	return ledger.Change{Param: uint8(i), Value: v}, nil
}

func paramsCommand() *cobra.Command {
	var f ledgerFlags
	var on string
	c := &cobra.Command{
		Use:   "params",
		Short: "List the parameters that votes may change, with their bounds",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, done, err := f.open(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			run, err := l.runOr(c.Context(), on)
			if err != nil {
				return err
			}
			all, err := l.Settings(c.Context(), run)
			if err != nil {
				return err
			}
			return f.show(c.OutOrStdout(), all, func(t io.Writer) {
				fmt.Fprintf(t, "parameter of %s\tvalue\tleast\tmost\n", scopeName(run))
				for _, s := range all {
					fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", s.Name, s.Value, s.Low, s.High)
				}
			})
		},
	}
	f.add(c)
	addScope(c, &on)
	return c
}
