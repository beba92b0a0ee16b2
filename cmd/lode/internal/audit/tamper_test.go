package audit_test

// This file tests runs that somebody tampered with, and runs that have lost
// payloads.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lode/checkpoints"
	"lode/cmd/lode/internal/audit"
	"lode/cmd/lode/internal/audit/audittest"
	"lode/protocol"
)

// entries is a record in memory.
type entries [][]byte

func (e entries) Entries(_ context.Context, each func([]byte) error) error {
	for _, b := range e {
		if err := each(slices.Clone(b)); err != nil {
			return err
		}
	}
	return nil
}

func inMemory(r *audittest.Run) audit.Source {
	return audit.Source{Manifest: r.Manifest, Record: entries(r.Entries), Payloads: r}
}

// faulty verifies a run in which something must be found.
func faulty(t *testing.T, src audit.Source) *audit.Mismatch {
	t.Helper()
	rep, err := audit.Verify(t.Context(), src, audit.Options{})
	m, ok := errors.AsType[*audit.Mismatch](err)
	if !ok || rep.Mismatch != m || rep.Whole() {
		t.Fatalf("no mismatch: %v", err)
	}
	t.Log(err)
	return m
}

func isRound(r *protocol.Round, want protocol.Round) bool { return r != nil && *r == want }

func TestTamperedRecord(t *testing.T) {
	sound := audittest.New(t, audittest.Config{})
	for _, c := range []struct {
		name   string
		tamper func(r *audittest.Run)
		at     uint64
		means  string
	}{
		{"a byte of an entry", func(r *audittest.Run) { r.Entries[20][len(r.Entries[20])/2] ^= 1 }, 20, "changed"},
		{"an entry's signature", func(r *audittest.Run) { b := r.Entries[7]; b[len(b)-1] ^= 1 }, 7, "changed after it was signed"},
		{"two entries swapped", func(r *audittest.Run) {
			r.Entries[10], r.Entries[11] = r.Entries[11], r.Entries[10]
		}, 10, "another order"},
		{"an entry removed", func(r *audittest.Run) { r.Entries = slices.Delete(r.Entries, 12, 13) }, 12, "removed"},
		{"an entry twice", func(r *audittest.Run) { r.Entries = slices.Insert(r.Entries, 9, r.Entries[8]) }, 9, "inserted"},
		{"garbage", func(r *audittest.Run) { r.Entries[3] = []byte("garbage") }, 3, "damaged"},
		{"a commit left out by the coordinator", func(r *audittest.Run) {
			r.Resign(t, func(i int, ev protocol.Event) []protocol.Event {
				if i == 6 {
					return nil
				}
				return []protocol.Event{ev}
			})
		}, 8, "rules forbid"},
		{"a member's message changed by the coordinator", func(r *audittest.Run) {
			r.Resign(t, func(i int, ev protocol.Event) []protocol.Event {
				if m, ok := ev.(protocol.Message); ok && i == 6 {
					m.Body = slices.Clone(m.Body)
					m.Body[len(m.Body)-1] ^= 1
					return []protocol.Event{m}
				}
				return []protocol.Event{ev}
			})
		}, 6, "somebody else wrote it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := *sound
			r.Entries = nil
			for _, e := range sound.Entries {
				r.Entries = append(r.Entries, slices.Clone(e))
			}
			c.tamper(&r)
			m := faulty(t, inMemory(&r))
			if m.What != "record" || m.Entry == nil || *m.Entry != c.at || !strings.Contains(m.Means, c.means) {
				t.Errorf("found %v, want entry %d, %q", m, c.at, c.means)
			}
		})
	}
}

func TestForgedReceipt(t *testing.T) {
	for _, c := range []struct {
		field string
		forge func(*protocol.Receipt)
		what  string
	}{
		{"step", func(rc *protocol.Receipt) { rc.Step[0] ^= 1 }, "merged step"},
		{"payload", func(rc *protocol.Receipt) { rc.Payload[0] ^= 1 }, ""},
		{"model", func(rc *protocol.Receipt) { rc.Model[0] ^= 1 }, "model root"},
		{"outer", func(rc *protocol.Receipt) { rc.Outer[0] ^= 1 }, "outer optimizer's root"},
	} {
		t.Run(c.field, func(t *testing.T) {
			r := audittest.New(t, audittest.Config{Momentum: true, Forge: func(rc *protocol.Receipt) {
				if rc.Round == 1 {
					c.forge(rc)
				}
			}})
			if c.what == "" { // nobody has such a payload: missing, and all else is as it must be
				rep := verify(t, inMemory(r), audit.Options{})
				if !rep.Whole() || len(rep.Rounds[1].Missing) != 1 || rep.Rounds[1].Missing[0].What != "merged step" {
					t.Errorf("%+v", rep.Rounds)
				}
				return
			}
			if m := faulty(t, inMemory(r)); m.What != c.what || !isRound(m.Round, 1) || m.Want == (protocol.Digest{}) {
				t.Errorf("found %v", m)
			}
		})
	}
}

// Validators who leave out the weights that commits name are found out.
func TestForgedWeights(t *testing.T) {
	r := audittest.New(t, audittest.Config{Weighed: true, Unweighed: true})
	if m := faulty(t, inMemory(r)); m.What != "merged step" || !isRound(m.Round, 0) {
		t.Errorf("found %v", m)
	}
}

func TestForgedNorm(t *testing.T) {
	r := audittest.New(t, audittest.Config{Attest: func(n protocol.Round, f *protocol.Finding) {
		if n == 2 {
			f.NormLo++
		}
	}})
	if m := faulty(t, inMemory(r)); m.What != "norm of the update" || !isRound(m.Round, 2) || m.Worker == (protocol.NodeID{}) {
		t.Errorf("found %v", m)
	}
}

func TestTamperedPayload(t *testing.T) {
	r := audittest.New(t, audittest.Config{})
	o := r.Final[1].Outcomes[1]
	t.Run("update", func(t *testing.T) {
		src, dir := onDiskIn(t, r, nil)
		flip(t, dir, r, o.Commit.Cipher)
		m := faulty(t, src)
		if m.What != "update" || !isRound(m.Round, 1) || m.Worker != o.Worker || m.Want != o.Commit.Cipher || m.Got == m.Want || m.Got == (protocol.Digest{}) {
			t.Errorf("found %v", m)
		}
	})
	t.Run("step", func(t *testing.T) {
		src, dir := onDiskIn(t, r, nil)
		flip(t, dir, r, r.Final[2].Receipt.Payload)
		if m := faulty(t, src); m.What != "payload of the merged step" || !isRound(m.Round, 2) {
			t.Errorf("found %v", m)
		}
	})
	t.Run("exchanged", func(t *testing.T) { // a payload that answers to the other's name
		other := r.Final[1].Outcomes[0].Commit.Cipher
		src := inMemory(r)
		src.Payloads = renamed{r, o.Commit.Cipher, other}
		if m := faulty(t, src); m.What != "update" || m.Worker != o.Worker || protocol.ReasonOf(m) != protocol.WrongContent {
			t.Errorf("found %v", m)
		}
	})
}

// renamed gives one payload in another's place.
type renamed struct {
	*audittest.Run
	asked, given protocol.Digest
}

func (s renamed) Fetch(ctx context.Context, d protocol.Digest, most int64) ([]byte, error) {
	if d == s.asked {
		d = s.given
	}
	return s.Run.Fetch(ctx, d, most)
}

// flip changes a byte of a payload on disk.
func flip(t *testing.T, payloads string, r *audittest.Run, digest protocol.Digest) {
	t.Helper()
	path := filepath.Join(payloads, hex.EncodeToString(r.Rules.Run[:]), hex.EncodeToString(digest[:]))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMissingPayloads(t *testing.T) {
	drop := func(r *audittest.Run, round int) protocol.NodeID {
		o := r.Final[round].Outcomes[0]
		delete(r.Payloads, o.Commit.Cipher)
		return o.Worker
	}
	t.Run("goes on by the merged step", func(t *testing.T) {
		r := audittest.New(t, audittest.Config{})
		worker := drop(r, 1)
		rep := verify(t, inMemory(r), audit.Options{})
		got := rep.Rounds[1]
		if rep.Whole() || got.Recomputed || !rep.Rounds[0].Recomputed || !rep.Rounds[2].Recomputed {
			t.Errorf("%+v", rep.Rounds)
		}
		if len(got.Missing) != 1 || got.Missing[0].What != "update" || got.Missing[0].Worker != worker || got.State != r.Final[1].Root {
			t.Errorf("round 1: %+v", got)
		}
	})
	t.Run("places without the step before", func(t *testing.T) {
		store := openStore(t)
		r := audittest.New(t, audittest.Config{Rounds: 6, Momentum: true, Shared: true, Store: store})
		drop(r, 2)
		delete(r.Payloads, r.Final[3].Receipt.Payload)
		src := onDisk(t, r, store)
		// Round 4 begins at a checkpoint, which holds no step.
		got := verify(t, src, audit.Options{}).Rounds[4]
		if got.Recomputed || len(got.Missing) != 1 || got.Missing[0].What != "merged step before the round" {
			t.Errorf("round 4: %+v", got)
		}
		// Nobody is accused where it was to be passed.
		got = verify(t, src, audit.Options{From: new(protocol.Round(5))}).Rounds[0]
		if got.Recomputed || !slices.ContainsFunc(got.Missing, func(m audit.Missing) bool { return m.What == "model before the round" }) {
			t.Errorf("round 5: %+v", got)
		}
	})
	t.Run("model lost without the step", func(t *testing.T) {
		r := audittest.New(t, audittest.Config{})
		drop(r, 1)
		delete(r.Payloads, r.Final[1].Receipt.Payload)
		rep := verify(t, inMemory(r), audit.Options{})
		if rep.Recomputed != 1 || len(rep.Rounds[1].Missing) != 2 || rep.Rounds[2].Missing[0].String() != "model before the round" {
			t.Errorf("%+v", rep.Rounds)
		}
	})
	t.Run("goes on from a checkpoint", func(t *testing.T) {
		store := openStore(t)
		r := audittest.New(t, audittest.Config{Rounds: 6, Momentum: true, Store: store})
		drop(r, 2)
		src := onDisk(t, r, store)
		rep := verify(t, src, audit.Options{})
		var got []bool
		for _, x := range rep.Rounds {
			got = append(got, x.Recomputed)
		}
		// Momentum: no step leads past round 2; round 4 begins at a checkpoint.
		if want := []bool{true, true, false, false, true, true}; !slices.Equal(got, want) {
			t.Errorf("recomputed %v, want %v", got, want)
		}
		if !rep.Checkpoints[0].Recomputed || rep.Checkpoints[1].Recomputed || !rep.Checkpoints[2].Recomputed {
			t.Errorf("checkpoints %+v", rep.Checkpoints)
		}
	})
}

func TestTamperedCheckpoint(t *testing.T) {
	for _, c := range []struct {
		name   string
		tamper func(t *testing.T, r *audittest.Run, store *checkpoints.Dir)
		means  string
	}{
		{"a byte of the parameters", func(t *testing.T, r *audittest.Run, s *checkpoints.Dir) {
			alter(t, s, r.Saved[0].Path(checkpoints.ModelFile), func(b []byte) { b[len(b)-5] ^= 1 })
		}, "its files are not those"},
		{"a byte of the manifest", func(t *testing.T, r *audittest.Run, s *checkpoints.Dir) {
			alter(t, s, r.Saved[0].Path(checkpoints.ManifestFile), func(b []byte) {
				at := bytes.Index(b, []byte(`small run`))
				b[at] = 'S'
			})
		}, "its manifest was changed"},
		{"another model under a good signature", func(t *testing.T, r *audittest.Run, s *checkpoints.Dir) {
			resign(t, r, s, func(m *checkpoints.Manifest) { m.ModelRoot[0] ^= 1 })
		}, "the record names another manifest"},
		{"signed by somebody else", func(t *testing.T, r *audittest.Run, s *checkpoints.Dir) {
			resign(t, r, s, func(m *checkpoints.Manifest) { r.Key = ed25519.NewKeyFromSeed(make([]byte, 32)) })
		}, "coordinator has not signed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := openStore(t)
			r := audittest.New(t, audittest.Config{Store: store, Momentum: true})
			c.tamper(t, r, store)
			if m := faulty(t, onDisk(t, r, store)); m.What != "checkpoint of round 2" || !strings.Contains(m.Means, c.means) {
				t.Errorf("found %v, want %q", m, c.means)
			}
		})
	}
}

func alter(t *testing.T, s *checkpoints.Dir, name string, change func([]byte)) {
	t.Helper()
	r, _, err := s.Get(t.Context(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	change(b.Bytes())
	if err := s.Put(t.Context(), name, bytes.NewReader(b.Bytes()), int64(b.Len())); err != nil {
		t.Fatal(err)
	}
}

// resign replaces the first checkpoint's manifest by another one under a good
// signature.
func resign(t *testing.T, r *audittest.Run, s *checkpoints.Dir, change func(*checkpoints.Manifest)) {
	t.Helper()
	m := r.Saved[0]
	change(&m)
	m.Signatures = nil
	m.Sign(r.Key)
	b := m.Encode()
	if err := s.Put(t.Context(), m.Path(checkpoints.ManifestFile), bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
}

// What a coordinator writes to its store but never named on the record is held
// against the receipts all the same.
func TestUnnamedCheckpoint(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*checkpoints.Manifest)
		means  string
	}{
		{"model", func(m *checkpoints.Manifest) { m.ModelRoot[0] ^= 1 }, "another model"},
		{"state", func(m *checkpoints.Manifest) { m.StateRoot[0] ^= 1 }, "another state"},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := openStore(t)
			r := audittest.New(t, audittest.Config{Store: store, Unnamed: true})
			resign(t, r, store, c.change)
			if m := faulty(t, onDisk(t, r, store)); !strings.Contains(m.Means, c.means) {
				t.Errorf("found %v, want %q", m, c.means)
			}
		})
	}
	t.Run("of a round to come", func(t *testing.T) {
		store := openStore(t)
		r := audittest.New(t, audittest.Config{Store: store, Unnamed: true})
		r.Entries = r.Entries[:len(r.Entries)/2]
		if m := faulty(t, onDisk(t, r, store)); !strings.Contains(m.Means, "the record ends at round 1") {
			t.Errorf("found %v", m)
		}
	})
}
