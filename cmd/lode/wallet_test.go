package main

// This file tests lode wallet new and list, and how passphrases come.

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/cmd/lode/internal/wallet"
)

func TestWalletFiles(t *testing.T) {
	home := t.TempDir()
	t.Chdir(t.TempDir())
	t.Setenv("HOME", home)
	if out := told(t, "", "wallet", "list"); !strings.Contains(out, "no wallet on this machine yet") {
		t.Errorf("got %s", out)
	}
	out := told(t, "", "wallet", "new", "plain", "--unencrypted")
	file := filepath.Join(home, ".lode", "wallets", "plain")
	if !strings.Contains(out, "wallet plain, made in "+file) {
		t.Errorf("got %s", out)
	}
	if !testing.Short() { // a key of a passphrase takes a second
		var w struct {
			Name, Address, File string
			Encrypted           bool
		}
		if err := json.Unmarshal([]byte(told(t, "pass word\n", "wallet", "new", "--json", "--passphrase-file", "-")), &w); err != nil {
			t.Fatal(err)
		}
		if w.Name != "main" || !w.Encrypted || w.File != filepath.Join(filepath.Dir(file), "main") {
			t.Errorf("%+v", w)
		}
		folder, err := wallets()
		if err != nil {
			t.Fatal(err)
		}
		got, err := folder.Open("main")
		if err != nil || got.Address.String() != w.Address {
			t.Fatalf("%v, %v", got, err)
		}
		if _, err := got.Unlock("pass word"); err != nil {
			t.Error(err)
		}
		s, err := (&signFlags{wallet: "main", passFile: "-"}).open(strings.NewReader("pass word\n"), os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		if key, err := s.unlock(t.Context()); err != nil || nodeIDOf(key).String() != w.Address {
			t.Errorf("unlocked by a command: %v", err)
		}
	}
	seed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(strings.TrimSpace(string(seed)), "unencrypted ")
	for _, args := range [][]string{{"wallet", "list"}, {"wallet", "list", "--json"}} {
		out := told(t, "", args...)
		if !strings.Contains(out, "plain") || secret == "" || strings.Contains(out, secret) {
			t.Errorf("%v: %s", args, out)
		}
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := outcomeOf(t, "", "wallet", "list")
	if code != exitFailed || !strings.Contains(stdout, "chmod 600") || !strings.Contains(stderr, "1 of ") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

func outcomeOf(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestPassphrases(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOME", t.TempDir())
	for name, mode := range map[string]fs.FileMode{"pass": 0o600, "open": 0o644} {
		if err := os.WriteFile(name, []byte("from a file\r\nsecond line\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(file, stdin string) (wallet.Passphrase, error) {
		return passphrase(t.Context(), file, "passphrase", 2, strings.NewReader(stdin), os.Stderr)
	}
	if p, err := ask("pass", ""); err != nil || p != "from a file" {
		t.Errorf("%q, %v", string(p), err)
	}
	if _, err := ask("open", ""); err == nil || !strings.Contains(err.Error(), "chmod 600 open") {
		t.Errorf("a file that others may read: %v", err)
	}
	if p, err := ask("-", "from stdin\n"); err != nil || p != "from stdin" {
		t.Errorf("%q, %v", string(p), err)
	}
	if _, err := ask("", "typed\n"); err == nil || !strings.Contains(err.Error(), "nobody can be asked") {
		t.Errorf("no terminal: %v", err)
	}
	t.Setenv(passphraseVar, "from the environment")
	if p, err := ask("", ""); err != nil || p != "from the environment" {
		t.Errorf("%q, %v", string(p), err)
	}
	if p, err := ask("pass", ""); err != nil || p != "from a file" {
		t.Errorf("the file counts more: %q, %v", string(p), err)
	}
	for _, c := range []struct {
		args string
		says string
	}{
		{"wallet new a --passphrase-file -", "the passphrase is empty; if that is meant, say --unencrypted"},
		{"wallet new a --passphrase-file pass --unencrypted", "exclude each other"},
		{"wallet new ../a", "cannot be the name of a wallet"},
		{"wallet send a b", "neither an address"},
	} {
		if code, _, stderr := outcomeOf(t, "\n", strings.Fields(c.args)...); code != exitUsage || !strings.Contains(stderr, c.says) {
			t.Errorf("lode %s: exit %d: %s", c.args, code, stderr)
		}
	}
	told(t, "", "wallet", "new", "a", "--unencrypted")
	if code, _, stderr := outcomeOf(t, "", "wallet", "new", "a", "--unencrypted"); code != exitFailed || !strings.Contains(stderr, "there is a wallet a already") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	told(t, "", "wallet", "new", "b", "--unencrypted")
	if code, _, stderr := outcomeOf(t, "", "wallet", "balance"); code != exitUsage || !strings.Contains(stderr, "there are wallets a, b") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestAgreement(t *testing.T) {
	for line, ok := range map[string]bool{"y": true, "Y": true, "yes": true, " yes ": true, "": false, "n": false, "yeah": false, "ja": false} {
		if (agreed(line) == nil) != ok {
			t.Errorf("%q: %v", line, agreed(line))
		}
	}
}
