package aggregation

import (
	"math"
	"math/rand/v2"
	"testing"

	"lode/gradient"
	"lode/tensor"
)

// student returns n values of about 10⁻⁴ with Student's t distribution.
func student(r *rand.Rand, n, freedom int) tensor.Flat {
	v := make(tensor.Flat, n)
	for i := range v {
		sum := 0.0
		for range freedom {
			x := r.NormFloat64()
			sum += x * x
		}
		v[i] = float32(1e-4 * r.NormFloat64() / math.Sqrt(sum/float64(freedom)))
	}
	return v
}

// Steps of 8 bits are within 2 % of exact ones and at most 6 uploads long, for
// four workers whose supports have nothing in common. Run with -v for the table
// in doc.go.
func TestStepPrecision(t *testing.T) {
	if testing.Short() {
		t.Skip("draws sixteen large updates")
	}
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{128, tensor.ChunkLen}})
	p := gradient.DefaultParams()
	p.K = 128
	for _, freedom := range []int{5, 3} {
		r := rand.New(rand.NewPCG(1, 2))
		var cs []Contribution
		for _, percent := range []gradient.Clip{100, 91, 77, 62} { // no two levels alike
			cs = append(cs, Contribution{Update: encode(t, l, p, student(r, l.Len(), freedom)), Clip: gradient.Unclipped * percent / 100})
		}
		upload := float64(len(cs[0].Update.(*gradient.Update).Wire()))
		cfg := DefaultConfig(p)
		cfg.StepBits = 24
		exact := mustMerge(t, l, cfg, cs, nil)
		for _, bits := range []int{4, 6, 8, 10, 12, 16, 24} {
			cfg.StepBits = bits
			s := mustMerge(t, l, cfg, cs, nil)
			err, size := distance(t, s, exact), float64(len(s.Wire()))/upload
			t.Logf("t%d, %2d bits: error %.5f, %.2f uploads, %d bytes, %.2f bits per moved parameter",
				freedom, bits, err, size, len(s.Wire()), 8*float64(len(s.Wire()))/float64(s.NumNonzero()))
			if bits == 8 && (err > 0.02 || size > 6) {
				t.Errorf("t%d, 8 bits: error %.4f, %.2f uploads", freedom, err, size)
			}
		}
	}
}

// distance returns ‖a − b‖/‖b‖.
func distance(t *testing.T, a, b *Step) float64 {
	l := a.Layout()
	x, y := make(tensor.Flat, l.Len()), make(tensor.Flat, l.Len())
	if err := Apply(a, x, x); err != nil {
		t.Fatal(err)
	}
	if err := Apply(b, y, y); err != nil {
		t.Fatal(err)
	}
	lost, all := 0.0, 0.0
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		lost, all = lost+d*d, all+float64(y[i])*float64(y[i])
	}
	return math.Sqrt(lost / all)
}
