package cuda

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"lode/engine/cuda/cudatest"
	"lode/engine/model"
	"lode/gradient"
	"lode/tensor"
)

// TestRoot is that of package tensor, for layouts of all kinds: few tensors or more than
// are hashed at a time, names of every length, values that begin at every byte.
func TestRoot(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "")
	e, err := on(t, card, wideMLP, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(8, 1))
	f := puts(t, e, e.Params(), func(tensor.Chunk) float32 { return draws["bits"](r) })
	for _, most := range []int{20000, 9000, 4097, 700, 60} {
		var specs []tensor.Spec
		for left := len(f); left > 0; {
			n := min(left, 1+r.IntN(most))
			left -= n
			name := strconv.Itoa(len(specs))
			specs = append(specs, tensor.Spec{Name: name + strings.Repeat("x", r.IntN(tensor.MaxNameLen-len(name)+1)), Shape: []int{n}})
		}
		l, err := tensor.NewLayout(specs...)
		if err != nil {
			t.Fatal(err)
		}
		want, err := tensor.Root(l, f)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.params.Root(l); err != nil || got != want {
			t.Fatalf("%d tensors: root %x, want %x (%v)", len(specs), got, want, err)
		}
	}
	other, err := tensor.NewLayout(tensor.Spec{Name: "x", Shape: []int{5}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.params.Root(other); !errors.Is(err, gradient.ErrLayout) {
		t.Errorf("another layout: %v", err)
	}
}

// TestRootInParts has more chunks than digests are fetched at a time: tensors that end just
// there, before, after, and go on beyond it twice.
func TestRootInParts(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "")
	m := model.MLP{Input: []int{1000}, Hidden: []int{2000}, Activation: model.ReLU, Classes: 3}
	e, err := on(t, card, m, Options{exchange: 1 << 14})
	if err != nil {
		t.Fatal(err)
	}
	most := e.exchange.halves[0].digests() * tensor.ChunkLen
	r := rand.New(rand.NewPCG(9, 1))
	f := puts(t, e, e.Params(), func(tensor.Chunk) float32 { return r.Float32() })
	if len(f) < 2*most+2 {
		t.Fatalf("%d values, %d at a time", len(f), most)
	}
	for _, first := range []int{len(f), most, most - 1, most + 1, 2 * most} {
		specs := []tensor.Spec{{Name: "a", Shape: []int{first}}}
		if rest := len(f) - first; rest > 0 {
			specs = append(specs, tensor.Spec{Name: "b", Shape: []int{rest}})
		}
		l, err := tensor.NewLayout(specs...)
		if err != nil {
			t.Fatal(err)
		}
		want, err := tensor.Root(l, f)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.params.Root(l); err != nil || got != want {
			t.Errorf("a tensor of %d values before one of %d: root %x, want %x (%v)", first, len(f)-first, got, want, err)
		}
	}
}
