package measure

// This file measures the codec.

import (
	"context"
	"math"

	"lode/gradient"
	"lode/gradient/kernel"
	"lode/tensor"
)

// GradientResult is what the codec costs. A value is a kept one; rates are those
// of one core.
type GradientResult struct {
	Params        int     `json:"params"`         // of the trained model
	Kept          int     `json:"kept"`           // values of its update
	Keep          int     `json:"k"`              // of a chunk of 4,096
	BitsPerValue  float64 `json:"bits_per_value"` // all told: positions, values, scales, framing
	PositionBits  float64 `json:"position_bits"`
	PositionBound float64 `json:"position_bound"` // log2(C(4096, k))/k: none that knows no more takes less
	RelativeError float64 `json:"relative_error"` // ‖a − decoded‖/‖a‖

	TimedParams    int     `json:"timed_params"`
	CopyMBps       float64 `json:"copy_mb_per_s"`   // of float32 values
	EncodeMBps     float64 `json:"encode_mb_per_s"` // of the same, error feedback and packing included
	EncodeOverCopy float64 `json:"encode_over_copy"`
	DecodeMValues  float64 `json:"decode_mvalues_per_s"` // decoded and added up
}

// Gradient measures codec p on a, what a worker would compress of layout l, and
// on n values like it.
func Gradient(ctx context.Context, l tensor.Layout, a tensor.Flat, p gradient.Params, n int) (GradientResult, error) {
	u, err := gradient.Encode(l, p, a)
	if err != nil {
		return GradientResult{}, err
	}
	wire := u.Wire()
	r := GradientResult{
		Params: l.Len(), Kept: u.NumKept(), Keep: p.K, TimedParams: n,
		BitsPerValue: perValue(len(wire), u.NumKept()), PositionBound: positionBound(p.K),
	}
	r.PositionBits = positionBits(u, wire)
	if r.RelativeError, err = u.RelativeError(a); err != nil {
		return r, err
	}
	return r, oneCore(func() error { return r.time(ctx, p, n) })
}

func perValue(bytes, values int) float64 { return 8 * float64(bytes) / float64(max(values, 1)) }

// positionBits returns the bits that positions take, per value that has one.
func positionBits(u *gradient.Update, wire []byte) float64 {
	bytes, dense := 0, 0
	for _, s := range u.Shares(wire) {
		if s.Name == gradient.Positions {
			bytes += s.Bytes
		}
	}
	for t := range u.Layout().NumTensors() {
		if s := u.Layout().Spec(t); len(s.Shape) == 1 {
			dense += s.Len()
		}
	}
	return perValue(bytes, u.NumKept()-dense)
}

// positionBound returns log2(C(4096, k))/k.
func positionBound(k int) float64 {
	if k == 0 {
		return 0
	}
	lg := func(n int) float64 { v, _ := math.Lgamma(float64(n + 1)); return v }
	return (lg(tensor.ChunkLen) - lg(k) - lg(tensor.ChunkLen-k)) / math.Ln2 / float64(k)
}

// feedback is what an encoder reads: a = β·e + (θ_r − θ), made as it is read.
type feedback struct {
	tensor.Flat // a, e before
	start, now  tensor.Flat
}

func (f feedback) ViewChunk(c tensor.Chunk) []float32 {
	a := f.Flat.ViewChunk(c)
	kernel.Join(a, a, f.start.ViewChunk(c), f.now.ViewChunk(c), 0.95)
	return a
}

func (r *GradientResult) time(ctx context.Context, p gradient.Params, n int) error {
	l := layout(n)
	f := feedback{make(tensor.Flat, n), heavyTailed(1, n), make(tensor.Flat, n)}
	u, err := gradient.Encode(l, p, f.start)
	if err != nil {
		return err
	}
	e, err := gradient.NewEncoder(l, p)
	if err != nil {
		return err
	}
	var wire []byte
	sums := make([]int64, tensor.ChunkLen)
	took, err := times(ctx, copying(n),
		func() error {
			clear(f.Flat)
			return nil
		},
		func() error {
			if _, err := e.Encode(f); err != nil {
				return err
			}
			wire = e.AppendWire(wire[:0])
			return nil
		},
		func() error { addUp(sums, u); return nil })
	if err != nil {
		return err
	}
	mb := 4 * float64(n) / 1e6
	r.CopyMBps, r.EncodeMBps = mb/took[0].Seconds(), mb/took[2].Seconds()
	r.EncodeOverCopy = took[0].Seconds() / took[2].Seconds()
	r.DecodeMValues = float64(u.NumKept()) / 1e6 / took[3].Seconds()
	return nil
}

// same is the factor 1.
type same struct{}

func (same) Round(v int64) int64 { return v }
func (same) Scale() float64      { return 1 }

// addUp decodes every chunk of u and adds it to sums.
func addUp(sums []int64, u *gradient.Update) {
	for c := range u.Layout().Chunks() {
		u.AddTo(sums[:c.Len], c, same{})
	}
}
