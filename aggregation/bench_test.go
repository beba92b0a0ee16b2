package aggregation

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"lode/gradient"
	"lode/tensor"
)

const benchLen = 4 << 20 // values; 16 MiB as float32, beyond the caches

const (
	copyLen   = 256 << 20 // bytes
	copyPiece = 16 << 20  // of them that are timed at once
)

// copying is the yardstick: a copy of 256 MB on one core, piece after piece. The
// source is written first, or the copy would read one page of zeros.
var copying = sync.OnceValue(func() func(piece int) {
	src, dst := make([]byte, copyLen), make([]byte, copyLen)
	for i := range src {
		src[i], dst[i] = byte(i), 1
	}
	return func(piece int) {
		at := piece * copyPiece % copyLen
		copy(dst[at:at+copyPiece], src[at:])
	}
})

// BenchmarkCopy counts bytes read and written.
func BenchmarkCopy(b *testing.B) {
	work := copying()
	b.SetBytes(2 * copyLen)
	for b.Loop() {
		for piece := range copyLen / copyPiece {
			work(piece)
		}
	}
}

var (
	benchDense  = gradient.Params{Codec: gradient.Dense, Bits: 8, EMin: -40, EMax: -4}
	benchShapes = map[string][]int{"1024x4096": {benchLen / 4096, 4096}, "1048576x4": {benchLen / 4, 4}, "1391x3014": {1391, 3014}}
)

// benchUpdates returns num updates. Four are encoded; the others have the chunks of
// those in another order, where all chunks are full, to spare time.
func benchUpdates(b *testing.B, l tensor.Layout, p gradient.Params, num int) []Contribution {
	b.Helper()
	var cs []Contribution
	for i := range num {
		c := Contribution{Clip: gradient.Unclipped / 5 * gradient.Clip(5-i%4)}
		if i < 4 {
			c.Update = encode(b, l, p, heavyTail(uint64(i), l.Len()))
		} else {
			plain := cs[i%4].Update.(*gradient.Update).Plain()
			head, body, by := plain[:4], plain[4:], 0
			if l.Len() == l.NumChunks()*tensor.ChunkLen {
				by = i * 37 % l.NumChunks() * (len(body) / l.NumChunks())
			}
			u, err := gradient.ParsePlain(l, p, slices.Concat(head, body[by:], body[:by]))
			if err != nil {
				b.Fatal(err)
			}
			c.Update = u
		}
		cs = append(cs, c)
	}
	return cs
}

// benchMerge counts the bytes a merge of float32 vectors would read and write: W
// and a step. It also reports the nanoseconds for each place in the best of the
// merges, and its rate against the best of the pieces copied in between.
func benchMerge(b *testing.B, l tensor.Layout, cfg Config, cs []Contribution) {
	state, err := NewPlanes(l, cfg)
	if err != nil {
		b.Fatal(err)
	}
	numBytes := 4 * l.Len() * (len(cs) + 1)
	b.SetBytes(int64(numBytes))
	took := func(best *time.Duration, work func()) {
		began := time.Now()
		work()
		*best = min(*best, time.Since(began))
	}
	merged, copied := time.Hour, time.Hour
	for i := 0; b.Loop(); i++ {
		took(&merged, func() { mustMerge(b, l, cfg, cs, state) })
		b.StopTimer()
		for piece := range 4 {
			took(&copied, func() { copying()(4*i + piece) })
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(merged.Nanoseconds())/float64(l.Len()), "best-ns/place")
	b.ReportMetric(float64(numBytes)/merged.Seconds()/(2*copyPiece/copied.Seconds()), "of-copy")
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
	for _, w := range []int{8, 64} {
		b.Run(fmt.Sprintf("dense/W=%d", w), func(b *testing.B) {
			benchMerge(b, l, DefaultConfig(benchDense), benchUpdates(b, l, benchDense, w))
		})
	}
	p := gradient.DefaultParams()
	for _, w := range []int{4, 8, 16, 64, 200, 1000} {
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
