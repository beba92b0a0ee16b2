package gradient

// This file tests what tensors cost that are not trained.

import (
	"math/rand/v2"
	"testing"

	"lode/tensor"
)

// An update of a model of which 1 % is trained is as long as one of that part alone, in
// every codec, and what may be sent is bounded alike.
func TestFrozenCostsNothing(t *testing.T) {
	down, up := tensor.Spec{Name: "down", Shape: []int{20, 512}}, tensor.Spec{Name: "up", Shape: []int{512, 20}}
	part, err := tensor.NewLayout(down, up)
	if err != nil {
		t.Fatal(err)
	}
	all, err := tensor.NewLayout(tensor.Spec{Name: "base", Shape: []int{2000, 1000}}, down, tensor.Spec{Name: "norm", Shape: []int{7}}, up)
	if err != nil {
		t.Fatal(err)
	}
	whole := all.Freeze(nil)
	all = all.Freeze([]bool{true, false, true, false})
	rng := rand.New(rand.NewPCG(3, 4))
	a := make(tensor.Flat, all.Len())
	for i := range a {
		a[i] = float32(rng.NormFloat64())
	}
	trained := append(append(tensor.Flat(nil), a[all.Offset(1):all.Offset(1)+down.Len()]...), a[all.Offset(3):]...)
	for name, p := range map[string]Params{
		"topk":  {Codec: TopK, K: 64, Bits: 2, EMin: -30, EMax: 4},
		"dct":   {Codec: DCT, K: 64, Bits: 2, EMin: -30, EMax: 4},
		"sign":  {Codec: Sign, Bits: 1, EMin: -30, EMax: 4},
		"dense": {Codec: Dense, Bits: 8, EMin: -30, EMax: 4},
	} {
		size := func(l tensor.Layout, vals tensor.Flat) int {
			t.Helper()
			u, err := Encode(l, p, vals)
			if err != nil {
				t.Fatal(err)
			}
			return len(u.Wire())
		}
		frozen, alone, full := size(all, a), size(part, trained), size(whole, a)
		t.Logf("%-5s %d bytes of %d parameters, %d trained; %d bytes if these were all; %d bytes if all were trained: %.2f %%",
			name, frozen, all.Len(), part.Len(), alone, full, 100*float64(frozen)/float64(full))
		if frozen != alone {
			t.Errorf("%s: %d bytes, the trained part alone has %d", name, frozen, alone)
		}
		if a, b := MaxWireLen(all, p), MaxWireLen(part, p); a != b {
			t.Errorf("%s: up to %d bytes, the trained part alone up to %d", name, a, b)
		}
	}
}
