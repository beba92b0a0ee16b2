package enginetest

import (
	"maps"
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine/model"
)

// TestReferenceGradient compares with central differences. Step 1e-5 leaves an
// error of about 1e-10 times the third derivative plus 1e-11 of rounding.
func TestReferenceGradient(t *testing.T) {
	all := models()
	maps.Copy(all, stages())
	for name, m := range all {
		t.Run(name, func(t *testing.T) {
			r, err := NewReference(m)
			if err != nil {
				t.Fatal(err)
			}
			if err := model.Init(m, [32]byte{9}, r); err != nil {
				t.Fatal(err)
			}
			b := Batch(rand.New(rand.NewPCG(1, 1)), m, 2, 5)
			r.Gradient(b)
			grads := append([]float64(nil), r.Grads...)
			const step = 1e-5
			largest := 0.0
			for i := 0; i < len(grads); i += 1 + len(grads)/150 {
				was := r.Params[i]
				r.Params[i] = was + step
				up := r.Loss(b)
				r.Params[i] = was - step
				down := r.Loss(b)
				r.Params[i] = was
				want := (up - down) / (2 * step)
				largest = math.Max(largest, math.Abs(want))
				if d := math.Abs(grads[i] - want); d > 1e-8+1e-6*math.Abs(want) {
					t.Fatalf("gradient %d is %v, differences say %v", i, grads[i], want)
				}
			}
			if largest < 1e-3 {
				t.Fatalf("largest gradient seen is %v: the test saw nothing", largest)
			}
		})
	}
}
