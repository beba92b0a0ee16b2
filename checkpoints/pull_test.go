package checkpoints_test

// This file holds the tests of writing and pulling over plain stores: damage,
// cuts, forgeries.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lode/checkpoints"
)

func openDir(t testing.TB, dir string) *checkpoints.Dir {
	t.Helper()
	s, err := checkpoints.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWriteAndPullDir(t *testing.T) {
	s := openDir(t, t.TempDir())
	writeAndPull(t, s, s)
}

func TestWriteAndPullWeb(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	src, err := checkpoints.Open(t.Context(), server.URL+"/", checkpoints.Options{})
	if err != nil {
		t.Fatal(err)
	}
	writeAndPull(t, openDir(t, dir), src)
	if err := src.Put(t.Context(), "x", strings.NewReader("x"), 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Put: %v", err)
	}
	if _, _, err := src.Get(t.Context(), "absent", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get of nothing: %v", err)
	}
	if _, _, err := src.Get(t.Context(), "LATEST", 66); err == nil {
		t.Error("an offset past the end is accepted")
	}
	if r, size, err := src.Get(t.Context(), "LATEST", 65); err != nil || size != 65 {
		t.Errorf("an offset at the end: %d, %v", size, err)
	} else if b, err := io.ReadAll(r); len(b) != 0 || err != nil {
		t.Errorf("an offset at the end: %q, %v", b, err)
	}
}

// A server that ignores ranges and fails now and then is still usable.
func TestPullWebWithoutRanges(t *testing.T) {
	dir := t.TempDir()
	d := bigDraft(t, 4)
	writeDraft(t, openDir(t, dir), d)
	requests, files := 0, http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		switch {
		case requests == 1:
			http.Error(w, "later", http.StatusServiceUnavailable)
		case strings.HasSuffix(r.URL.Path, ".safetensors") && requests < 12 && r.Header.Get("Range") == "":
			w = &cutWriter{w, 100_000}
			fallthrough
		default:
			r.Header.Del("Range")
			files.ServeHTTP(w, r)
		}
	}))
	defer server.Close()
	src, err := checkpoints.Open(t.Context(), server.URL, checkpoints.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if _, err := checkpoints.Pull(t.Context(), src, out, checkpoints.PullOptions{}); err != nil {
		t.Fatal(err)
	}
	checkModel(t, out, d)
}

type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return w.ResponseWriter.Write(p)
}

func TestOpenRefuses(t *testing.T) {
	for _, address := range []string{"ftp://host/x", "s3://", "s3:///prefix", "s3://bucket/../x", "file://host/path", "file://", "https://", "https://host/x?y=z"} {
		if _, err := checkpoints.Open(t.Context(), address, checkpoints.Options{}); err == nil {
			t.Errorf("%q is accepted", address)
		}
	}
	for _, endpoint := range []string{"host:9000", "https://host/path", "tcp://host", "http://"} {
		if _, err := checkpoints.Open(t.Context(), "s3://bucket", checkpoints.Options{Endpoint: endpoint}); err == nil {
			t.Errorf("endpoint %q is accepted", endpoint)
		}
	}
	if _, err := checkpoints.Open(t.Context(), "s3://bucket", checkpoints.Options{AccessKey: "a"}); err == nil {
		t.Error("a key without its secret is accepted")
	}
	opt := checkpoints.Options{AccessKey: "a", SecretKey: "hunter2"}
	if text := fmt.Sprintf("%v %+v %#v %s", opt, opt, opt, opt.SecretKey); strings.Contains(text, "hunter2") {
		t.Errorf("the secret shows: %s", text)
	}
}

func TestWriteTwice(t *testing.T) {
	s := openDir(t, t.TempDir())
	d := draft(t, 30, 5)
	d.Sign = checkpoints.SignWith(key(1))
	first := writeDraft(t, s, d)
	d.Info = map[string]string{"time": "later"}
	again := writeDraft(t, s, d)
	if again.Digest() != first.Digest() || again.Info["loss"] != "3.25" {
		t.Error("the same content written again is another checkpoint")
	}
	other := draft(t, 31, 5)
	if _, err := checkpoints.Write(t.Context(), s, other); !errors.Is(err, checkpoints.ErrConflict) {
		t.Errorf("other content for the round: %v, want ErrConflict", err)
	}
	if _, err := checkpoints.Pull(t.Context(), s, t.TempDir(), checkpoints.PullOptions{}); err != nil {
		t.Errorf("the first checkpoint was touched: %v", err)
	}
	// An older round does not move the pointer back.
	writeDraft(t, s, draft(t, 30, 4))
	if m, err := checkpoints.Latest(t.Context(), s, d.Run); err != nil || m.Round != 5 {
		t.Errorf("latest is round %d, %v", m.Round, err)
	}
}

func TestWriteRefuses(t *testing.T) {
	broken := errors.New("broken")
	for name, change := range map[string]func(d *checkpoints.Draft){
		"round":       func(d *checkpoints.Draft) { d.Round = checkpoints.MaxRound + 1 },
		"extra up":    func(d *checkpoints.Draft) { d.Extra[0].Name = "../x" },
		"extra twice": func(d *checkpoints.Draft) { d.Extra[0].Name = checkpoints.ModelFile },
		"extra short": func(d *checkpoints.Draft) { d.Extra[0].Size = 3 },
		"extra size":  func(d *checkpoints.Draft) { d.Extra[0].Size = -1 },
		"info":        func(d *checkpoints.Draft) { d.Info = map[string]string{"a b": ""} },
		"state":       func(d *checkpoints.Draft) { d.State[0].Read = func(int, []int64) error { return broken } },
		"state shape": func(d *checkpoints.Draft) { d.State[0].Shape = []int{-1} },
		"sign": func(d *checkpoints.Draft) {
			d.Sign = func(context.Context, checkpoints.Manifest) ([]checkpoints.Signature, error) { return nil, broken }
		},
		"bad signature": func(d *checkpoints.Draft) {
			d.Sign = func(context.Context, checkpoints.Manifest) ([]checkpoints.Signature, error) {
				return []checkpoints.Signature{{}}, nil
			}
		},
	} {
		s := openDir(t, t.TempDir())
		d := draft(t, 30, 1)
		change(&d)
		if _, err := checkpoints.Write(t.Context(), s, d); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := checkpoints.At(t.Context(), s, d.Run, d.Round); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a refused draft left a manifest: %v", name, err)
		}
	}
}

// published writes one signed checkpoint and returns its folder.
func published(t *testing.T) (*checkpoints.Dir, checkpoints.Draft, string) {
	t.Helper()
	root := t.TempDir()
	s := openDir(t, root)
	d := bigDraft(t, 9)
	d.Sign = checkpoints.SignWith(key(1))
	writeDraft(t, s, d)
	return s, d, filepath.Join(root, hex.EncodeToString(d.Run[:]), "00000009")
}

func edit(t *testing.T, file string, change func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, change(b), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPullRefusesDamage(t *testing.T) {
	for _, c := range []struct {
		name, file string
		change     func(b []byte) []byte
		want       error // nil: any
		text       string
	}{
		{"file changed", checkpoints.ModelFile, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, checkpoints.ErrCorrupt, "digest"},
		{"file cut", checkpoints.ModelFile, func(b []byte) []byte { return b[:len(b)-1] }, checkpoints.ErrCorrupt, "bytes"},
		{"file longer", checkpoints.ModelFile, func(b []byte) []byte { return append(b, 0) }, checkpoints.ErrCorrupt, "bytes"},
		{"manifest changed", "manifest.json", func(b []byte) []byte { return bytes.Replace(b, []byte("3.25"), []byte("1.25"), 1) }, nil, "changed after signing"},
		{"manifest of another round", "manifest.json", func(b []byte) []byte {
			m, err := checkpoints.ParseManifest(b)
			if err != nil {
				t.Fatal(err)
			}
			m.Round, m.Signatures = 8, nil
			return m.Encode()
		}, nil, "round 8"},
		{"manifest resigned by a stranger", "manifest.json", func(b []byte) []byte {
			m, err := checkpoints.ParseManifest(b)
			if err != nil {
				t.Fatal(err)
			}
			m.ModelRoot[0]++
			m.Signatures = nil
			m.Sign(key(66))
			return m.Encode()
		}, checkpoints.ErrUntrusted, "trusted"},
		{"signatures stripped", "manifest.json", func(b []byte) []byte {
			m, err := checkpoints.ParseManifest(b)
			if err != nil {
				t.Fatal(err)
			}
			m.Signatures = nil
			return m.Encode()
		}, checkpoints.ErrUntrusted, "trusted"},
		{"pointer is junk", "../LATEST", func([]byte) []byte { return []byte("../../x\n") }, nil, "eight digits"},
		{"run pointer is junk", "../../LATEST", func([]byte) []byte { return []byte(strings.Repeat("../", 21) + "x\n") }, nil, "run id"},
		{"run pointer is long", "../../LATEST", func([]byte) []byte { return make([]byte, 1<<20) }, nil, "at most"},
		{"manifest is long", "manifest.json", func([]byte) []byte { return make([]byte, 2<<20) }, nil, "at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _, folder := published(t)
			edit(t, filepath.Join(folder, c.file), c.change)
			dir := t.TempDir()
			opt := checkpoints.PullOptions{Trusted: []ed25519.PublicKey{public(1)}, RetryFor: -1}
			_, err := checkpoints.Pull(t.Context(), s, dir, opt)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.text)
			}
			if _, err := os.Stat(filepath.Join(dir, "manifest.json")); !os.IsNotExist(err) {
				t.Error("the refused checkpoint has a manifest here")
			}
			if _, err := checkpoints.OpenModel(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("OpenModel: %v", err)
			}
		})
	}
}

// cutSource ends every answer after so many bytes and counts what it gave.
type cutSource struct {
	checkpoints.Source
	after int64
	given int64
}

func (s *cutSource) Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	r, size, err := s.Source.Get(ctx, name, offset)
	if err != nil || !strings.HasSuffix(name, ".safetensors") {
		return r, size, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(io.LimitReader(r, s.after), (*counter)(&s.given)), r}, size, nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func TestPullResumes(t *testing.T) {
	s, d, _ := published(t)
	cut := &cutSource{Source: s, after: 300_000}
	dir := t.TempDir()
	var done int64
	pulls := 0
	for ; pulls < 20; pulls++ {
		_, err := checkpoints.Pull(t.Context(), cut, dir, checkpoints.PullOptions{RetryFor: -1, Progress: func(n, _ int64) { done = n }})
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "to continue") {
			t.Fatal(err)
		}
	}
	m, err := checkpoints.At(t.Context(), s, d.Run, d.Round)
	if err != nil {
		t.Fatal(err)
	}
	model, _ := m.File(checkpoints.ModelFile)
	state, _ := m.File(checkpoints.StateFile)
	if pulls < 5 || done != m.Size() || cut.given != model.Size+state.Size {
		t.Errorf("%d pulls, %d bytes given for %d, progress %d", pulls, cut.given, model.Size+state.Size, done)
	}
	checkModel(t, dir, d)
}

// Within one call cuts are continued as long as bytes arrive.
func TestPullContinuesByItself(t *testing.T) {
	s, d, _ := published(t)
	cut := &cutSource{Source: s, after: 900_000}
	dir := t.TempDir()
	if _, err := checkpoints.Pull(t.Context(), cut, dir, checkpoints.PullOptions{RetryFor: 5 * time.Second}); err != nil {
		t.Fatal(err)
	}
	checkModel(t, dir, d)
}

func TestPullFindsDamagedPart(t *testing.T) {
	s, d, folder := published(t)
	model, err := os.ReadFile(filepath.Join(folder, checkpoints.ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(model[:len(model)/2])
	bad[1000] ^= 1
	for name, part := range map[string][]byte{
		"damaged": bad, "too long": append(bytes.Clone(model), 1), "whole": model, "whole but damaged": append(bytes.Clone(bad), model[len(bad):]...),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, checkpoints.ModelFile+".part"), part, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := checkpoints.Pull(t.Context(), s, dir, checkpoints.PullOptions{RetryFor: -1}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkModel(t, dir, d)
	}
}

func TestPullEnds(t *testing.T) {
	s, _, _ := published(t)
	ctx, cancel := context.WithCancel(t.Context())
	cut := &cutSource{Source: s, after: 300_000}
	_, err := checkpoints.Pull(ctx, cut, t.TempDir(), checkpoints.PullOptions{Progress: func(done, _ int64) {
		if done > 200_000 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestOpenModelRefusesDamage(t *testing.T) {
	for _, c := range []struct {
		file string
		at   int
	}{{checkpoints.ModelFile, -5}, {checkpoints.ModelFile, 20}, {checkpoints.ConfigFile, 3}, {checkpoints.StateFile, -5}, {"manifest.json", 50}} {
		s, d, _ := published(t)
		dir := t.TempDir()
		if _, err := checkpoints.Pull(t.Context(), s, dir, checkpoints.PullOptions{}); err != nil {
			t.Fatal(err)
		}
		edit(t, filepath.Join(dir, c.file), func(b []byte) []byte { b[(c.at+len(b))%len(b)] ^= 1; return b })
		m, err := checkpoints.OpenModel(dir)
		if err == nil {
			_, err = m.Reader(d.Layout)
			if err == nil {
				_, err = m.State()
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
		if err == nil {
			t.Errorf("%s with byte %d changed is accepted", c.file, c.at)
		}
	}
}

func TestModelRefusesOtherLayout(t *testing.T) {
	s, _, _ := published(t)
	dir := t.TempDir()
	if _, err := checkpoints.Pull(t.Context(), s, dir, checkpoints.PullOptions{}); err != nil {
		t.Fatal(err)
	}
	m, err := checkpoints.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	if _, err := m.Reader(layout(t, 1999)); err == nil {
		t.Error("a layout of another shape is accepted")
	}
}
