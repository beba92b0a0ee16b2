package gradient

import (
	"math/rand/v2"
	"testing"

	"lode/tensor"
)

// TestBlank says where chunks lie: an update put together from its parts is the same.
func TestBlank(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		l, p := drawLayout(t, r), drawParams(r)
		p.Codec, p.Bits, p.K = TopK, 1+r.IntN(4), 1+r.IntN(tensor.ChunkLen)
		a := make(tensor.Flat, l.Len())
		for i := range a {
			a[i] = float32(r.NormFloat64())
		}
		want, err := Encode(l, p, a)
		if err != nil {
			t.Fatal(err)
		}
		plain, tensors, err := Blank(l, p)
		if err != nil || len(tensors) != l.NumTensors() {
			t.Fatalf("%d tensors, error %v", len(tensors), err)
		}
		for c := range l.Chunks() {
			tiles := tensors[c.Tensor]
			if (tiles == Tiles{}) != (l.Spec(c.Tensor).Kind == tensor.Frozen) || (tiles.K == 0) != (tiles == Tiles{} || IsVector(l.Spec(c.Tensor))) {
				t.Fatalf("tensor %d: %+v", c.Tensor, tiles)
			}
			from := tiles.From + c.Index*tiles.Step
			to := min(from+tiles.Step, tiles.To)
			copy(plain[from:to], want.Plain()[from:to])
		}
		got, err := ParsePlain(l, p, plain)
		if err != nil || string(got.Plain()) != string(want.Plain()) {
			t.Fatalf("another update, error %v", err)
		}
	}
	if _, _, err := Blank(tensor.Layout{}, Params{}); err == nil {
		t.Error("parameters that are none")
	}
}
