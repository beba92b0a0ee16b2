package measure

// This file measures the merge.

import (
	"context"

	"lode/aggregation"
	"lode/gradient"
)

// MergeResult is what a merge costs, in bytes read and written: W updates as
// float32 values and the step, though less is touched where updates are sparse.
type MergeResult struct {
	Params    int        `json:"params"`
	CopyMBps  float64    `json:"copy_mb_per_s"`   // read and written
	OverCopy  float64    `json:"merge_over_copy"` // of 16 dense updates
	PeakBytes int64      `json:"peak_bytes"`      // of the process, resident
	Rows      []MergeRow `json:"rows"`
}

// MergeRow is one kind of merge.
type MergeRow struct {
	Codec    string  `json:"codec"`
	Workers  int     `json:"workers"`
	MBps     float64 `json:"mb_per_s"`
	OverCopy float64 `json:"over_copy"`
}

// Merge measures the mean of dense and of sparse updates of n values.
func Merge(ctx context.Context, n int) (MergeResult, error) {
	r := MergeResult{Params: n}
	dense := gradient.Params{Codec: gradient.Dense, Bits: 8, EMin: -40, EMax: -4}
	for _, kind := range []struct {
		p       gradient.Params
		workers int
	}{{dense, 4}, {dense, 16}, {gradient.DefaultParams(), 4}, {gradient.DefaultParams(), 16}, {gradient.DefaultParams(), 64}} {
		row, copyMBps, err := mergeRow(ctx, n, kind.p, kind.workers)
		if err != nil {
			return r, err
		}
		r.Rows, r.CopyMBps = append(r.Rows, row), max(r.CopyMBps, copyMBps)
		if kind.p == dense {
			r.OverCopy = row.OverCopy
		}
	}
	return r, nil
}

func mergeRow(ctx context.Context, n int, p gradient.Params, workers int) (row MergeRow, copyMBps float64, err error) {
	l := layout(n)
	// A few updates stand for many: what is read is read as often.
	var us []*gradient.Update
	for w := range min(workers, 4) {
		u, err := gradient.Encode(l, p, heavyTailed(uint64(w), n))
		if err != nil {
			return row, 0, err
		}
		us = append(us, u)
	}
	var cs []aggregation.Contribution
	for w := range workers {
		cs = append(cs, aggregation.Contribution{Update: us[w%len(us)], Clip: gradient.Unclipped / 4 * 3})
	}
	took, err := times(ctx, copying(n), func() error {
		_, err := aggregation.Merge(l, aggregation.DefaultConfig(p), cs, nil)
		return err
	})
	if err != nil {
		return row, 0, err
	}
	copied, merged := 2*4*float64(n)/1e6, float64(workers+1)*4*float64(n)/1e6
	row = MergeRow{Codec: p.Codec, Workers: workers, MBps: merged / took[1].Seconds()}
	copyMBps = copied / took[0].Seconds()
	row.OverCopy = row.MBps / copyMBps
	return row, copyMBps, nil
}
