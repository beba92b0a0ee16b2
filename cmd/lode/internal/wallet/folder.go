package wallet

// This file holds the folder of wallets.

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lode/cmd/lode/internal/private"
	"lode/yuma/ledger"
)

// Folder is where wallets lie, one file each. It is made with the first of them.
type Folder string

// Wallet is one file. The zero Wallet is none.
type Wallet struct {
	Name      string
	Address   ledger.Coldkey // as the file says; checked by Unlock
	Encrypted bool
	File      string

	sealed string // all but the first line
}

// Format prints name and address, whatever the file holds.
func (w Wallet) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "%s %s", w.Name, w.Address) }

// MaxName is the longest name of a wallet, in bytes.
const MaxName = 32

// IsName reports whether a wallet may be called so: 1 to MaxName letters, digits,
// dashes and underscores, with a letter or digit first.
func IsName(s string) bool {
	plain := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' }
	other := func(r rune) bool { return !plain(r) && r != '-' && r != '_' }
	return s != "" && len(s) <= MaxName && plain(rune(s[0])) && strings.IndexFunc(s, other) < 0
}

func (f Folder) path(name string) (string, error) {
	if !IsName(name) {
		return "", fmt.Errorf("%q cannot be the name of a wallet: 1 to %d letters, digits, - and _, a letter or digit first", name, MaxName)
	}
	return filepath.Join(string(f), name), nil
}

// Create makes a wallet with a new key, encrypted unless the passphrase is empty. It
// takes no other wallet's place: then the error is [fs.ErrExist].
func (f Folder) Create(name string, pass Passphrase) (Wallet, error) {
	return f.create(name, pass, workFactor)
}

func (f Folder) create(name string, pass Passphrase, factor int) (Wallet, error) {
	path, err := f.path(name)
	if err != nil {
		return Wallet{}, err
	}
	var seed [ed25519.SeedSize]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return Wallet{}, fmt.Errorf("draw a key: %w", err)
	}
	text, err := seal(ed25519.NewKeyFromSeed(seed[:]), pass, factor)
	if err != nil {
		return Wallet{}, fmt.Errorf("wallet %s: %w", name, err)
	}
	if err := private.CheckFolder(string(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Wallet{}, fmt.Errorf("wallets: %w", err)
	}
	if err := private.Create(path, text); err != nil {
		return Wallet{}, fmt.Errorf("wallet %s: %w", name, err)
	}
	return f.Open(name) // what others will read
}

// Free reports whether a wallet with that name could be made: [fs.ErrExist] is wrapped
// where there is something with that name.
func (f Folder) Free(name string) error {
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("wallet %s: %w", name, fs.ErrExist)
	}
	return nil
}

// Open reads a wallet. It refuses files and folders that others may use.
func (f Folder) Open(name string) (Wallet, error) {
	path, err := f.path(name)
	if err != nil {
		return Wallet{}, err
	}
	if err := private.CheckFolder(string(f)); err != nil {
		return Wallet{}, fmt.Errorf("wallets: %w", err)
	}
	text, err := private.Read(path, maxFile)
	if err != nil {
		return Wallet{}, fmt.Errorf("wallet: %w", err)
	}
	w, err := parse(text)
	if err != nil {
		return Wallet{}, fmt.Errorf("wallet: %s: %w", path, err)
	}
	w.Name, w.File = name, path
	return w, nil
}

// Names returns the names of all wallets, ascending; none if there is no folder.
func (f Folder) Names() (names []string, err error) {
	entries, err := os.ReadDir(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if IsName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, err
}
