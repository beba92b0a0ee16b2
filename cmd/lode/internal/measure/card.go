package measure

// This file measures a card without an engine: what it multiplies and copies.

import (
	"context"
	"errors"
	"time"

	"lode/engine/cuda/driver"
)

const (
	cardEnough  = 30 * time.Millisecond // a piece of work is doubled until it takes so long
	maxProduct  = 8192                  // rows and columns
	maxCopy     = 1 << 30               // bytes
	numProducts = 4                     // in one piece of work
	workspace   = 32 << 20              // bytes that cuBLASLt may work in
)

// Card returns how many floating-point operations in a second products of bf16 have on a
// card, and how many bytes in a second its memory reads and writes in a copy. It takes at
// most a quarter of what is free.
func Card(ctx context.Context, d *driver.Device) (flops, bandwidth float64, err error) {
	err = d.Do(func() (err error) {
		s, err := d.NewStream()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Wait(), s.Destroy()) }()
		free, _, err := d.Memory()
		if err != nil {
			return err
		}
		if flops, err = products(ctx, d, s, free/4); err == nil {
			bandwidth, err = copies(ctx, d, s, free/4)
		}
		return err
	})
	return flops, bandwidth, err
}

// products doubles the sides of matrices.
func products(ctx context.Context, d *driver.Device, s *driver.Stream, most int64) (rate float64, err error) {
	for n := 128; n <= maxProduct && 6*int64(n*n)+workspace <= most; n *= 2 {
		took, err := timed(ctx, d, s, 6*int64(n*n)+workspace, func(at driver.Pointer) error {
			m := func(i int) driver.Matrix {
				return driver.Matrix{At: at.Plus(2 * int64(i*n*n)), Rows: n, Cols: n, Half: true}
			}
			for range numProducts {
				if err := s.Multiply(driver.Product{To: m(0), A: m(1), B: m(2)}, m(3).At, workspace); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		rate = max(rate, numProducts*2*float64(n)*float64(n)*float64(n)/took.Seconds())
		if took > cardEnough {
			break
		}
	}
	return rate, nil
}

// copies doubles the bytes.
func copies(ctx context.Context, d *driver.Device, s *driver.Stream, most int64) (rate float64, err error) {
	for n := int64(1 << 20); n <= maxCopy && 2*n <= most; n *= 2 {
		took, err := timed(ctx, d, s, 2*n, func(at driver.Pointer) error { return s.Copy(at, at.Plus(n), n) })
		if err != nil {
			return 0, err
		}
		rate = max(rate, 2*float64(n)/took.Seconds())
		if took > cardEnough {
			break
		}
	}
	return rate, nil
}

// timed runs f twice on so many bytes of zeros and returns what the second time took: the
// first chooses algorithms.
func timed(ctx context.Context, d *driver.Device, s *driver.Stream, bytes int64, f func(driver.Pointer) error) (took time.Duration, err error) {
	p, err := d.Alloc(bytes)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Wait(), d.Free(p)) }()
	if err := errors.Join(s.Zero(p, bytes), f(p), s.Wait(), ctx.Err()); err != nil {
		return 0, err
	}
	began := time.Now()
	err = errors.Join(f(p), s.Wait())
	return time.Since(began), err
}
