package worker

// This file tests the state file: how it is written, and what is taken up from it.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"

	"lode/aggregation"
	"lode/engine/model"
	"lode/gradient"
	"lode/gradient/column/columntest"
	"lode/protocol"
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

// The last step is kept where the places of an update follow from it.
func TestStateFileHoldsPlaces(t *testing.T) {
	out := newOutside()
	cfg := config(t, out)
	man := cfg.Rules.Manifest
	man.Update.Codec, man.Score.Overlap = "shared", protocol.Q16(1)
	var err error
	if cfg.Rules, err = replica.NewRules(man); err != nil {
		t.Fatal(err)
	}
	tr := begin(t, cfg)
	s := do(t, tr, taskOf(0, 1))
	merged, err := tr.model.Merge([]aggregation.Contribution{{Update: s.update, Clip: gradient.Unclipped}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.model.Adopt(merged, protocol.Receipt{Step: merged.Plain, Model: merged.Model}); err != nil {
		t.Fatal(err)
	}
	s = do(t, tr, taskOf(1, 2))
	again := begin(t, cfg)
	if again.sent == nil || again.sent.commit != s.commit || !bytes.Equal(again.sent.update.Plain(), s.update.Plain()) {
		t.Error("a restart does not take up the update")
	}
}

// What a killed worker left is taken up bit by bit; a file that is not whole, not
// its own, or of another format is left aside.
func TestStateFile(t *testing.T) {
	out := newOutside()
	cfg := config(t, out)
	tr := begin(t, cfg)
	s := do(t, tr, taskOf(0, 1))
	good := slices.Clone(out.files[stateFile])
	var opt bytes.Buffer
	if err := tr.cfg.Engine.WriteState(&opt); err != nil {
		t.Fatal(err)
	}

	again := begin(t, cfg)
	var took bytes.Buffer
	if err := again.cfg.Engine.WriteState(&took); err != nil {
		t.Fatal(err)
	}
	if g := again.sent; g == nil || g.task != s.task || !slices.Equal(valuesOf(t, again, again.residual), valuesOf(t, tr, tr.residual)) || g.commit != s.commit ||
		!bytes.Equal(g.sealed.Payload, s.sealed.Payload) || !bytes.Equal(took.Bytes(), opt.Bytes()) {
		t.Fatal("a restart takes up something else")
	}

	resum := func(b []byte) []byte {
		sum := sha256.Sum256(b[:len(b)-sha256.Size])
		return append(b[:len(b)-sha256.Size], sum[:]...)
	}
	reheaded := func(change func(*stateHeader)) []byte {
		n := int(binary.LittleEndian.Uint32(good))
		var h stateHeader
		if err := protocol.Decode(good[4:4+n], &h); err != nil {
			t.Fatal(err)
		}
		change(&h)
		head := protocol.Encode(h)
		b := binary.LittleEndian.AppendUint32(nil, uint32(len(head)))
		return resum(append(append(b, head...), good[4+n:]...))
	}
	flipped := func(at int) []byte { b := slices.Clone(good); b[at] ^= 1; return b }
	files := map[string][]byte{
		"empty":            {},
		"short":            good[:20],
		"half":             good[:len(good)/2],
		"one byte less":    good[:len(good)-1],
		"one byte more":    append(slices.Clone(good), 0),
		"far too long":     append(slices.Clone(good), make([]byte, 1<<22)...),
		"flipped head":     flipped(10),
		"flipped body":     flipped(len(good) / 2),
		"flipped sum":      flipped(len(good) - 1),
		"head too long":    resum(append([]byte{0xff, 0xff, 0xff, 0x7f}, slices.Clone(good[4:])...)),
		"head past 2^31":   resum(append([]byte{0xff, 0xff, 0xff, 0xff}, slices.Clone(good[4:])...)),
		"another run":      reheaded(func(h *stateHeader) { h.Run[0] ^= 1 }),
		"another node":     reheaded(func(h *stateHeader) { h.Node[0] ^= 1 }),
		"another format":   reheaded(func(h *stateHeader) { h.Format++ }),
		"lengths disagree": reheaded(func(h *stateHeader) { h.Plain++ }),
		"lengths overflow": reheaded(func(h *stateHeader) { h.Plain, h.Optimizer = 1<<63, 1<<63 }),
		"plain cut":        reheaded(func(h *stateHeader) { h.Plain--; h.Optimizer++ }),
		"optimizer first":  reheaded(func(h *stateHeader) { h.Plain, h.Optimizer = 0, h.Optimizer+h.Plain }),
		"not a head":       resum(append([]byte{3, 0, 0, 0}, slices.Clone(good[4:])...)),
	}
	for name, b := range files {
		out.files[stateFile] = b
		tr := begin(t, cfg)
		if tr.sent != nil || tr.model.Next != 0 {
			t.Errorf("%s: was taken for a state", name)
			continue
		}
		// The worker has lost its residual, not its place.
		if got := do(t, tr, taskOf(0, 1)); got.commit != s.commit {
			t.Errorf("%s: what is trained after it differs", name)
		}
	}
}
