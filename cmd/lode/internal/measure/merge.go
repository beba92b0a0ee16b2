package measure

// This file measures the merge.

import (
	"context"

	"lode/aggregation"
	"lode/gradient"
	"lode/tensor"
)

// MergeResult is what a merge costs, in bytes read and written: W updates as
// float32 values and the step, though less is touched where updates are sparse.
type MergeResult struct {
	Params    int        `json:"params"`
	OverCopy  float64    `json:"merge_over_copy"` // of 16 dense updates
	PeakBytes int64      `json:"peak_bytes"`      // of the process, resident, after merging each kind
	Rows      []MergeRow `json:"rows"`
}

// MergeRow is one kind of merge.
type MergeRow struct {
	Codec    string  `json:"codec"`
	Workers  int     `json:"workers"`
	MBps     float64 `json:"mb_per_s"`
	CopyMBps float64 `json:"copy_mb_per_s"` // of the copies made in turns with it, on one core
	OverCopy float64 `json:"over_copy"`
}

// Merge measures the mean of dense and of sparse updates of n values against copies
// of so many. peak tells how much memory the process held at most; it is asked when
// each kind was merged once, before anything is copied.
func Merge(ctx context.Context, n, copied int, peak func() int64) (MergeResult, error) {
	r := MergeResult{Params: n}
	var kinds []func() error
	for _, k := range []struct {
		p       gradient.Params
		workers []int
	}{
		{gradient.Params{Codec: gradient.Dense, Bits: 8, EMin: -40, EMax: -4}, []int{4, 16}},
		{gradient.DefaultParams(), []int{4, 16, 64, 200}},
	} {
		us, err := encoded(layout(n), k.p)
		if err != nil {
			return r, err
		}
		for _, w := range k.workers {
			r.Rows = append(r.Rows, MergeRow{Codec: k.p.Codec, Workers: w})
			kinds = append(kinds, merging(layout(n), k.p, us, w))
		}
	}
	for _, merge := range kinds {
		if err := merge(); err != nil {
			return r, err
		}
	}
	r.PeakBytes = peak()
	return r, r.time(ctx, kinds, copied)
}

// encoded returns a few updates, which stand for many: what is read is read as often.
func encoded(l tensor.Layout, p gradient.Params) ([]*gradient.Update, error) {
	us := make([]*gradient.Update, 4)
	for i := range us {
		var err error
		if us[i], err = gradient.Encode(l, p, heavyTailed(uint64(i), l.Len())); err != nil {
			return nil, err
		}
	}
	return us, nil
}

// merging returns the merge of so many updates.
func merging(l tensor.Layout, p gradient.Params, us []*gradient.Update, workers int) func() error {
	var cs []aggregation.Contribution
	for w := range workers {
		cs = append(cs, aggregation.Contribution{Update: us[w%len(us)], Clip: gradient.Unclipped / 4 * 3})
	}
	return func() error {
		_, err := aggregation.Merge(l, aggregation.DefaultConfig(p), cs, nil)
		return err
	}
}

// time fills in the rates of the rows, each against copies made in turns with it.
func (r *MergeResult) time(ctx context.Context, kinds []func() error, copied int) error {
	yardstick := copying(copied)
	for i, merge := range kinds {
		took, err := times(ctx, yardstick, merge)
		if err != nil {
			return err
		}
		row := &r.Rows[i]
		row.CopyMBps = 2 * 4 * float64(copied) / 1e6 / took[0].Seconds()
		row.MBps = 4 * float64((row.Workers+1)*r.Params) / 1e6 / took[1].Seconds()
		row.OverCopy = row.MBps / row.CopyMBps
		if row.Codec == gradient.Dense {
			r.OverCopy = row.OverCopy
		}
	}
	return nil
}
