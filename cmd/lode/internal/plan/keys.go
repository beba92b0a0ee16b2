package plan

// This file holds the secrets a node keeps: its key and its run's invitations.

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"lode/cmd/lode/internal/private"
	"lode/protocol"
)

// A secret's file is one line: what it is, a space, and 52 characters of
// lower-case base32 of the seed. The number in the word is the format's.
const (
	keyWord    = "lode-key-1"
	inviteWord = "lode-invite-1"

	maxKeyFile = 128 // bytes
)

var keyEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// seed is a secret.
type seed [32]byte

// Format hides the seed from every verb of package fmt.
func (seed) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret") }

// LoadOrCreateKey returns the node key in the file at path, and creates file and
// folder if they are missing. It refuses a file that others may read.
func LoadOrCreateKey(path string) (key ed25519.PrivateKey, created bool, err error) {
	s, created, err := loadOrCreate(path, keyWord)
	if err != nil {
		return nil, false, fmt.Errorf("node key: %w", err)
	}
	return ed25519.NewKeyFromSeed(s[:]), created, nil
}

// LoadOrCreateInvite does the same for the seed of a run's invitation key.
func LoadOrCreateInvite(path string) (protocol.InviteSeed, error) {
	s, _, err := loadOrCreate(path, inviteWord)
	if err != nil {
		return protocol.InviteSeed{}, fmt.Errorf("invitation: %w", err)
	}
	return protocol.InviteSeed(s), nil
}

// LoadKey returns the node key in the file at path. It creates nothing.
func LoadKey(path string) (ed25519.PrivateKey, error) {
	s, err := load(path, keyWord)
	if err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	return ed25519.NewKeyFromSeed(s[:]), nil
}

// ShowKey returns the public id of the node key in the file at path. It creates
// nothing.
func ShowKey(path string) (protocol.NodeID, error) {
	key, err := LoadKey(path)
	if err != nil {
		return protocol.NodeID{}, err
	}
	return protocol.NodeID(key.Public().(ed25519.PublicKey)), nil
}

func loadOrCreate(path, word string) (s seed, created bool, err error) {
	s, err = load(path, word)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, false, err
	}
	if _, err := rand.Read(s[:]); err != nil {
		return seed{}, false, fmt.Errorf("draw a secret: %w", err)
	}
	err = private.Create(path, word+" "+keyEncoding.EncodeToString(s[:])+"\n")
	if errors.Is(err, fs.ErrExist) { // another process was faster: its key is the one
		s, err = load(path, word)
		return s, false, err
	}
	return s, err == nil, err
}

// load reads the secret in the file at path.
func load(path, word string) (s seed, err error) {
	b, err := private.Read(path, maxKeyFile)
	if err != nil {
		return s, err
	}
	got, rest, _ := strings.Cut(strings.TrimRight(string(b), "\r\n"), " ")
	raw, err := keyEncoding.DecodeString(rest)
	switch {
	case got != word && (got == keyWord || got == inviteWord):
		return s, private.Refuse(path, "it holds a %s, not a %s", got, word)
	case got != word || len(b) > maxKeyFile || err != nil || len(raw) != len(s) || keyEncoding.EncodeToString(raw) != rest:
		return s, private.Refuse(path, "it is damaged; bring it back from a copy, or move it away to get a new one")
	}
	return seed(raw), nil
}
