package main

// This file holds lode wallet: keys that own coins, and what they own.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/books"
	"lode/cmd/lode/internal/wallet"
	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
)

func walletCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "wallet", Short: "Keys that own coins: make one, see what it has, send", Args: cobra.NoArgs,
		Long: `Keys that own coins, in files of ~/.lode/wallets under a passphrase. Amounts are in
coins, with up to 9 decimals. docs/wallet.md begins at the beginning.`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(walletNewCommand(), walletListCommand(), walletBalanceCommand(), walletSendCommand())
	return c
}

// ownedWallet is a wallet as JSON.
type ownedWallet struct {
	Name      string         `json:"name"`
	Address   ledger.Coldkey `json:"address"`
	Encrypted bool           `json:"encrypted"`
	File      string         `json:"file"`
	Error     string         `json:"error,omitempty"` // why it cannot be used
}

func walletNewCommand() *cobra.Command {
	var f ledgerFlags
	var passFile string
	var plain bool
	c := &cobra.Command{
		Use:   "new [NAME]",
		Short: "Make a wallet: a new key under a passphrase",
		Long: `Make a wallet with a new key, by default called main. Its file in ~/.lode/wallets is
all there is of the key: copy it to a safe place, and do not forget the passphrase;
nobody can bring either back.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := "main"
			if len(args) > 0 {
				name = args[0]
			}
			if plain && passFile != "" {
				return usagef("--unencrypted and --passphrase-file exclude each other")
			}
			w, err := newWallet(c, name, passFile, plain)
			if err != nil {
				return err
			}
			return f.show(c.OutOrStdout(), w, func(t io.Writer) {
				fmt.Fprintf(t, "%s  wallet %s, made in %s\n", w.Address, w.Name, w.File)
			})
		},
	}
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	c.Flags().BoolVar(&plain, "unencrypted", false, "no passphrase: who reads the file has the coins")
	addPassFile(c, &passFile)
	return c
}

func newWallet(c *cobra.Command, name, passFile string, plain bool) (o ownedWallet, err error) {
	folder, err := wallets()
	if err != nil {
		return o, err
	}
	// Before a passphrase is asked for.
	if err := folder.Free(name); errors.Is(err, fs.ErrExist) {
		return o, fmt.Errorf("there is a wallet %s already: give the new one another name", name)
	} else if err != nil {
		return o, usagef("%v", err)
	}
	pass, err := newPassphrase(c, name, passFile, plain)
	if err != nil {
		return o, err
	}
	w, err := folder.Create(name, pass)
	if err != nil {
		return o, err
	}
	return ownedWallet{w.Name, w.Address, w.Encrypted, w.File, ""}, nil
}

func walletListCommand() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "List the wallets of this machine with their addresses",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			folder, err := wallets()
			if err != nil {
				return err
			}
			names, err := folder.Names()
			if err != nil {
				return err
			}
			all, bad := []ownedWallet{}, 0
			for _, name := range names {
				w, err := folder.Open(name)
				o := ownedWallet{name, w.Address, w.Encrypted, w.File, ""}
				if err != nil {
					bad, o.Error = bad+1, err.Error()
				}
				all = append(all, o)
			}
			if err := f.show(c.OutOrStdout(), all, func(t io.Writer) { printWallets(t, all) }); err != nil {
				return err
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d wallets cannot be used", bad, len(all))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return c
}

func printWallets(t io.Writer, all []ownedWallet) {
	if len(all) == 0 {
		fmt.Fprintln(t, "no wallet on this machine yet; lode wallet new makes one")
		return
	}
	fmt.Fprintln(t, "name\taddress\tpassphrase")
	for _, w := range all {
		switch {
		case w.Error != "":
			fmt.Fprintf(t, "%s\t%s\n", w.Name, w.Error)
		case w.Encrypted:
			fmt.Fprintf(t, "%s\t%s\tyes\n", w.Name, w.Address)
		default:
			fmt.Fprintf(t, "%s\t%s\tno\n", w.Name, w.Address)
		}
	}
}

func walletBalanceCommand() *cobra.Command {
	var f ledgerFlags
	c := &cobra.Command{
		Use:   "balance [NAME|ADDRESS]",
		Short: "Show what a wallet has: free, staked, on its way",
		Long: `Show what a wallet of this machine, by default the only one, or any address has on
a ledger: coins that are free, stake by run and hotkey, and coins that were unstaked
and wait. Everything is checked against one root of the ledger, which is printed.`,
		Example: `  lode wallet balance
  lode wallet balance main --run lode://KEY@host:port/RUN --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			address, err := addressOrOwn(args)
			if err != nil {
				return err
			}
			l, done, err := f.open(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			h, err := l.Holdings(c.Context(), address)
			if err != nil {
				return err
			}
			return f.show(c.OutOrStdout(), h, func(t io.Writer) { printHoldings(t, h) })
		},
	}
	f.add(c)
	return c
}

func addressOrOwn(args []string) (ledger.Coldkey, error) {
	if len(args) > 0 {
		return addressOf(args[0])
	}
	w, err := ownWallet("")
	return w.Address, err
}

func printHoldings(t io.Writer, h books.Holdings) {
	fmt.Fprintf(t, "%s: %s coins free\n", h.Address, books.Coins(h.Balance))
	if len(h.Stakes) > 0 {
		fmt.Fprintln(t, "\nstaked\ton run\thotkey\tworth in coins")
	}
	for _, s := range h.Stakes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", books.Coins(s.Units), books.RunName(s.Run), s.Hot, books.Coins(s.Worth))
	}
	if len(h.Leaving) > 0 {
		fmt.Fprintln(t, "\nunstaked\tfrom run\thotkey\tto be withdrawn")
	}
	for _, l := range h.Leaving {
		when := "now: lode unstake withdraw"
		if l.Free > h.Height {
			when = fmt.Sprintf("from block %d, in %d blocks", l.Free, l.Free-h.Height)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", books.Coins(l.Amount), books.RunName(l.Run), l.Hot, when)
	}
	fmt.Fprintf(t, "\nat block %d, state %s\n", h.Height, h.Root)
}

func walletSendCommand() *cobra.Command {
	var f actFlags
	c := &cobra.Command{
		Use:   "send ADDRESS AMOUNT",
		Short: "Send coins to an address",
		Long: `Send coins from a wallet to an address, or to another wallet of this machine by its
name. AMOUNT is in coins with up to 9 decimals, or all. What will be done is shown
first, and asked for on a terminal unless --yes is said.`,
		Example: `  lode wallet send vq7l...a4ma 12.5
  lode wallet send savings all --wallet main --yes`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			to, err := addressOf(args[0])
			if err != nil {
				return err
			}
			amount, err := parseAmount(args[1])
			if err != nil {
				return err
			}
			return f.run(func(ctx context.Context, a *actor, _ []string) error { return a.send(ctx, to, amount) })(c, args)
		},
	}
	f.add(c)
	return c
}

// everything stands for all there is.
const everything = ^ledger.Amount(0)

// parseAmount reads a number of coins, or all.
func parseAmount(s string) (ledger.Amount, error) {
	if s == "all" {
		return everything, nil
	}
	a, err := books.ParseCoins(s)
	if err != nil {
		return 0, usagef("amount: %v, or all", err)
	}
	return a, nil
}

func (a *actor) send(ctx context.Context, to ledger.Coldkey, amount ledger.Amount) error {
	if amount == everything {
		amount = a.account.Balance
	}
	if to == a.address {
		return usagef("that is %s itself", a.name)
	}
	if err := a.spends(amount); err != nil {
		return err
	}
	k := ask.Key(ask.Accounts, to)
	s, err := a.Client.Get(ctx, k)
	if err != nil {
		return err
	}
	there, _, err := ask.Load[ledger.Account](s, k)
	if err != nil {
		return err
	}
	if least := ledger.Amount(a.network.Params.Existential); there.Balance+amount < least {
		return fmt.Errorf("%s would have %s coins then, less than the least balance of %s: send more", to, books.Coins(there.Balance+amount), books.Coins(least))
	}
	says := fmt.Sprintf("send %s coins to %s", books.Coins(amount), to)
	if _, known := s.Value(k); !known {
		says += ", which has never had any: a wrong letter in it loses them"
	}
	return a.act(ctx, deed{ledger.Transfer{To: to, Amount: amount}, says})
}

// newPassphrase returns that of a wallet to be.
func newPassphrase(c *cobra.Command, name, passFile string, plain bool) (pass wallet.Passphrase, err error) {
	if plain {
		return "", nil
	}
	pass, err = passphrase(c.Context(), passFile, "passphrase for the new wallet "+name, 2, c.InOrStdin(), c.ErrOrStderr())
	if err == nil && pass == "" {
		err = usagef("the passphrase is empty; if that is meant, say --unencrypted")
	}
	return pass, err
}
