package main

// This file holds who signs: a wallet of this machine and its passphrase.

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lode/cmd/lode/internal/plan"
	"lode/cmd/lode/internal/private"
	"lode/cmd/lode/internal/wallet"
	"lode/yuma/ledger"
)

// passphraseVar is the environment variable that a passphrase may come in.
const passphraseVar = "LODE_PASSPHRASE"

func wallets() (wallet.Folder, error) {
	dir, err := inHome("wallets")
	return wallet.Folder(dir), err
}

// ownWallet opens the wallet with a name, by default the only one.
func ownWallet(name string) (wallet.Wallet, error) {
	folder, err := wallets()
	if err != nil {
		return wallet.Wallet{}, err
	}
	if name == "" {
		names, err := folder.Names()
		switch {
		case err != nil:
			return wallet.Wallet{}, err
		case len(names) == 0:
			return wallet.Wallet{}, errors.New("no wallet on this machine yet: lode wallet new makes one")
		case len(names) > 1:
			return wallet.Wallet{}, usagef("there are wallets %s: name one (with --wallet where something is signed)", strings.Join(names, ", "))
		}
		name = names[0]
	}
	return folder.Open(name)
}

// addressOf reads an address, or takes that of a wallet of this machine.
func addressOf(s string) (ledger.Coldkey, error) {
	if len(s) <= wallet.MaxName {
		w, err := ownWallet(s)
		if errors.Is(err, os.ErrNotExist) || !wallet.IsName(s) {
			err = usagef("%q is neither an address of 52 letters and digits nor a wallet of this machine", s)
		}
		return w.Address, err
	}
	h, err := parseHot(s)
	if err != nil {
		return ledger.Coldkey{}, usagef("%q is no address: it has 52 letters and digits", s)
	}
	return ledger.Coldkey(h), nil
}

// signer is whose key signs, before it is unlocked.
type signer struct {
	name    string // for people
	address ledger.Coldkey
	unlock  func(context.Context) (ed25519.PrivateKey, error)
}

// signFlags say who signs.
type signFlags struct {
	wallet, keyFile, passFile string
}

func (f *signFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.wallet, "wallet", "", "wallet that signs (default: the only one of this machine)")
	c.Flags().StringVar(&f.keyFile, "key", "", "file of a node's key that signs instead of a wallet, such as ~/.lode/worker/key")
	addPassFile(c, &f.passFile)
}

func addPassFile(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "passphrase-file", "", "file whose first line is the passphrase, - for standard input (default "+passphraseVar+", then asked for)")
}

// open finds the signer. Nothing is asked before its key is needed.
func (f *signFlags) open(stdin io.Reader, stderr io.Writer) (signer, error) {
	if f.keyFile != "" {
		if f.wallet != "" {
			return signer{}, usagef("--key and --wallet name two signers")
		}
		key, err := plan.LoadKey(f.keyFile)
		if err != nil {
			return signer{}, err
		}
		return signer{f.keyFile, ledger.Coldkey(nodeIDOf(key)), func(context.Context) (ed25519.PrivateKey, error) { return key, nil }}, nil
	}
	w, err := ownWallet(f.wallet)
	if err != nil {
		return signer{}, err
	}
	return signer{w.Name, w.Address, func(ctx context.Context) (ed25519.PrivateKey, error) {
		var pass wallet.Passphrase
		if w.Encrypted {
			if pass, err = passphrase(ctx, f.passFile, "passphrase of wallet "+w.Name, 1, stdin, stderr); err != nil {
				return nil, err
			}
		}
		return w.Unlock(pass)
	}}, nil
}

// passphrase returns what the file or the environment says, or what is typed as many
// times.
func passphrase(ctx context.Context, file, what string, times int, stdin io.Reader, stderr io.Writer) (wallet.Passphrase, error) {
	if file == "-" {
		line, err := readLine(ctx, stdin)
		return wallet.Passphrase(line), err
	}
	if file != "" {
		b, err := private.Read(file, 1<<12)
		line, _, _ := strings.Cut(string(b), "\n")
		return wallet.Passphrase(strings.TrimSuffix(line, "\r")), err
	}
	if v, ok := os.LookupEnv(passphraseVar); ok {
		return wallet.Passphrase(v), nil
	}
	f, ok := stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", usagef("the %s is needed and nobody can be asked: give --passphrase-file FILE, or set %s", what, passphraseVar)
	}
	var first string
	for i := range times {
		fmt.Fprintf(stderr, "%s: ", []string{what, "once more"}[min(i, 1)])
		typed, err := readSecret(ctx, int(f.Fd()))
		fmt.Fprintln(stderr)
		switch {
		case err != nil:
			return "", err
		case i > 0 && typed != first:
			return "", errors.New("these were two passphrases: nothing was done")
		}
		first = typed
	}
	return wallet.Passphrase(first), nil
}

// readSecret reads a line from a terminal without echo; ctx ends it and brings the echo
// back.
func readSecret(ctx context.Context, fd int) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	return within(ctx, func() (string, error) {
		b, err := term.ReadPassword(fd)
		return string(b), err
	}, func() { _ = term.Restore(fd, before) })
}

// readLine reads a line.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	return within(ctx, func() (string, error) {
		line, err := bufio.NewReader(io.LimitReader(r, 1<<12)).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	}, func() {})
}

// within waits for read or for the end of ctx, then for tidy.
func within(ctx context.Context, read func() (string, error), tidy func()) (string, error) {
	type result struct {
		s   string
		err error
	}
	ch := make(chan result, 1)
	go func() { // ends with the input, or with this process
		s, err := read()
		ch <- result{s, err}
	}()
	select {
	case r := <-ch:
		return r.s, r.err
	case <-ctx.Done():
		tidy()
		return "", context.Cause(ctx)
	}
}
