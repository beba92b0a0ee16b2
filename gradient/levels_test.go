package gradient

// This file tests the fitted levels against the usual quantiser.

import (
	"math"
	"testing"

	"lode/tensor"
)

// meanSigma is the quantiser that others use for 2 bits, for one tensor at a time:
// four bins of a width of 6σ/4 around the mean, each decoded as the mean of what
// fell into it (SparseLoCo, arXiv:2508.15706, section 3).
func meanSigma(vals []float64) []float64 {
	mean, square := 0.0, 0.0
	for _, v := range vals {
		mean += v / float64(len(vals))
	}
	for _, v := range vals {
		square += (v - mean) * (v - mean)
	}
	width := 6 * math.Sqrt(square/float64(len(vals)-1)) / 4
	bin := make([]int, len(vals))
	var sum, num [4]float64
	for i, v := range vals {
		bin[i] = int(min(max(math.RoundToEven((v-mean)/width+2), 0), 3))
		sum[bin[i]] += v
		num[bin[i]]++
	}
	out := make([]float64, len(vals))
	for i, b := range bin {
		out[i] = sum[b] / num[b]
	}
	return out
}

// On heavy tails the error of the kept values is at most half of that of the usual
// quantiser, which has as many bits.
func TestLevelsBeatMeanSigma(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{512, tensor.ChunkLen}})
	for _, kind := range []string{"t3", "t5", "laplace", "gauss"} {
		a := sample(21, l.Len(), kind)
		v := decode(t, mustEncode(t, l, DefaultParams(), a))
		var kept, ours []float64
		for c := range l.Chunks() {
			for _, at := range slowTop(a[c.Offset:c.Offset+c.Len], 64) {
				kept, ours = append(kept, float64(a[c.Offset+int(at)])), append(ours, float64(v[c.Offset+int(at)]))
			}
		}
		x, y := relative(kept, ours), relative(kept, meanSigma(kept))
		t.Logf("%s: relative squared error %.4f, of mean and sigma %.4f", kind, x, y)
		if kind == "t3" && x > y/2 || x > y {
			t.Errorf("%s: relative squared error %.4f, of mean and sigma %.4f", kind, x, y)
		}
	}
}

// relative returns ‖a − b‖²/‖a‖².
func relative(a, b []float64) float64 {
	lost, all := 0.0, 0.0
	for i := range a {
		lost += (a[i] - b[i]) * (a[i] - b[i])
		all += a[i] * a[i]
	}
	return lost / all
}
