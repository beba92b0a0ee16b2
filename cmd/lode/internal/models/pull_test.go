package models_test

// This file tests pulling: from a live run, cut and continued, refused; from
// stores.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lode/checkpoints"
	"lode/cmd/lode/internal/audit/audittest"
	"lode/cmd/lode/internal/models"
	"lode/protocol"
)

func openStore(t testing.TB) (s *checkpoints.Dir, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "store")
	s, err := checkpoints.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// saved returns a run with checkpoints of rounds 2 and 4, and its store's folder.
func saved(t testing.TB) (*audittest.Run, string) {
	t.Helper()
	s, dir := openStore(t)
	return audittest.New(t, audittest.Config{Rounds: 5, Momentum: true, Store: s}), dir
}

func TestPullFromLink(t *testing.T) {
	r, _ := saved(t)
	link, dir := r.Serve(t), t.TempDir()
	stages := map[models.Stage][2]int64{}
	opt := models.Options{Dir: dir, Progress: func(s models.Stage, done, total int64) { stages[s] = [2]int64{done, total} }}
	res, err := models.Pull(t.Context(), link, opt)
	if err != nil {
		t.Fatal(err)
	}
	want := r.Saved[1]
	if res.Round != 4 || res.ModelRoot != want.ModelRoot || res.StateRoot != r.Final[3].Root || res.Receipt == nil || res.Receipt.Validators == 0 || res.Receipt.Share < 2.0/3 || res.Receipt.Share > 1 ||
		res.Trusted != 1 || len(res.Signers) != 1 || res.Signers[0] != r.Manifest.Coordinator ||
		res.Bytes != want.Size() || res.Fetched != want.Size() || res.Entries != uint64(len(r.Entries)) {
		t.Errorf("result %+v", res)
	}
	n := int64(len(r.Entries))
	if stages[models.Record] != [2]int64{n, n} || stages[models.Files] != [2]int64{want.Size(), want.Size()} {
		t.Errorf("progress %v", stages)
	}
	again, err := models.Pull(t.Context(), link, opt)
	if err != nil || again.Fetched != 0 {
		t.Errorf("pulled again: %d bytes, %v", again.Fetched, err)
	}
}

func TestPullFromLinkGoesOn(t *testing.T) {
	r, _ := saved(t)
	dir := t.TempDir()
	f, ok := r.Saved[1].File(checkpoints.ModelFile)
	if !ok {
		t.Fatal("no parameters")
	}
	part := r.Payloads[f.SHA256][:f.Size/2]
	if err := os.WriteFile(filepath.Join(dir, checkpoints.ModelFile+".part"), part, 0o600); err != nil {
		t.Fatal(err)
	}
	res, err := models.Pull(t.Context(), r.Serve(t), models.Options{Dir: dir})
	if err != nil || res.Fetched != res.Bytes-int64(len(part)) {
		t.Errorf("%d of %d bytes fetched, %d were there; %v", res.Fetched, res.Bytes, len(part), err)
	}
}

func TestPullFromLinkRefuses(t *testing.T) {
	none := audittest.New(t, audittest.Config{Rounds: 1})
	t.Run("no checkpoint yet", func(t *testing.T) {
		_, err := models.Pull(t.Context(), none.Serve(t), models.Options{Dir: t.TempDir()})
		if !errors.Is(err, models.ErrNone) || !strings.Contains(err.Error(), "try again") {
			t.Error(err)
		}
	})
	t.Run("another key than the link's", func(t *testing.T) {
		l, err := protocol.ParseLink(none.Serve(t))
		if err != nil {
			t.Fatal(err)
		}
		l.Coordinator[0] ^= 1
		if _, err := models.Pull(t.Context(), l.Format(), models.Options{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "another key") {
			t.Error(err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		l := protocol.Link{Coordinator: none.Manifest.Coordinator, Addr: "127.0.0.1:9", Run: none.Rules.Run}
		_, err := models.Pull(t.Context(), l.Format(), models.Options{Dir: t.TempDir(), Contact: models.Contact{Wait: 200 * time.Millisecond}})
		if err == nil || !strings.Contains(err.Error(), "no coordinator answers at 127.0.0.1:9") {
			t.Error(err)
		}
	})
	t.Run("silence", func(t *testing.T) {
		if testing.Short() {
			t.Skip("waits for two seconds")
		}
		deaf, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer deaf.Close()
		l := protocol.Link{Coordinator: none.Manifest.Coordinator, Addr: deaf.LocalAddr().String(), Run: none.Rules.Run}
		var told []string
		how := models.Contact{Wait: 2 * time.Second, Slow: func(addr string, left time.Duration) {
			told = append(told, fmt.Sprint(addr, " ", left))
		}}
		_, err = models.Observe(t.Context(), l.Format(), how)
		if err == nil || !strings.Contains(err.Error(), "check that the address is right") {
			t.Error(err)
		}
		if len(told) != 1 || told[0] != l.Addr+" 500ms" {
			t.Errorf("told %q", told)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		how.Wait = time.Hour // a test that ends has not waited for it
		if _, err := models.Observe(ctx, l.Format(), how); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("an older round", func(t *testing.T) {
		r, _ := saved(t)
		_, err := models.Pull(t.Context(), r.Serve(t), models.Options{Dir: t.TempDir(), Round: new(protocol.Round(2))})
		if err == nil || !strings.Contains(err.Error(), "last checkpoint only, that of round 4") {
			t.Error(err)
		}
	})
	t.Run("a key that did not sign", func(t *testing.T) {
		r, _ := saved(t)
		_, err := models.Pull(t.Context(), r.Serve(t), models.Options{Dir: t.TempDir(), Trusted: []protocol.NodeID{audittest.Worker(0)}})
		if !errors.Is(err, checkpoints.ErrUntrusted) {
			t.Error(err)
		}
	})
	t.Run("a model that is not the receipt's", func(t *testing.T) {
		s, _ := openStore(t)
		r := audittest.New(t, audittest.Config{Store: s, Forge: func(rc *protocol.Receipt) {
			if rc.Round == 1 {
				rc.Model[0] ^= 1
			}
		}})
		dir := t.TempDir()
		_, err := models.Pull(t.Context(), r.Serve(t), models.Options{Dir: dir})
		if !errors.Is(err, checkpoints.ErrCorrupt) || !strings.Contains(err.Error(), "not the model the validators signed") {
			t.Error(err)
		}
		if names, _ := os.ReadDir(dir); len(names) != 0 {
			t.Errorf("%v came all the same", names)
		}
	})
	t.Run("a checkpoint that is gone", func(t *testing.T) {
		r, _ := saved(t)
		f, _ := r.Saved[1].File(checkpoints.ModelFile)
		delete(r.Payloads, f.SHA256)
		_, err := models.Pull(t.Context(), r.Serve(t), models.Options{Dir: t.TempDir()})
		if protocol.ReasonOf(err) != protocol.NotFound || !strings.Contains(err.Error(), "run the same command again") {
			t.Error(err)
		}
	})
	t.Run("a tampered record", func(t *testing.T) {
		r, _ := saved(t)
		r.Entries[5][20] ^= 1
		if _, err := models.Pull(t.Context(), r.Serve(t), models.Options{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "record of the run") {
			t.Error(err)
		}
	})
	t.Run("no link at all", func(t *testing.T) {
		if _, err := models.Pull(t.Context(), "lode://nonsense", models.Options{Dir: t.TempDir()}); !errors.Is(err, protocol.ErrLink) {
			t.Error(err)
		}
	})
}

func TestPullFromStore(t *testing.T) {
	r, store := saved(t)
	res, err := models.Pull(t.Context(), "file://"+store, models.Options{Dir: t.TempDir(), Trusted: []protocol.NodeID{r.Manifest.Coordinator}})
	if err != nil || res.Round != 4 || res.Trusted != 1 || res.Receipt != nil {
		t.Errorf("%+v, %v", res, err)
	}
	old, err := models.Pull(t.Context(), store, models.Options{Dir: t.TempDir(), Round: new(protocol.Round(2))})
	if err != nil || old.Round != 2 || old.Trusted != 0 {
		t.Errorf("%+v, %v", old, err)
	}
	_, err = models.Pull(t.Context(), store, models.Options{Dir: t.TempDir(), Trusted: []protocol.NodeID{{1}}})
	if !errors.Is(err, checkpoints.ErrUntrusted) {
		t.Error(err)
	}
}

// A record beside the store is replayed and the checkpoint compared with it; one
// of another run is none.
func TestPullFromStoreWithRecord(t *testing.T) {
	pull := func(store string, change func(*models.Options), w *models.Witness) (models.Result, string, error) {
		opt := models.Options{Dir: t.TempDir(), Witness: func(context.Context) (*models.Witness, error) { return w, nil }}
		if change != nil {
			change(&opt)
		}
		res, err := models.Pull(t.Context(), store, opt)
		return res, opt.Dir, err
	}
	r, store := saved(t)
	closed := 0
	beside := func(man protocol.Manifest, entries [][]byte) *models.Witness {
		return &models.Witness{Manifest: man, Close: func() { closed++ }, Entries: func(_ context.Context, each func([]byte) error) error {
			for _, e := range entries {
				if err := each(e); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	res, _, err := pull(store, nil, beside(r.Manifest, r.Entries))
	if err != nil || res.Round != 4 || res.Receipt == nil || res.Receipt.Validators == 0 || res.Receipt.Share < 2.0/3 || res.Entries != uint64(len(r.Entries)) {
		t.Errorf("%+v, %v", res, err)
	}
	if closed != 1 {
		t.Errorf("the record was closed %d times", closed)
	}
	old, _, err := pull(store, func(o *models.Options) { o.Round = new(protocol.Round(2)) }, beside(r.Manifest, r.Entries))
	if err != nil || old.Round != 2 || old.Receipt == nil {
		t.Errorf("%+v, %v", old, err)
	}
	another := r.Manifest
	another.Seed[0] ^= 1
	for name, w := range map[string]*models.Witness{"no record": nil, "of another run": beside(another, nil)} {
		if res, _, err := pull(store, nil, w); err != nil || res.Receipt != nil || res.Entries != 0 {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
	}

	broken := slices.Clone(r.Entries)
	broken[5] = bytes.Clone(broken[5])
	broken[5][20] ^= 1
	s, forged := openStore(t)
	lie := audittest.New(t, audittest.Config{Rounds: 5, Store: s, Forge: func(rc *protocol.Receipt) {
		if rc.Round%2 == 1 {
			rc.Model[0] ^= 1
		}
	}})
	for name, c := range map[string]struct {
		store string
		w     *models.Witness
		want  string
	}{
		"tampered":  {store, beside(r.Manifest, broken), "record of the run"},
		"cut":       {store, beside(r.Manifest, r.Entries[:len(r.Entries)/2]), "no receipt of round 3"},
		"forged":    {forged, beside(lie.Manifest, lie.Entries), "not the model the validators signed"},
		"no signer": {store, beside(r.Manifest, r.Entries), "not signed by enough trusted keys"},
	} {
		_, dir, err := pull(c.store, func(o *models.Options) {
			if name == "no signer" {
				o.Trusted = []protocol.NodeID{{1}}
			}
		}, c.w)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if names, _ := os.ReadDir(dir); len(names) != 0 {
			t.Errorf("%s: %v came all the same", name, names)
		}
	}
	_, _, err = pull(store, func(o *models.Options) {
		o.Witness = func(context.Context) (*models.Witness, error) { return nil, os.ErrPermission }
	}, nil)
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("a record that cannot be opened: %v", err)
	}
}

func TestPullFromNoStore(t *testing.T) {
	_, store := saved(t)
	pulled, empty := t.TempDir(), t.TempDir()
	if _, err := models.Pull(t.Context(), store, models.Options{Dir: pulled}); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(empty, "none")
	for _, c := range []struct{ source, dir, want string }{
		{empty, t.TempDir(), "no checkpoint yet"},
		{missing, t.TempDir(), "no such file"},
		{pulled, t.TempDir(), "already"},
		{filepath.Join(pulled, checkpoints.ModelFile), t.TempDir(), "is a file"},
		{store, "", "no folder"},
		{"ftp://host/x", t.TempDir(), "unknown kind"},
	} {
		if _, err := models.Pull(t.Context(), c.source, models.Options{Dir: c.dir}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.source, err, c.want)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("the missing store was made")
	}
}

// A source serves any range of a file and the manifest, and nothing else.
func TestServedRanges(t *testing.T) {
	r, _ := saved(t)
	o, err := models.Observe(t.Context(), r.Serve(t), models.Contact{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	m := r.Saved[1]
	s, err := o.Served(t.Context(), protocol.Published{Round: 4, Manifest: protocol.Sum(m.Encode())})
	if err != nil {
		t.Fatal(err)
	}
	f, _ := m.File(checkpoints.ModelFile)
	for name, whole := range map[string][]byte{
		m.Path(checkpoints.ModelFile): r.Payloads[f.SHA256], m.Path(checkpoints.ManifestFile): m.Encode(),
	} {
		n := int64(len(whole))
		for _, at := range []int64{0, 1, n / 2, n - 1, n} {
			body, size, err := s.Get(t.Context(), name, at)
			if err != nil || size != n {
				t.Fatalf("%s from %d: %d bytes, %v", name, at, size, err)
			}
			var got bytes.Buffer
			if _, err := got.ReadFrom(body); err != nil || !bytes.Equal(got.Bytes(), whole[at:]) {
				t.Errorf("%s from %d: %d bytes, %v", name, at, got.Len(), err)
			}
			if err := body.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, at := range []int64{-1, n + 1} {
			if _, _, err := s.Get(t.Context(), name, at); err == nil {
				t.Errorf("%s from %d", name, at)
			}
		}
		body, _, err := s.Get(t.Context(), name, 0) // closed unread
		if err != nil || body.Close() != nil {
			t.Error(err)
		}
	}
	if _, _, err := s.Get(t.Context(), "LATEST", 0); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := o.Served(t.Context(), protocol.Published{Round: 3, Manifest: protocol.Sum(m.Encode())}); err == nil {
		t.Error("a manifest of another round was taken")
	}
	if m.SignedBy(ed25519.PublicKey(o.Link.Coordinator[:])) != 1 {
		t.Error("not signed by the link's coordinator")
	}
}
