package checkpoints

// This file holds the crash tests: each way of writing is cut at its k-th change
// of the disk, for every k until it needs no cut, under each idea of what a crash
// leaves.

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"lode/tensor"
)

// everyCrash runs work on a disk made by setup, cut at its k-th change, hands
// what is left to check, and ends when a run needs no cut. It returns how many
// crashes there were.
func everyCrash(t *testing.T, setup func(d *memDisk), work func(d *memDisk) error, check func(t *testing.T, d *memDisk, finished bool)) {
	t.Helper()
	for k := 1; ; k++ {
		disk := newMemDisk()
		setup(disk)
		disk.calls, disk.crashAt = 0, k
		err := work(disk)
		if err != nil && !errors.Is(err, errCrash) {
			t.Fatalf("crash at change %d: %v", k, err)
		}
		for _, s := range []survival{keepSynced, keepAll, keepTorn, keepNames} {
			t.Run(fmt.Sprintf("change %d, survival %d", k, s), func(t *testing.T) { check(t, disk.after(s), err == nil) })
		}
		if disk.calls < k {
			if err != nil {
				t.Fatalf("no crash, but %v", err)
			}
			t.Logf("%d crashes", k-1)
			return
		}
	}
}

func contentOf(t *testing.T, s Store, name string) []byte {
	t.Helper()
	b, err := readAll(t.Context(), s, name, 1<<30)
	if notThere(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDirPutCrash(t *testing.T) {
	old, young := bytes.Repeat([]byte("old"), 1000), bytes.Repeat([]byte("young!"), 20000)
	put := func(d *memDisk, b []byte) error {
		return (&Dir{d}).Put(t.Context(), "a/b/c", bytes.NewReader(b), int64(len(b)))
	}
	everyCrash(t,
		func(d *memDisk) {
			if err := put(d, old); err != nil {
				t.Fatal(err)
			}
		},
		func(d *memDisk) error { return put(d, young) },
		func(t *testing.T, d *memDisk, finished bool) {
			got := contentOf(t, &Dir{d}, "a/b/c")
			if !bytes.Equal(got, young) && (finished || !bytes.Equal(got, old)) {
				t.Fatalf("found %d bytes, neither the old object nor the new", len(got))
			}
			if err := put(d, young); err != nil {
				t.Fatal(err)
			}
		})
}

func TestDirPutIfAbsentCrash(t *testing.T) {
	want := bytes.Repeat([]byte("content"), 1000)
	put := func(d *memDisk) error {
		return (&Dir{d}).PutIfAbsent(t.Context(), "a/b", bytes.NewReader(want), int64(len(want)))
	}
	everyCrash(t, func(*memDisk) {}, put, func(t *testing.T, d *memDisk, finished bool) {
		got := contentOf(t, &Dir{d}, "a/b")
		if !bytes.Equal(got, want) && (finished || got != nil) {
			t.Fatalf("found %d bytes, neither nothing nor the object", len(got))
		}
	})
}

// smallDraft is a checkpoint with every kind of file.
func smallDraft(t *testing.T, round uint64) Draft {
	t.Helper()
	l, err := tensor.NewLayout(tensor.Spec{Name: "w", Shape: []int{3, 1500}}, tensor.Spec{Name: "b", Shape: []int{7}})
	if err != nil {
		t.Fatal(err)
	}
	model := make(tensor.Flat, l.Len())
	for i := range model {
		model[i] = float32(i) * float32(round+1)
	}
	return Draft{
		Run: [32]byte{1, 2, 3}, Round: round, StateRoot: [32]byte{byte(round)}, Layout: l, Model: model,
		Config: []byte(`{"model_type":"llama"}`), Info: map[string]string{"loss": "1.25"},
		State: []Ints{{Name: "m", Shape: []int{5000}, Read: func(offset int, dst []int64) error {
			for i := range dst {
				dst[i] = int64(offset+i) - int64(round)
			}
			return nil
		}}},
		Extra: []Extra{{Name: "notes.txt", Size: 6, Content: strings.NewReader(fmt.Sprintf("notes%d", round))}},
	}
}

// A crash anywhere in Write leaves the checkpoint before as the latest, or the
// new one, whole; writing again always works.
func TestWriteCrash(t *testing.T) {
	var first Manifest
	write := func(d *memDisk, round uint64) error {
		m, err := Write(t.Context(), &Dir{d}, smallDraft(t, round))
		if round == 1 {
			first = m
		}
		return err
	}
	everyCrash(t,
		func(d *memDisk) {
			if err := write(d, 1); err != nil {
				t.Fatal(err)
			}
		},
		func(d *memDisk) error { return write(d, 2) },
		func(t *testing.T, d *memDisk, finished bool) {
			m, err := Latest(t.Context(), &Dir{d}, first.Run)
			if err != nil {
				t.Fatal(err)
			}
			if m.Round != 2 && (finished || m.Round != 1) {
				t.Fatalf("latest is round %d", m.Round)
			}
			rounds, err := List(t.Context(), &Dir{d}, first.Run)
			if err != nil || len(rounds) == 0 {
				t.Fatal(rounds, err)
			}
			for _, round := range rounds {
				if _, err := pull(t.Context(), &Dir{d}, newMemDisk(), PullOptions{Run: first.Run, Round: &round, RetryFor: -1}); err != nil {
					t.Fatalf("a listed checkpoint is not whole: %v", err)
				}
			}
			if err := write(d, 2); err != nil {
				t.Fatalf("write again: %v", err)
			}
			if m, err := Latest(t.Context(), &Dir{d}, first.Run); err != nil || m.Round != 2 {
				t.Fatalf("latest after writing again: round %d, %v", m.Round, err)
			}
		})
}

// A crash anywhere in Pull leaves no manifest beside files it does not name, and
// pulling again works.
func TestPullCrash(t *testing.T) {
	store := &Dir{newMemDisk()}
	for round := range uint64(2) {
		if _, err := Write(t.Context(), store, smallDraft(t, round)); err != nil {
			t.Fatal(err)
		}
	}
	get := func(d *memDisk, round uint64) error {
		_, err := pull(t.Context(), store, d, PullOptions{Round: &round, RetryFor: -1})
		return err
	}
	everyCrash(t,
		func(d *memDisk) {
			if err := get(d, 0); err != nil {
				t.Fatal(err)
			}
		},
		func(d *memDisk) error { return get(d, 1) },
		func(t *testing.T, d *memDisk, finished bool) {
			_, err := readFile(d, manifestName, maxManifest)
			if err == nil {
				checkPulled(t, d)
			} else if finished || !notThere(err) {
				t.Fatal(err)
			}
			if err := get(d, 1); err != nil {
				t.Fatalf("pull again: %v", err)
			}
			checkPulled(t, d)
		})
}

// checkPulled opens what the manifest names and compares every byte with it.
func checkPulled(t *testing.T, d *memDisk) {
	t.Helper()
	m := &Model{disk: d}
	if err := m.open(); err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Manifest.Files {
		if _, err := m.Open(f.Name); err != nil {
			t.Fatal(err)
		}
	}
	l, err := m.Layout()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Reader(l); err != nil {
		t.Fatal(err)
	}
}

func TestBlobsCrash(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 8192)
	digest := sha256.Sum256(want)
	upload := func(d *memDisk) error {
		b, err := newBlobs(d, [32]byte{9}, 1<<20, 1<<20)
		if err != nil {
			return err
		}
		for {
			at, err := b.Offset(digest)
			if err != nil {
				return err
			}
			if b.Has(digest) {
				return nil
			}
			// A part damaged by the crash is found at the end and sent again.
			end := min(len(want), int(at)+50000)
			_, err = b.Append(t.Context(), digest, int64(len(want)), at, bytes.NewReader(want[at:end]))
			if err != nil && !errors.Is(err, ErrCorrupt) {
				return err
			}
		}
	}
	everyCrash(t, func(*memDisk) {}, upload, func(t *testing.T, d *memDisk, finished bool) {
		b, err := newBlobs(d, [32]byte{9}, 1<<20, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if !b.Has(digest) {
			if finished {
				t.Fatal("a payload that was taken is lost")
			}
			if err := upload(d); err != nil {
				t.Fatalf("upload again: %v", err)
			}
		}
		r, size, err := b.Open(digest)
		if err != nil || size != int64(len(want)) {
			t.Fatal(size, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("payload is damaged: %v", err)
		}
	})
}

// A crash anywhere in Remove leaves no manifest without its files.
func TestRemoveCrash(t *testing.T) {
	run := [32]byte{1, 2, 3}
	everyCrash(t,
		func(d *memDisk) {
			for round := range uint64(2) {
				if _, err := Write(t.Context(), &Dir{d}, smallDraft(t, round)); err != nil {
					t.Fatal(err)
				}
			}
		},
		func(d *memDisk) error { return Remove(t.Context(), &Dir{d}, run, 0) },
		func(t *testing.T, d *memDisk, finished bool) {
			rounds, err := List(t.Context(), &Dir{d}, run)
			if err != nil || finished && len(rounds) != 1 {
				t.Fatal(rounds, err)
			}
			for _, round := range rounds {
				if _, err := pull(t.Context(), &Dir{d}, newMemDisk(), PullOptions{Run: run, Round: &round, RetryFor: -1}); err != nil {
					t.Fatalf("a listed checkpoint is not whole: %v", err)
				}
			}
			if err := Remove(t.Context(), &Dir{d}, run, 0); err != nil {
				t.Fatalf("remove again: %v", err)
			}
			if left, err := (&Dir{d}).List(t.Context(), folder(run, 0)); err != nil || len(left) != 0 {
				t.Fatalf("left: %q, %v", left, err)
			}
			if err := Remove(t.Context(), &Dir{d}, run, 1); err == nil {
				t.Fatal("the latest checkpoint was removed")
			}
		})
}
