package measure

// This file measures the epoch.

import (
	"context"
	"time"

	"lode/yuma"
	"lode/yuma/study"
)

// Crowd is a size: validators of neurons, each with perRow weights and bonds.
type Crowd struct{ Neurons, Validators, PerRow int }

// YumaRow is what epochs of one size and rule cost on one core: the shortest of many,
// in integers and as full matrices of float64.
type YumaRow struct {
	Rule        string  `json:"rule"`
	Neurons     int     `json:"neurons"`
	Validators  int     `json:"validators"`
	PerRow      int     `json:"weights_per_validator"`
	Ms          float64 `json:"ms"`
	NsPerWeight float64 `json:"ns_per_weight"`
	DenseMs     float64 `json:"float64_dense_ms"`
}

// Yuma measures Yuma 3 for each size, and at full density also the same with liquid
// alpha, and Yuma 2.
func Yuma(ctx context.Context, sizes []Crowd) (rows []YumaRow, err error) {
	liquid, shares := yuma.DefaultParams(), yuma.DefaultParams()
	liquid.LiquidAlpha = true
	shares.Version = yuma.Yuma2
	for _, size := range sizes {
		for _, rule := range []struct {
			name string
			p    yuma.Params
		}{{"yuma3", yuma.DefaultParams()}, {"yuma3-liquid", liquid}, {"yuma2", shares}} {
			if size.PerRow < size.Neurons && rule.name != "yuma3" {
				continue
			}
			rule.p.MaxValidators = size.Validators
			row := YumaRow{Rule: rule.name, Neurons: size.Neurons, Validators: size.Validators, PerRow: size.PerRow}
			err := oneCore(func() error { return row.time(ctx, rule.p) })
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (r *YumaRow) time(ctx context.Context, p yuma.Params) error {
	s := study.Crowd(r.Neurons, r.Validators, r.PerRow, 1)
	var w yuma.Workspace
	took, err := least(ctx,
		func() error { _, err := w.Epoch(p, s); return err },
		func() error { study.Dense(p, s); return nil },
	)
	if err != nil {
		return err
	}
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	r.Ms, r.DenseMs = ms(took[0]), ms(took[1])
	r.NsPerWeight = 1e6 * r.Ms / float64(r.Validators*r.PerRow)
	return nil
}
