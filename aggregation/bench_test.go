package aggregation

import (
	"fmt"
	"testing"

	"lode/gradient"
	"lode/tensor"
)

const benchLen = 4 << 20 // values; 16 MiB as float32, beyond the caches

// BenchmarkCopy is the yardstick: bytes read and written by a copy of 256 MB on
// one core. The source is written first, or the copy would read one page of zeros.
func BenchmarkCopy(b *testing.B) {
	src, dst := make([]byte, 256<<20), make([]byte, 256<<20)
	for i := range src {
		src[i] = byte(i)
	}
	b.SetBytes(2 * int64(len(src)))
	for b.Loop() {
		copy(dst, src)
	}
}

var (
	benchDense  = gradient.Params{Codec: gradient.Dense, Bits: 8, EMin: -40, EMax: -4}
	benchShapes = map[string][]int{"1024x4096": {benchLen / 4096, 4096}, "1048576x4": {benchLen / 4, 4}, "1391x3014": {1391, 3014}}
)

// benchUpdates returns num updates, four of them different, to spare memory and
// time.
func benchUpdates(b *testing.B, l tensor.Layout, p gradient.Params, num int) []Contribution {
	b.Helper()
	var cs []Contribution
	for i := range num {
		if i < 4 {
			cs = append(cs, Contribution{Update: encode(b, l, p, heavyTail(uint64(i), l.Len())), Clip: gradient.Unclipped / 5 * gradient.Clip(5-i)})
		} else {
			u := cs[i%4].Update.(*gradient.Update)
			v, err := gradient.ParsePlain(l, p, append([]byte(nil), u.Plain()...))
			if err != nil {
				b.Fatal(err)
			}
			cs = append(cs, Contribution{Update: v, Clip: cs[i%4].Clip})
		}
	}
	return cs
}

// benchMerge counts the bytes a merge of float32 vectors would read and write: W
// and a step. It also reports the nanoseconds for each place, and for each value
// that updates name.
func benchMerge(b *testing.B, l tensor.Layout, cfg Config, cs []Contribution) {
	state, err := NewPlanes(l, cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(4 * l.Len() * (len(cs) + 1)))
	for b.Loop() {
		mustMerge(b, l, cfg, cs, state)
	}
	ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	b.ReportMetric(ns/float64(l.Len()), "ns/place")
	b.ReportMetric(ns/float64(len(cs)*cs[0].Update.NumKept()), "ns/value")
}

// BenchmarkMean is the curve of the mean over W, shapes and codecs.
func BenchmarkMean(b *testing.B) {
	for name, shape := range benchShapes {
		l := layoutOf(b, tensor.Spec{Name: "w", Shape: shape})
		for _, w := range []int{4, 16} {
			b.Run(fmt.Sprintf("dense/%s/W=%d", name, w), func(b *testing.B) {
				benchMerge(b, l, DefaultConfig(benchDense), benchUpdates(b, l, benchDense, w))
			})
		}
	}
	l := layoutOf(b, tensor.Spec{Name: "w", Shape: benchShapes["1024x4096"]})
	p := gradient.DefaultParams()
	for _, w := range []int{4, 16, 64, 256, 1000} {
		b.Run(fmt.Sprintf("sparse/W=%d", w), func(b *testing.B) {
			benchMerge(b, l, DefaultConfig(p), benchUpdates(b, l, p, w))
		})
	}
}

// BenchmarkRules compares rules on the same updates.
func BenchmarkRules(b *testing.B) {
	l := layoutOf(b, tensor.Spec{Name: "w", Shape: []int{256, tensor.ChunkLen}})
	for _, p := range []gradient.Params{benchDense, gradient.DefaultParams()} {
		for _, w := range []int{4, 16, 64} {
			if p.Codec == gradient.Dense && w > 16 {
				continue
			}
			cs := benchUpdates(b, l, p, w)
			for _, r := range rules {
				cfg := DefaultConfig(p)
				cfg.Rule = r.name
				if r.liars {
					cfg.Liars = 2
				}
				b.Run(fmt.Sprintf("%s/%s/W=%d", r.name, p.Codec, w), func(b *testing.B) { benchMerge(b, l, cfg, cs) })
			}
		}
	}
}

// BenchmarkOptimizers compares optimizers after the mean of four sparse updates.
func BenchmarkOptimizers(b *testing.B) {
	l := layoutOf(b, tensor.Spec{Name: "w", Shape: []int{256, tensor.ChunkLen}})
	p := gradient.DefaultParams()
	cs := benchUpdates(b, l, p, 4)
	for _, cfg := range optimizerConfigs(p) {
		b.Run(cfg.Optimizer, func(b *testing.B) { benchMerge(b, l, cfg, cs) })
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
