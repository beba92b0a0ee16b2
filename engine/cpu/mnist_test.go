package cpu

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"lode/data/examples"
	"lode/engine"
	"lode/engine/model"
)

// digits returns the pictures of that permutation of a set as one batch.
func digits(t *testing.T, s *examples.Set, which []int) engine.Batch {
	t.Helper()
	b := engine.Batch{Rows: len(which), Inputs: engine.Array{Shape: s.Shape(), Reals: make([]float32, len(which)*784)}, Targets: engine.Array{IDs: make([]int32, len(which))}}
	for i, k := range which {
		if err := s.Read(b.Inputs.Reals[i*784:(i+1)*784], k); err != nil {
			t.Fatal(err)
		}
		b.Targets.IDs[i] = int32(s.Label(k))
	}
	return b
}

// TestDigits: after two passes over 8,000 handwritten digits the small convolutional
// network knows at least 95 of 100 that it has not seen.
func TestDigits(t *testing.T) {
	shared := os.Getenv("LODE_SHARED")
	if shared == "" {
		t.Skip("LODE_SHARED is not set")
	}
	if testing.Short() {
		t.Skip("trains for seconds; left out with -short")
	}
	s, err := examples.Open(filepath.Join(shared, "data", "t10k-images-idx3-ubyte.gz"), examples.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := rand.New(rand.NewPCG(1, 2))
	order := r.Perm(s.Len())
	training, unseen := order[:8000], order[8000:]
	e := newEngine(t, model.LeNet(28, 28, 10), Options{Threads: 2})
	const rows, passes = 50, 2
	for range passes {
		r.Shuffle(len(training), func(i, k int) { training[i], training[k] = training[k], training[i] })
		for lo := 0; lo < len(training); lo += rows {
			if _, err := e.Step(digits(t, s, training[lo:lo+rows]), engine.Hyper{Rate: 2e-3}); err != nil {
				t.Fatal(err)
			}
		}
	}
	right := 0
	for lo := 0; lo < len(unseen); lo += 200 {
		grades, err := e.Grade(digits(t, s, unseen[lo:lo+200]))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range grades {
			if g.Right {
				right++
			}
		}
	}
	t.Logf("%d of %d right", right, len(unseen))
	if right < len(unseen)*95/100 {
		t.Errorf("%d of %d right, want 95 of 100", right, len(unseen))
	}
}
