package worker

// This file tests the writing of the state file.

import (
	"context"
	"errors"
	"io"
	"testing"

	"lode/engine/model"
	"lode/gradient/column/columntest"
	"lode/replica"
)

// sink is files that take what is written up to a number of bytes.
type sink struct {
	*outside
	room, took int64
}

var errFull = errors.New("no space left")

func (s *sink) Put(_ context.Context, _ string, r io.Reader, _ int64) error {
	var err error
	if s.took, err = io.Copy(io.Discard, io.LimitReader(r, s.room)); err == nil && s.took == s.room {
		err = errFull
	}
	return err
}

// The state of a large model is written from where it is, and a fault ends that.
func TestStateFileIsStreamed(t *testing.T) {
	out := &sink{outside: newOutside(), room: 1 << 40}
	cfg := config(t, out.outside)
	cfg.Files = out
	man := cfg.Rules.Manifest
	large := cfg.Rules.Model.(model.Llama)
	large.Dim, large.FFN = 256, 1024
	man.Model.Config = string(large.Config())
	var err error
	if cfg.Rules, err = replica.NewRules(man); err != nil {
		t.Fatal(err)
	}
	tr := begin(t, cfg)
	do(t, tr, taskOf(0, 1))
	size := out.took
	if want := 16 * int64(len(tr.model.Params)); size < want {
		t.Fatalf("%d bytes, want %d and more", size, want)
	}
	if n, yes := columntest.Exceeds(int(size)/8, func() { _, err = tr.save(t.Context()) }); yes || err != nil || out.took != size {
		t.Errorf("%d bytes allocated to write %d of %d, %v", n, out.took, size, err)
	}
	for _, room := range []int64{0, 10, size / 2, size} {
		out.room = room
		if _, err := tr.save(t.Context()); !errors.Is(err, errFull) {
			t.Errorf("a disk with room for %d bytes is not told of", room)
		}
	}
}
