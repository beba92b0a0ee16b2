package measure

// This file measures training.

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"lode/engine"
	"lode/engine/kernel"
	"lode/engine/model"
)

// WarmSteps come first and are not counted: they build graphs and touch memory.
const WarmSteps = 2

// EngineResult is how an engine trains. Rates are those of the median step.
type EngineResult struct {
	Engine  string `json:"engine"`
	Size    string `json:"size"`
	Params  int    `json:"params"`
	Rows    int    `json:"rows"`  // of a batch
	Steps   int    `json:"steps"` // tokens of a row
	Threads int    `json:"threads"`

	TokensPerSecond    float64 `json:"tokens_per_s"`
	TokensPerCPUSecond float64 `json:"tokens_per_cpu_s"` // zero if not known
	Flops              float64 `json:"flop_per_s"`       // in matrix products, by the model's formulas
	PeakFlops          float64 `json:"peak_flop_per_s"`  // of as many threads; zero if the work is not the processor's
	Utilisation        float64 `json:"flop_utilisation"` // zero without a peak
	PeakBytes          int64   `json:"peak_bytes"`       // of this process; zero if not known
	PlannedBytes       int64   `json:"planned_bytes"`    // what was said before that it would be
	Plan               string  `json:"plan"`             // the same in words, with how
	CardBytes          int64   `json:"card_bytes"`       // taken of a card; zero without
	LossFirst          float64 `json:"loss_first"`
	LossLast           float64 `json:"loss_last"`

	Losses      []float64 `json:"losses"` // before each step
	StepSeconds []float64 `json:"step_seconds"`
	StepCPU     []float64 `json:"step_cpu_seconds"` // of all threads

	Update *UpdateResult `json:"update,omitempty"` // if it was asked for
}

// Meter is what the system tells of this process.
type Meter struct {
	Peak func() int64         // largest resident bytes so far
	CPU  func() time.Duration // used by all threads so far
}

// BenchHyper are the settings that engines are measured with.
func BenchHyper() engine.Hyper {
	return engine.Hyper{Rate: 1e-3, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1, ClipNorm: 1}
}

// BenchSeed draws the parameters.
var BenchSeed = [32]byte{'b', 'e', 'n', 'c', 'h'}

// Engine draws the parameters of e and takes so many steps after two that are not
// counted.
func Engine(ctx context.Context, e engine.Engine, s Size, steps int, m Meter) (EngineResult, error) {
	r := EngineResult{Size: s.Name, Params: e.Layout().Len(), Rows: s.Rows, Steps: s.Steps}
	if err := model.Init(s.Model, BenchSeed, e.Params()); err != nil {
		return r, err
	}
	for i := range WarmSteps + steps {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		b := s.Batch(uint64(i))
		used, began := m.CPU(), time.Now()
		loss, err := e.Step(b, BenchHyper())
		if err != nil {
			return r, fmt.Errorf("step %d: %w", i, err)
		}
		r.StepSeconds = append(r.StepSeconds, time.Since(began).Seconds())
		r.StepCPU = append(r.StepCPU, (m.CPU() - used).Seconds())
		r.Losses = append(r.Losses, loss)
	}
	r.LossFirst, r.LossLast = r.Losses[0], r.Losses[len(r.Losses)-1]
	tokens := float64(s.Rows * s.Steps)
	r.TokensPerSecond = tokens / median(r.StepSeconds[WarmSteps:])
	if cpu := median(r.StepCPU[WarmSteps:]); cpu > 0 {
		r.TokensPerCPUSecond = tokens / cpu
	}
	r.Flops = r.TokensPerSecond * s.matrixWork()
	r.PeakBytes = m.Peak()
	return r, nil
}

func median(x []float64) float64 {
	sorted := slices.Sorted(slices.Values(x))
	return sorted[len(sorted)/2]
}

// Peak returns the floating-point operations in a second that so many threads of
// this processor do in registers at best.
func Peak(threads int) float64 {
	const rounds, runs = 1 << 22, 5
	best := 0.0
	for range runs {
		var all sync.WaitGroup
		began := time.Now()
		for range threads - 1 {
			all.Go(func() { kernel.Peak(rounds) }) // ends after its rounds
		}
		operations := threads * kernel.Peak(rounds)
		all.Wait()
		best = max(best, float64(operations)/time.Since(began).Seconds())
	}
	return best
}
