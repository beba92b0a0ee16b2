package wallet

// This file holds the text of a wallet: made, read, unlocked.

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"lode/protocol"
	"lode/yuma/ledger"
)

const (
	word        = "lode-wallet-1" // the number is the format's
	unencrypted = "unencrypted"

	maxFile       = 4 << 10 // bytes
	maxPassphrase = 1 << 10 // bytes
	// workFactor is the logarithm of scrypt's N: with r = 8 a passphrase costs
	// 2^18·8·128 bytes, 256 MiB, and about a second. No more is accepted either.
	workFactor = 18
)

// Errors that callers tell apart.
var (
	ErrDamaged    = errors.New("it is damaged; bring it back from a copy")
	ErrPassphrase = errors.New("wrong passphrase")
)

// Passphrase encrypts a wallet. It prints as "secret".
type Passphrase string

// Format hides the passphrase from every verb of package fmt.
func (Passphrase) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret") }

// addressOf returns what a key owns funds as.
func addressOf(key ed25519.PrivateKey) ledger.Coldkey {
	return ledger.Coldkey(key.Public().(ed25519.PublicKey))
}

// seal returns the text of a wallet, encrypted unless the passphrase is empty.
func seal(key ed25519.PrivateKey, pass Passphrase, factor int) (string, error) {
	head := word + " " + addressOf(key).String() + "\n"
	seed := protocol.NodeID(key.Seed()).String() + "\n" // the encoding, not a node
	if pass == "" {
		return head + unencrypted + " " + seed, nil
	}
	if len(pass) > maxPassphrase {
		return "", fmt.Errorf("a passphrase of %d bytes, at most %d are taken", len(pass), maxPassphrase)
	}
	to, err := age.NewScryptRecipient(string(pass))
	if err != nil {
		return "", err
	}
	to.SetWorkFactor(factor)
	var b bytes.Buffer
	b.WriteString(head)
	outer := armor.NewWriter(&b)
	inner, err := age.Encrypt(outer, to)
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(inner, seed)
	if err := errors.Join(err, inner.Close(), outer.Close()); err != nil {
		return "", err
	}
	return b.String(), nil
}

// parse reads the text of a wallet as far as that needs no passphrase.
func parse(text []byte) (w Wallet, err error) {
	first, rest, _ := strings.Cut(string(text), "\n")
	address, ok := strings.CutPrefix(first, word+" ")
	id, err := protocol.ParseNodeID(address)
	if len(text) > maxFile || !ok || err != nil {
		return w, ErrDamaged
	}
	w.Address = ledger.Coldkey(id)
	w.Encrypted = strings.HasPrefix(rest, armor.Header+"\n")
	if !w.Encrypted && !strings.HasPrefix(rest, unencrypted+" ") {
		return w, ErrDamaged
	}
	w.sealed = rest
	return w, nil
}

// Unlock returns the key. Without encryption the passphrase does not matter.
func (w Wallet) Unlock(pass Passphrase) (ed25519.PrivateKey, error) {
	text := w.sealed
	if w.Encrypted {
		var err error
		if text, err = decrypt(w.sealed, pass); err != nil {
			return nil, fmt.Errorf("wallet %s: %w", w.Name, err)
		}
	} else {
		text = strings.TrimPrefix(text, unencrypted+" ")
	}
	seed, err := protocol.ParseNodeID(strings.TrimSuffix(text, "\n"))
	if err != nil {
		return nil, fmt.Errorf("wallet %s: %w", w.Name, ErrDamaged)
	}
	key := ed25519.NewKeyFromSeed(seed[:])
	if got := addressOf(key); got != w.Address {
		return nil, fmt.Errorf("wallet %s: the file names the address %s and holds the key of %s: %w", w.Name, w.Address, got, ErrDamaged)
	}
	return key, nil
}

func decrypt(sealed string, pass Passphrase) (string, error) {
	if len(pass) > maxPassphrase || pass == "" {
		return "", ErrPassphrase
	}
	id, err := age.NewScryptIdentity(string(pass))
	if err != nil {
		return "", err
	}
	id.SetMaxWorkFactor(workFactor)
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(sealed)), id)
	if errors.Is(err, age.ErrIncorrectIdentity) || errors.As(err, new(*age.NoIdentityMatchError)) {
		return "", fmt.Errorf("%w, or it is encrypted in another way", ErrPassphrase)
	}
	if err != nil {
		return "", fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	return string(b), nil
}
