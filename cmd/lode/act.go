package main

// This file holds what all commands that sign do alike: show, ask, sign, hand in, wait.

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lode/cmd/lode/internal/books"
	"lode/protocol"
	"lode/yuma/ledger"
)

// validFor is how many blocks a transaction may wait to be applied.
const validFor = 256

// pollEvery is how often the ledger is asked whether a transaction is in.
const pollEvery = 300 * time.Millisecond

// actFlags are those of commands that sign.
type actFlags struct {
	ledgerFlags
	signFlags
	yes  bool
	wait time.Duration
}

func (f *actFlags) add(c *cobra.Command) {
	f.ledgerFlags.add(c)
	f.signFlags.add(c)
	c.Flags().BoolVar(&f.yes, "yes", false, "do it without asking")
	c.Flags().DurationVar(&f.wait, "wait", time.Minute, "how long to wait until it is done")
}

// actor is a command at work.
type actor struct {
	counter
	signer
	flags  *actFlags
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	account ledger.Account // the signer's
	network ledger.Network
}

// begin finds signer and ledger and reads the signer's account.
func (f *actFlags) begin(c *cobra.Command) (a *actor, done func(), err error) {
	a = &actor{flags: f, stdin: c.InOrStdin(), stdout: c.OutOrStdout(), stderr: c.ErrOrStderr()}
	if a.signer, err = f.signFlags.open(a.stdin, a.stderr); err != nil {
		return nil, nil, err
	}
	if a.counter, done, err = f.ledgerFlags.open(c.Context(), a.stderr); err != nil {
		return nil, nil, err
	}
	if _, ok := a.teller.(still); ok {
		done()
		return nil, nil, errStill
	}
	account, state, err := a.Account(c.Context(), a.address)
	if err != nil {
		done()
		return nil, nil, err
	}
	a.account, a.network = account, state.Network
	return a, done, nil
}

// run makes the RunE of a command from what it does as an actor.
func (f *actFlags) run(do func(ctx context.Context, a *actor, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		a, done, err := f.begin(c)
		if err != nil {
			return err
		}
		defer done()
		return do(c.Context(), a, args)
	}
}

// spends checks that the signer has an amount and is not left with dust.
func (a *actor) spends(amount ledger.Amount) error {
	least := ledger.Amount(a.network.Params.Existential)
	switch left := a.account.Balance - amount; {
	case amount == 0 && a.account.Balance == 0:
		return fmt.Errorf("%s has no coins free (lode wallet balance shows what is staked)", a.name)
	case amount == 0:
		return usagef("the amount is 0")
	case amount > a.account.Balance:
		return fmt.Errorf("%s has %s coins free, %s are needed (lode wallet balance shows what is staked)",
			a.name, books.Coins(a.account.Balance), books.Coins(amount))
	case left > 0 && left < least:
		return fmt.Errorf("that would leave %s coins to %s, less than the least balance of %s: leave more, or nothing",
			books.Coins(left), a.name, books.Coins(least))
	}
	return nil
}

// deed is a transaction to be.
type deed struct {
	body ledger.Body
	says string // what it does, for people
}

// done is a transaction that was handed in, as JSON.
type doneDeed struct {
	Digest protocol.Digest `json:"digest"`
	Nonce  uint64          `json:"nonce"`
	Until  uint64          `json:"until"` // last height at which it may be applied
	Says   string          `json:"says"`
}

// outcome is what a command that signs prints as JSON.
type outcome struct {
	Signer ledger.Coldkey `json:"signer"`
	Txs    []doneDeed     `json:"transactions"`
	// Height is that of the ledger when they were done; 0 if they were not yet.
	Height  uint64        `json:"height"`
	Balance ledger.Amount `json:"balance"` // then
}

// act does deeds in order, once the user agrees.
func (a *actor) act(ctx context.Context, deeds ...deed) error {
	tell := a.stdout
	if a.flags.json {
		tell = a.stderr
	}
	fmt.Fprintf(tell, "%s (%s) has %s coins free and will\n", a.name, a.address, books.Coins(a.account.Balance))
	for _, d := range deeds {
		fmt.Fprintf(tell, "  %s\n", d.says)
	}
	if err := a.agree(ctx); err != nil {
		return err
	}
	key, err := a.unlock(ctx)
	if err != nil {
		return err
	}
	out := outcome{Signer: a.address}
	for i, d := range deeds {
		sent, err := a.hand(ctx, key, uint64(i), d)
		if err != nil {
			return fmt.Errorf("the ledger does not take it (%s): %w", d.says, err)
		}
		out.Txs = append(out.Txs, sent)
	}
	if err := a.settle(ctx, &out); err != nil {
		return err
	}
	if a.flags.json {
		return json.NewEncoder(a.stdout).Encode(out)
	}
	if out.Height == 0 {
		last := out.Txs[len(out.Txs)-1]
		fmt.Fprintf(tell, "handed in, and not done after %v; it may be until block %d: lode ledger tx %s\n", a.flags.wait, last.Until, last.Digest)
		return nil
	}
	fmt.Fprintf(tell, "done at block %d; %s has %s coins free\n", out.Height, a.name, books.Coins(out.Balance))
	return nil
}

// hand signs and submits the i-th deed. Another command of the same signer may have used
// its number meanwhile; then it takes the next.
func (a *actor) hand(ctx context.Context, key ed25519.PrivateKey, i uint64, d deed) (doneDeed, error) {
	for {
		nonce, until := a.account.Nonce+i, a.network.Height+validFor
		tx := ledger.Sign(key, a.network.ID, nonce, until, d.body)
		err := a.submit(ctx, tx)
		if err == nil {
			return doneDeed{tx.Digest(), nonce, until, d.says}, nil
		}
		if protocol.ReasonOf(err) != protocol.NotApplied {
			return doneDeed{}, err
		}
		now, _, lookup := a.Account(ctx, a.address)
		if lookup != nil || now.Nonce <= nonce {
			return doneDeed{}, err
		}
		a.account.Nonce = now.Nonce - i
	}
}

// agree asks whether to go on.
func (a *actor) agree(ctx context.Context) error {
	if a.flags.yes {
		return nil
	}
	f, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return usagef("nobody can be asked whether to go on: say --yes")
	}
	fmt.Fprint(a.stderr, "go on? [y/N] ")
	line, err := readLine(ctx, f)
	if err != nil {
		return err
	}
	return agreed(line)
}

// agreed takes y and yes for an agreement, and nothing else.
func agreed(line string) error {
	if s := strings.ToLower(strings.TrimSpace(line)); s != "y" && s != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

// settle waits until the ledger has counted the transactions. One that it took and then
// refuses is never counted.
func (a *actor) settle(ctx context.Context, out *outcome) error {
	want := a.account.Nonce + uint64(len(out.Txs))
	end := time.NewTimer(a.flags.wait)
	defer end.Stop()
	for {
		acc, state, err := a.Account(ctx, a.address)
		if err != nil {
			return fmt.Errorf("it was handed in; whether it is done is not known: %w", err)
		}
		if acc.Nonce >= want {
			out.Height, out.Balance = state.Network.Height, acc.Balance
			return nil
		}
		select {
		case <-time.After(pollEvery):
		case <-end.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("it was handed in; whether it is done is not known: %w", context.Cause(ctx))
		}
	}
}
