package plan

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lode/cmd/lode/internal/private"
	"lode/protocol"
)

func TestKeyIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "er", "key")
	if _, err := ShowKey(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no key yet: got %v", err)
	}
	key, created, err := LoadOrCreateKey(path)
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	again, created, err := LoadOrCreateKey(path)
	if err != nil || created || !again.Equal(key) {
		t.Errorf("second time: created %v, %v", created, err)
	}
	id, err := ShowKey(path)
	if err != nil || !bytes.Equal(id[:], key.Public().(ed25519.PublicKey)) {
		t.Errorf("ShowKey: got %v, %v", id, err)
	}
	b, err := os.ReadFile(path)
	if err != nil || string(b) != keyWord+" "+keyEncoding.EncodeToString(key.Seed())+"\n" {
		t.Errorf("the file holds something else (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder has mode %v, %v", info.Mode(), err)
	}
	if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 1 {
		t.Errorf("left in the folder: %v, %v", names, err)
	}
	other, _, err := LoadOrCreateKey(path + "2")
	if err != nil || other.Equal(key) {
		t.Errorf("two new keys are the same (%v)", err)
	}
}

func TestInvitationIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "invitation")
	s, err := LoadOrCreateInvite(path)
	if err != nil || s == (protocol.InviteSeed{}) {
		t.Fatal(err)
	}
	if again, err := LoadOrCreateInvite(path); err != nil || again != s {
		t.Errorf("second time another (%v)", err)
	}
	if _, _, err := LoadOrCreateKey(path); !errors.Is(err, private.ErrFile) || !strings.Contains(err.Error(), "holds a lode-invite-1, not a lode-key-1") {
		t.Errorf("taken as a key: got %v", err)
	}
}

// Many who start at once must all get the one key that is kept.
func TestKeyIsMadeOnceByMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var wg sync.WaitGroup
	keys, numCreated := make([]ed25519.PrivateKey, 16), make([]bool, 16)
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], numCreated[i], err = LoadOrCreateKey(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	created := 0
	for i, k := range keys {
		if numCreated[i] {
			created++
		}
		if !k.Equal(keys[0]) {
			t.Errorf("process %d has another key", i)
		}
	}
	if created != 1 {
		t.Errorf("%d made the key", created)
	}
}

func TestKeyFilesThatAreRefused(t *testing.T) {
	good := strings.Repeat("7", 51) + "q" // of the last letter only the first bit counts
	for name, c := range map[string]struct {
		content string
		want    string // "" if it is taken
	}{
		"good":                {"lode-key-1 " + good + "\n", ""},
		"no line end":         {"lode-key-1 " + good, ""},
		"line end of DOS":     {"lode-key-1 " + good + "\r\n", ""},
		"empty":               {"", "damaged"},
		"cut":                 {"lode-key-1 " + good[:51] + "\n", "damaged"},
		"longer":              {"lode-key-1 " + good + "a\n", "damaged"},
		"second line":         {"lode-key-1 " + good + "\nx\n", "damaged"},
		"upper case":          {"lode-key-1 " + strings.ToUpper(good) + "\n", "damaged"},
		"loose bits":          {"lode-key-1 " + good[:51] + "r\n", "damaged"},
		"line end within":     {"lode-key-1 " + good[:20] + "\n" + good[20:] + "\n", "damaged"},
		"two spaces":          {"lode-key-1  " + good + "\n", "damaged"},
		"another number":      {"lode-key-2 " + good + "\n", "damaged"},
		"an invitation":       {"lode-invite-1 " + good + "\n", "holds a lode-invite-1"},
		"very long":           {"lode-key-1 " + good + strings.Repeat("\n", 1<<16), "damaged"},
		"zeros":               {strings.Repeat("\x00", 64), "damaged"},
		"other people's file": {"-----BEGIN OPENSSH PRIVATE KEY-----\nsecretsecret\n", "damaged"},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, created, err := LoadOrCreateKey(path)
		if c.want == "" {
			if err != nil || created {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		if !errors.Is(err, private.ErrFile) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), good[:20]) || strings.Contains(err.Error(), "secretsecret")) {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
		if b, _ := os.ReadFile(path); string(b) != c.content {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestKeysThatOthersCanRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, _, err := LoadOrCreateKey(path); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o700: false, 0o644: false, 0o620: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := ShowKey(path)
		want := fmt.Sprintf("node key: %s: not usable as a key file: its mode is %04o, so others may have read it; if nobody has: chmod 600 %s", path, mode, path)
		if ok != (err == nil) || !ok && err.Error() != want {
			t.Errorf("mode %o: got %v", mode, err)
		}
	}
}

func TestWhatIsNoKeyFile(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "it is a folder", os.DevNull: "it is no regular file"} {
		if _, _, err := LoadOrCreateKey(path); !errors.Is(err, private.ErrFile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadOrCreateKey(filepath.Join(file, "key")); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("below a file: got %v", err)
	}
}

func TestSecretsArePrintedAsSecret(t *testing.T) {
	s := seed{1, 2, 3}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		if got := fmt.Sprintf(verb, s); got != "secret" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}
