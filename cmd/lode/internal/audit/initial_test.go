package audit_test

// This file tests audits of runs that begin with given parameters.

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/cmd/lode/internal/audit"
	"lode/cmd/lode/internal/audit/audittest"
	"lode/cmd/lode/internal/models"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// pretrained are parameters for the run of a configuration.
func pretrained(t *testing.T) tensor.Flat {
	t.Helper()
	params := make(tensor.Flat, audittest.New(t, audittest.Config{Rounds: 1}).Rules.Layout.Len())
	for i := range params {
		params[i] = float32(i%97) / 64
	}
	return params
}

// A run is recomputed from the parameters that it was given, or from a later checkpoint
// without them. Others than these are found out.
func TestGivenParameters(t *testing.T) {
	params, store := pretrained(t), openStore(t)
	r := audittest.New(t, audittest.Config{Rounds: 4, Initial: params, Store: store})
	src := onDisk(t, r, store)
	if _, err := audit.Verify(t.Context(), src, audit.Options{}); !errors.Is(err, replica.ErrNotAtHand) {
		t.Errorf("without the parameters: %v", err)
	}
	if rep := verify(t, src, audit.Options{From: new(protocol.Round(2))}); !rep.Whole() || len(rep.Rounds) != 2 {
		t.Errorf("from a checkpoint: %+v", rep)
	}
	src.Initial = params
	if rep := verify(t, src, audit.Options{}); !rep.Whole() || rep.Recomputed != 4 {
		t.Errorf("with the parameters: %+v", rep)
	}
	params[3]++
	if _, err := audit.Verify(t.Context(), src, audit.Options{}); err == nil || !strings.Contains(err.Error(), "have root") {
		t.Errorf("with others: %v", err)
	}
}

// Over the network the pieces are fetched when they are needed, once; a coordinator that
// serves other bytes, or none, is refused at the first of them.
func TestGivenParametersOverLink(t *testing.T) {
	r := audittest.New(t, audittest.Config{Initial: pretrained(t)})
	link, cache := r.Serve(t), t.TempDir()
	try := func() (audit.Report, error) {
		t.Helper()
		o, err := models.Observe(t.Context(), link, models.Contact{Software: "audit test"})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		if err := o.Rules.Reach(t.Context(), o, cache); err != nil {
			return audit.Report{}, err
		}
		return audit.Verify(t.Context(), audit.Live(o), audit.Options{})
	}
	var index, piece protocol.Digest
	for d, b := range r.Payloads {
		switch {
		case d == r.Manifest.Model.Pieces:
			index = d
		case piece == protocol.Digest{} && len(b)%1024 == 0: // an update has an odd length
			piece = d
		}
	}
	kept := map[protocol.Digest][]byte{index: r.Payloads[index], piece: r.Payloads[piece]}
	for what, d := range map[string]protocol.Digest{"index": index, "piece": piece} {
		other := append([]byte(nil), kept[d]...)
		other[len(other)-1] ^= 1
		r.Payloads[d] = other
		if _, err := try(); err == nil || !strings.Contains(err.Error(), "initial parameters") || protocol.ReasonOf(err) != protocol.WrongContent {
			t.Errorf("another %s: %v", what, err)
		}
		delete(r.Payloads, d)
		if _, err := try(); err == nil || !strings.Contains(err.Error(), "initial parameters") {
			t.Errorf("no %s: %v", what, err)
		}
		r.Payloads[d] = kept[d]
	}
	if rep, err := try(); err != nil || !rep.Whole() {
		t.Errorf("the right bytes: %+v, %v", rep, err)
	}
	delete(r.Payloads, piece)
	if rep, err := try(); err != nil || !rep.Whole() {
		t.Errorf("what is in the cache: %+v, %v", rep, err)
	}
	if err := os.Remove(filepath.Join(cache, piece.String())); errors.Is(err, fs.ErrNotExist) {
		t.Error("the piece that was taken away is none")
	}
}
