package aggregation

import (
	"fmt"
	"testing"

	"lode/gradient"
	"lode/tensor"
)

const benchLen = 4 << 20 // values; 16 MiB, beyond the caches

// BenchmarkCopy is the yardstick: bytes read and written by a copy of the same
// number of float32 values.
func BenchmarkCopy(b *testing.B) {
	src, dst := make([]float32, benchLen), make([]float32, benchLen)
	b.SetBytes(2 * 4 * benchLen)
	for b.Loop() {
		copy(dst, src)
	}
}

// BenchmarkMerge counts the bytes a dense merge would read and write: W updates
// and a step. In fact it reads the updates' plain forms.
func BenchmarkMerge(b *testing.B) {
	l := layoutOf(b, tensor.Spec{Name: "w", Shape: []int{benchLen / 1024, 1024}})
	p := gradient.DefaultParams()
	for _, w := range []int{4, 16} {
		var cs []Contribution
		for i := range w {
			cs = append(cs, Contribution{encode(b, l, p, heavyTail(uint64(i), l.Len())), gradient.Unclipped / 3 * 2})
		}
		for _, cfg := range []Config{DefaultConfig(p), nesterovConfig(p)} {
			b.Run(fmt.Sprintf("%s/W=%d", cfg.Optimizer, w), func(b *testing.B) {
				state, err := NewPlanes(l, cfg)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(4 * benchLen * (w + 1)))
				for b.Loop() {
					mustMerge(b, l, cfg, cs, state)
				}
			})
		}
	}
}

func BenchmarkApply(b *testing.B) {
	l := layoutOf(b, tensor.Spec{Name: "w", Shape: []int{benchLen / 1024, 1024}})
	p := gradient.DefaultParams()
	s := mustMerge(b, l, DefaultConfig(p), contributions(b, l, p, 1, 4), nil)
	theta := make(tensor.Flat, benchLen)
	b.SetBytes(2 * 4 * benchLen)
	for b.Loop() {
		if err := Apply(s, theta, theta); err != nil {
			b.Fatal(err)
		}
	}
}
