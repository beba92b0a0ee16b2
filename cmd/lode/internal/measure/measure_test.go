package measure

// This file runs the measurements small, and benchmarks the same work.

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/gradient"
	"lode/tensor"
)

const testLen = 64 * tensor.ChunkLen

func TestGradientMeasures(t *testing.T) {
	for _, p := range []gradient.Params{
		gradient.DefaultParams(),
		{Codec: gradient.Sign, Bits: 1, EMin: -40, EMax: -4},
	} {
		r, err := Gradient(t.Context(), layout(testLen), heavyTailed(1, testLen), p, testLen)
		if err != nil {
			t.Fatal(err)
		}
		if r.BitsPerValue <= 0 || r.EncodeMBps <= 0 || r.DecodeMValues <= 0 || r.EncodeOverCopy <= 0 {
			t.Errorf("%s: %+v", p.Codec, r)
		}
		if sparse := p.Codec == gradient.TopK; sparse && (r.PositionBits < r.PositionBound || r.BitsPerValue < r.PositionBits) {
			t.Errorf("%s: below the bound: %+v", p.Codec, r)
		}
	}
}

func TestMergeMeasures(t *testing.T) {
	peak := func() int64 { return 7 }
	r, err := Merge(t.Context(), testLen, testLen, peak)
	if err != nil || len(r.Rows) == 0 || r.OverCopy <= 0 || r.PeakBytes != 7 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, x := range r.Rows {
		if x.MBps <= 0 || x.OverCopy != x.MBps/x.CopyMBps {
			t.Errorf("figures that do not agree: %+v", x)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Merge(ctx, testLen, testLen, peak); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestYumaMeasures(t *testing.T) {
	r, err := Yuma(t.Context(), []Crowd{{16, 4, 16}, {40, 4, 10}})
	if err != nil || len(r) != 4 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, x := range r {
		if x.Ms <= 0 || x.DenseMs <= 0 || x.NsPerWeight <= 0 {
			t.Errorf("%+v", x)
		}
	}
}

func BenchmarkEncodeWithFeedback(b *testing.B) { benchmarkEncode(b, 16<<20) }

func BenchmarkEncode100M(b *testing.B) {
	benchmarkEncode(b, 100_000_000/tensor.ChunkLen*tensor.ChunkLen)
}

func benchmarkEncode(b *testing.B, n int) {
	var f tensor.Reader = feedback{make(tensor.Flat, n), heavyTailed(1, n), make(tensor.Flat, n)}
	e, err := gradient.NewEncoder(layout(n), gradient.DefaultParams())
	if err != nil {
		b.Fatal(err)
	}
	var wire []byte
	encode := func() {
		if _, err := e.Encode(f); err != nil {
			b.Fatal(err)
		}
		wire = e.AppendWire(wire[:0])
	}
	encode() // takes the memory
	b.SetBytes(4 * int64(n))
	b.ReportAllocs()
	for b.Loop() {
		encode()
	}
}

func BenchmarkCopy(b *testing.B) {
	const n = 16 << 20
	work := copying(n)
	b.SetBytes(4 * n)
	for b.Loop() {
		_ = work()
	}
}

func TestChainMeasures(t *testing.T) {
	r, err := Chain(t.Context(), 300)
	if err != nil {
		t.Fatal(err)
	}
	if r.TxPerSecond <= 0 || r.Synced <= 0 || r.RecordBytes < 200 || r.BytesPerAccount <= 0 {
		t.Errorf("%+v", r)
	}
}

func TestEngineMeasures(t *testing.T) {
	s := Sizes()[0]
	s.Rows, s.Steps, s.Model.Layers = 2, 16, 1
	e, err := cpu.New(s.Model, cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	used := time.Duration(0)
	r, err := Engine(t.Context(), e, s, 3, Meter{
		Peak: func() int64 { return 7 },
		CPU:  func() time.Duration { used += time.Second; return used },
	})
	if err != nil || len(r.Losses) != 5 || r.LossFirst != r.Losses[0] || r.LossLast != r.Losses[4] || r.TokensPerSecond <= 0 || r.Flops <= 0 || r.PeakBytes != 7 {
		t.Errorf("%+v, %v", r, err)
	}
	if r.TokensPerCPUSecond != 2*16 {
		t.Errorf("%v tokens per CPU second, want 32 in one", r.TokensPerCPUSecond)
	}
	if Peak(2) <= 0 {
		t.Error("no peak")
	}
}

// The names say how large the models are, and every batch is one they take.
func TestSizes(t *testing.T) {
	for i, millions := range []float64{0.9, 10, 50, 124, 1000} {
		s := Sizes()[i]
		l, err := model.Layout(s.Model)
		if err != nil {
			t.Fatal(err)
		}
		if n := float64(l.Len()) / 1e6; math.Abs(n/millions-1) > 0.05 {
			t.Errorf("%s has %.2f million parameters", s.Name, n)
		}
		tokens := engine.Port{Shape: []int{s.Model.Context}, Series: true, Limit: s.Model.Vocab}
		if err := s.Batch(0).Validate(tokens, tokens); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}
