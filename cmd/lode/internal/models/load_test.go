package models_test

// This file tests loading what was pulled, stores, and others' checkpoints.

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/checkpoints"
	"lode/cmd/lode/internal/models"
	"lode/protocol"
	"lode/tensor"
)

// load opens dir and checks that the engine holds the parameters of a root.
func load(t *testing.T, dir string, root [32]byte) *models.Loaded {
	t.Helper()
	l, err := models.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	got, err := tensor.Root(l.Engine.Layout(), l.Engine.Params())
	if err != nil || got != root {
		t.Errorf("root %x, want %x; %v", got, root, err)
	}
	return l
}

func TestLoad(t *testing.T) {
	r, store := saved(t)
	pulled := t.TempDir()
	if _, err := models.Pull(t.Context(), store, models.Options{Dir: pulled, Round: new(protocol.Round(2))}); err != nil {
		t.Fatal(err)
	}
	if l := load(t, pulled, r.Saved[0].ModelRoot); !l.Verified || l.Manifest.Round != 2 || l.Model != r.Rules.Model {
		t.Errorf("%+v", l)
	}
	if l := load(t, store, r.Saved[1].ModelRoot); !l.Verified || l.Manifest.Round != 4 {
		t.Errorf("%+v", l)
	}
	// Without manifest it is what any program could have written.
	if err := os.Remove(filepath.Join(pulled, checkpoints.ManifestFile)); err != nil {
		t.Fatal(err)
	}
	if l := load(t, pulled, r.Saved[0].ModelRoot); l.Verified || l.Manifest != nil || l.Model != r.Rules.Model {
		t.Errorf("%+v", l)
	}
}

func TestLoadRefuses(t *testing.T) {
	_, store := saved(t)
	for _, c := range []struct {
		name, want string
		damage     func(dir string) error
	}{
		{"damaged parameters", "does not match", func(dir string) error {
			path := filepath.Join(dir, checkpoints.ModelFile)
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[len(b)-2] ^= 1
			return os.WriteFile(path, b, 0o600)
		}},
		{"another architecture", "does not match", func(dir string) error {
			return edit(filepath.Join(dir, checkpoints.ConfigFile), `"num_hidden_layers": 1`, `"num_hidden_layers": 2`)
		}},
		{"another architecture, no manifest", "missing: model.layers.1.input_layernorm.weight, ", func(dir string) error {
			return errors.Join(
				edit(filepath.Join(dir, checkpoints.ConfigFile), `"num_hidden_layers": 1`, `"num_hidden_layers": 2`),
				os.Remove(filepath.Join(dir, checkpoints.ManifestFile)))
		}},
		{"huge config", "more than", func(dir string) error {
			return errors.Join(
				os.WriteFile(filepath.Join(dir, checkpoints.ConfigFile), make([]byte, 1<<20), 0o600),
				os.Remove(filepath.Join(dir, checkpoints.ManifestFile)))
		}},
		{"no parameters", "neither one", func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, checkpoints.ModelFile)), os.Remove(filepath.Join(dir, checkpoints.ManifestFile)))
		}},
		{"cut pull", "run the same lode pull again", func(dir string) error {
			path := filepath.Join(dir, checkpoints.ModelFile)
			return errors.Join(os.Rename(path, path+".part"), os.Remove(filepath.Join(dir, checkpoints.ManifestFile)))
		}},
		{"an index of no files", "index.json: names 0 files", func(dir string) error {
			return errors.Join(
				os.WriteFile(filepath.Join(dir, checkpoints.ModelFile+".index.json"), []byte("{}"), 0o600),
				os.Remove(filepath.Join(dir, checkpoints.ModelFile)),
				os.Remove(filepath.Join(dir, checkpoints.ManifestFile)))
		}},
		{"gone", "no such file", os.RemoveAll},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := models.Pull(t.Context(), store, models.Options{Dir: dir}); err != nil {
				t.Fatal(err)
			}
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := models.Load(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if _, err := models.Load(t.TempDir()); !errors.Is(err, models.ErrNone) {
		t.Error(err)
	}
}

func edit(path, old, replacement string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(b), old) {
		return errors.New("not found: " + old)
	}
	return os.WriteFile(path, []byte(strings.Replace(string(b), old, replacement, 1)), 0o600)
}
