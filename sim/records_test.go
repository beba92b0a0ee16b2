package sim

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"lode/coordinator/round"
	"lode/data"
	"lode/engine/model"
	"lode/protocol"
)

// pictures writes a corpus of records and returns its path: pictures of ten by ten in
// five classes, each of which has a pattern under noise.
func pictures(t *testing.T, num int) string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	var patterns [5][100]int
	for c := range patterns {
		for i := range patterns[c] {
			patterns[c][i] = 255 * r.IntN(2)
		}
	}
	var all bytes.Buffer
	for range num {
		c := r.IntN(len(patterns))
		all.WriteByte(byte(c))
		for _, v := range patterns[c] {
			all.WriteByte(byte((3*v + r.IntN(256)) / 4))
		}
	}
	path := filepath.Join(t.TempDir(), "pictures.bin")
	if err := os.WriteFile(path, all.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A convolutional network trains on pictures by the rules that texts are trained by:
// honest workers are accepted, one who sends noise scores little, and the loss falls.
func TestPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for seconds; left out with -short")
	}
	path := pictures(t, 6000)
	o := optionsOn(t, path)
	const width, piece = 101, 101 * 100
	c, err := data.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if o.Index, err = c.Index(t.Context(), piece, nil); err != nil {
		t.Fatal(err)
	}
	o.Index.Width = width
	if o.Source, err = data.NewLocal(c, o.Index); err != nil {
		t.Fatal(err)
	}
	man := &o.Manifest
	man.Data = protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenRecords, Width: width, Index: o.Index.Digest(), Bytes: o.Index.Bytes, Piece: piece, HeldOut: protocol.Q16(0.05)}
	man.Model.Config = string(model.CNN{Input: []int{1, 10, 10}, Filters: []int{8, 16}, Kernel: 3, Padding: 1, Pool: 2, Hidden: []int{64}, Activation: model.ReLU, Classes: 5}.Config())
	man.Train.Steps, man.Train.InnerSteps, man.Train.Rows, man.Train.Warmup = 1, 10, 16, 0
	man.Score.Rows, man.Score.HeldOut = 256, 256
	man.Score.WorkGate = -3 << 16 // none: pictures of a class are alike, so work on others' proves as much
	o.Conducts, o.Rounds = []string{"", "", "noise"}, 8
	var first, last round.Summary
	scores := map[protocol.NodeID]int64{} // of what was merged
	o.Each = func(_ *round.Machine, s round.Summary) {
		if s.Round == 0 {
			first = s
		}
		last = s
		for _, x := range s.Outcomes {
			if x.Verdict.Reason == protocol.OK {
				scores[x.Worker] += int64(x.Verdict.Score)
			}
		}
	}
	m, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("loss from %.3f to %.3f nats", first.Before.Nats(), last.HeldOut.Nats())
	if start, end := first.Before.Nats(), last.HeldOut.Nats(); start < 1.4 || start > 2.2 || end > start/2 {
		t.Errorf("loss went from %.3f to %.3f nats", start, end)
	}
	for i := range 2 {
		if accepted, refused := m.Record(NodeID("worker", i)); accepted < 6 {
			t.Errorf("worker %d was accepted %d times and refused %d", i, accepted, refused)
		}
	}
	// In a network so small noise helps by chance now and then, and little.
	if noise, honest := scores[NodeID("worker", 2)], scores[NodeID("worker", 0)]; noise > honest/3 {
		t.Errorf("noise scored %d, honest work %d", noise, honest)
	}
}
