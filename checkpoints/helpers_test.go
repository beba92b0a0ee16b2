package checkpoints_test

// This file holds the checkpoints that the outer tests write and compare.

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"

	"lode/checkpoints"
	"lode/tensor"
)

func layout(t testing.TB, rows int) tensor.Layout {
	t.Helper()
	l, err := tensor.NewLayout(
		tensor.Spec{Name: "model.embed_tokens.weight", Shape: []int{rows, 100}},
		tensor.Spec{Name: "model.norm.weight", Shape: []int{100}},
		tensor.Spec{Name: "lm_head.weight", Shape: []int{100, 50}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// draft returns a checkpoint whose content is a function of rows and round.
func draft(t testing.TB, rows int, round uint64) checkpoints.Draft {
	t.Helper()
	l := layout(t, rows)
	model := make(tensor.Flat, l.Len())
	for i := range model {
		model[i] = float32(i%1013)/7 - float32(round)
	}
	return checkpoints.Draft{
		Run: [32]byte{0xab, 0xcd}, Round: round, StateRoot: [32]byte{1, byte(round)},
		Layout: l, Model: model, Config: []byte(`{"model_type":"llama"}` + "\n"),
		State: []checkpoints.Ints{{Name: "momentum", Shape: []int{l.Len()}, Read: func(offset int, dst []int64) error {
			for i := range dst {
				dst[i] = int64(offset+i)*3 - 7
			}
			return nil
		}}},
		Extra: []checkpoints.Extra{{Name: "tokenizer.json", Size: 2, Content: bytes.NewReader([]byte("{}"))}},
		Info:  map[string]string{"loss": "3.25", "note": "größer"},
	}
}

func bigDraft(t testing.TB, round uint64) checkpoints.Draft { return draft(t, 2000, round) }

func key(i byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{i}, ed25519.SeedSize))
}

func public(i byte) ed25519.PublicKey { return key(i).Public().(ed25519.PublicKey) }

func writeDraft(t testing.TB, s checkpoints.Store, d checkpoints.Draft) checkpoints.Manifest {
	t.Helper()
	m, err := checkpoints.Write(t.Context(), s, d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// writeAndPull writes two rounds to s and gets both back from src.
func writeAndPull(t *testing.T, s checkpoints.Store, src checkpoints.Source) {
	t.Helper()
	first := draft(t, 30, 7)
	first.Sign = checkpoints.SignWith(key(1), key(2))
	m1 := writeDraft(t, s, first)
	second := draft(t, 30, 12)
	second.Parent, second.Sign = m1.Digest(), checkpoints.SignWith(key(1))
	m2 := writeDraft(t, s, second)

	if got, err := checkpoints.List(t.Context(), s, first.Run); err != nil || !slices.Equal(got, []uint64{7, 12}) {
		t.Errorf("List: %v, %v", got, err)
	}
	if got, err := checkpoints.Latest(t.Context(), src, first.Run); err != nil || got.Digest() != m2.Digest() || got.Parent != m1.Digest() {
		t.Errorf("Latest: round %d, %v", got.Round, err)
	}
	dir := t.TempDir()
	var last string
	res, err := checkpoints.Pull(t.Context(), src, dir, checkpoints.PullOptions{
		Round: new(uint64(7)), Trusted: []ed25519.PublicKey{public(1), public(2), public(3)}, Need: 2,
		Progress: func(done, total int64) { last = fmt.Sprint(done, " of ", total) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprint(m1.Size(), " of ", m1.Size()); last != want {
		t.Errorf("progress ends at %s, want %s", last, want)
	}
	if res.SignedBy != 2 || res.Fetched != m1.Size() || res.Manifest.Digest() != m1.Digest() {
		t.Errorf("result: %d signed, %d bytes of %d", res.SignedBy, res.Fetched, m1.Size())
	}
	checkModel(t, dir, first)
	again, err := checkpoints.Pull(t.Context(), src, dir, checkpoints.PullOptions{Round: new(uint64(7))})
	if err != nil || again.Fetched != 0 {
		t.Errorf("pulling what is there: %d bytes, %v", again.Fetched, err)
	}
	if _, err := checkpoints.Pull(t.Context(), src, dir, checkpoints.PullOptions{}); err != nil {
		t.Fatal(err)
	}
	checkModel(t, dir, second)
}

// checkModel compares what lies in dir with the draft it came from.
func checkModel(t *testing.T, dir string, d checkpoints.Draft) {
	t.Helper()
	m, err := checkpoints.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	if !bytes.Equal(m.Config, d.Config) || m.Manifest.Round != d.Round || m.Manifest.StateRoot != d.StateRoot || m.Manifest.Info["note"] != d.Info["note"] {
		t.Errorf("config %q, manifest %+v", m.Config, m.Manifest)
	}
	l, err := m.Layout()
	if err != nil || l.Len() != d.Layout.Len() {
		t.Fatal("layout:", err)
	}
	r, err := m.Reader(d.Layout)
	if err != nil {
		t.Fatal(err)
	}
	got := make(tensor.Flat, d.Layout.Len())
	if err := tensor.Copy(d.Layout, got, r); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, d.Model.(tensor.Flat)) {
		t.Error("parameters differ")
	}
	state, err := m.State()
	if err != nil || len(state) != 1 || state[0].Name != "momentum" {
		t.Fatalf("state: %+v, %v", state, err)
	}
	vals := make([]int64, 10)
	if err := state[0].Read(d.Layout.Len()-10, vals); err != nil || vals[9] != int64(d.Layout.Len()-1)*3-7 {
		t.Errorf("state ends with %v, %v", vals, err)
	}
	if err := state[0].Read(d.Layout.Len()-9, vals); err == nil {
		t.Error("reading past the state's end is accepted")
	}
}
