package wallet

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"lode/cmd/lode/internal/private"
	"lode/protocol"
)

const light = 2 // a work factor for tests

func folder(t testing.TB) Folder { return Folder(filepath.Join(t.TempDir(), "lode", "wallets")) }

func TestCreateAndUnlock(t *testing.T) {
	f := folder(t)
	if names, err := f.Names(); err != nil || len(names) != 0 {
		t.Fatalf("no folder yet: %v, %v", names, err)
	}
	for _, c := range []struct {
		name string
		pass Passphrase
	}{{"alice", "correct horse"}, {"bob", ""}} {
		w, err := f.create(c.name, c.pass, light)
		if err != nil {
			t.Fatal(err)
		}
		key, err := w.Unlock(c.pass)
		if err != nil || addressOf(key) != w.Address || w.Encrypted != (c.pass != "") || w.Name != c.name {
			t.Fatalf("%s: %v, %v", c.name, w, err)
		}
		again, err := f.Open(c.name)
		if err != nil || again != w {
			t.Errorf("opened again: %v, %v", again, err)
		}
		if _, err := f.create(c.name, "other", light); !errors.Is(err, fs.ErrExist) {
			t.Errorf("made twice: %v", err)
		}
		if again, err = f.Open(c.name); err != nil || again != w {
			t.Errorf("after a second try: %v, %v", again, err)
		}
		_, err = w.Unlock("wrong")
		if w.Encrypted != errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: wrong passphrase: %v", c.name, err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if s := fmt.Sprintf(verb, w); s != c.name+" "+w.Address.String() {
				t.Errorf("%s prints %s", verb, s)
			}
		}
	}
	names, err := f.Names()
	if err != nil || strings.Join(names, " ") != "alice bob" {
		t.Errorf("names %v, %v", names, err)
	}
	for path, mode := range map[string]fs.FileMode{string(f): 0o700, filepath.Join(string(f), "alice"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}
}

// What [Folder.Create] makes asks for as much work as is accepted, and opens.
func TestWorkFactor(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds and 256 MiB")
	}
	f := folder(t)
	w, err := f.Create("main", "pass")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Unlock("pass"); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(filepath.Join(string(f), "main"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.NewScryptIdentity("pass")
	if err != nil {
		t.Fatal(err)
	}
	r.SetMaxWorkFactor(workFactor - 1)
	_, sealed, _ := bytes.Cut(b, []byte("\n"))
	if _, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), r); err == nil || !strings.Contains(err.Error(), "work factor too large") {
		t.Errorf("it took less work: %v", err)
	}
}

func TestTooMuchWorkIsRefused(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	text, err := seal(key, "pass", light)
	if err != nil {
		t.Fatal(err)
	}
	head, sealed, _ := strings.Cut(text, "\n")
	// The factor stands in age's header, behind the salt.
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(armor.NewReader(strings.NewReader(sealed))); err != nil {
		t.Fatal(err)
	}
	first, rest, _ := bytes.Cut(raw.Bytes(), []byte(fmt.Sprintf(" %d\n", light)))
	var b bytes.Buffer
	a := armor.NewWriter(&b)
	fmt.Fprintf(a, "%s %d\n%s", first, workFactor+1, rest)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := parse([]byte(head + "\n" + b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Unlock("pass"); err == nil || !strings.Contains(err.Error(), "work factor too large") {
		t.Errorf("got %v", err)
	}
}

func TestManyMakeOne(t *testing.T) {
	f := folder(t)
	var wg sync.WaitGroup
	made := make([]bool, 16)
	for i := range made {
		wg.Go(func() {
			_, err := f.create("one", "", light)
			if made[i] = err == nil; !made[i] && !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	num := 0
	for _, m := range made {
		if m {
			num++
		}
	}
	if left, err := os.ReadDir(string(f)); num != 1 || len(left) != 1 {
		t.Errorf("%d made it, left %v, %v", num, left, err)
	}
}

func TestNames(t *testing.T) {
	f := folder(t)
	for name, ok := range map[string]bool{
		"a": true, "A-1_b": true, strings.Repeat("x", 32): true, "7": true,
		"": false, ".": false, "..": false, "../key": false, "a/b": false, ".a": false, "-a": false, "_a": false, "a b": false, "ä": false,
		"a.b": false, "a\x00": false, strings.Repeat("x", 33): false,
	} {
		if _, err := f.create(name, "", light); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := f.Open(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestOthersMayNotReadIt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	f := folder(t)
	if _, err := f.create("a", "", light); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(string(f), "a")
	for _, c := range []struct {
		path string
		mode fs.FileMode
		says string // "" is fine
	}{
		{path, 0o640, "chmod 600 " + path},
		{path, 0o604, "chmod 600 " + path},
		{path, 0o400, ""},
		{path, 0o600, ""},
		{string(f), 0o750, "chmod 700 " + string(f)},
		{string(f), 0o701, "chmod 700 " + string(f)},
		{string(f), 0o700, ""},
	} {
		if err := os.Chmod(c.path, c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := f.Open("a")
		if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, private.ErrFile) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s with mode %o: %v", c.path, c.mode, err)
		}
		if c.path == string(f) && c.says != "" {
			if _, err := f.create("b", "", light); !errors.Is(err, private.ErrFile) {
				t.Errorf("made in a folder with mode %o: %v", c.mode, err)
			}
		}
	}
}

func TestDamage(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, 32))
	plain, err := seal(key, "", light)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal(key, "pass", light)
	if err != nil {
		t.Fatal(err)
	}
	seed := protocol.NodeID(key.Seed()).String()
	swap := strings.NewReplacer(addressOf(key).String(), addressOf(other).String())
	for name, text := range map[string]string{
		"empty": "", "cut": plain[:70], "another number": strings.Replace(plain, "-1 ", "-2 ", 1), "no address": word + " x\n" + plain[67:],
		"long": plain + strings.Repeat(" ", maxFile), "second line": plain + "x\n", "upper case": strings.ToUpper(plain),
		"another's address": swap.Replace(plain), "another's address, encrypted": swap.Replace(sealed),
		"cut, encrypted": sealed[:len(sealed)-60], "changed": strings.Replace(sealed, "\nYWdl", "\nYWdm", 1), "a key": "lode-key-1 " + seed + "\n",
	} {
		w, err := parse([]byte(text))
		if err == nil {
			_, err = w.Unlock("pass")
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), seed[:20]) {
			t.Errorf("%s: the error tells the seed: %v", name, err)
		}
	}
	for name, text := range map[string]string{"plain": plain, "sealed": sealed} {
		w, err := parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := w.Unlock("pass"); err != nil || !got.Equal(key) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := seal(key, Passphrase(strings.Repeat("x", maxPassphrase+1)), light); err == nil {
		t.Error("an endless passphrase was taken")
	}
	if s := fmt.Sprintf("%v %s %q %#v %x", Passphrase("p"), Passphrase("p"), Passphrase("p"), Passphrase("p"), Passphrase("p")); s != "secret secret secret secret secret" {
		t.Errorf("a passphrase prints as %s", s)
	}
}

// Any bytes: either a wallet whose address is the key's, or an error.
func FuzzParse(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	for _, pass := range []Passphrase{"", "pass"} {
		text, err := seal(key, pass, 1)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := parse(text)
		if err != nil {
			return
		}
		if w.Encrypted && factor(w.sealed) > 4 {
			return // bounded by workFactor, but slow
		}
		if got, err := w.Unlock("pass"); err == nil && addressOf(got) != w.Address {
			t.Fatal("unlocked the key of another address")
		}
	})
}

// factor returns the work that a sealed wallet asks for, 0 if it cannot be read.
func factor(sealed string) (n int) {
	var raw bytes.Buffer
	_, _ = raw.ReadFrom(armor.NewReader(strings.NewReader(sealed)))
	_, rest, _ := bytes.Cut(raw.Bytes(), []byte("-> scrypt "))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if f := bytes.Fields(line); len(f) == 2 {
		_, _ = fmt.Sscan(string(f[1]), &n)
	}
	return n
}
