package main

// This file holds the table of engines: how each is opened and measured.

import (
	"time"

	"github.com/rs/zerolog"

	"lode/cmd/lode/internal/measure"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/kernel"
	"lode/engine/model"
	"lode/engine/torch"
)

// engines are what --engine may name.
var engines = map[string]engineKind{
	"cpu": {
		open: openCPU, counts: func(*engineFlags) counting { return countsAll },
		peak: measure.Peak, meter: func(engine.Engine) measure.Meter { return measure.Meter{Peak: ownPeak, CPU: ownCPU} },
	},
	"cuda": {open: openCUDA, counts: func(*engineFlags) counting { return countsState }, fragile: true, meter: cardMeter},
	"torch": {
		open: openTorch, counts: countTorch, fragile: true,
		meter: func(e engine.Engine) measure.Meter { return bothMeter(e.(*torch.Engine)) },
	},
}

// engineKind is one of them.
type engineKind struct {
	// open also says in words what the engine works on.
	open    func(f *engineFlags, o opening) (engine.Engine, string, error)
	counts  func(f *engineFlags) counting
	fragile bool                      // it may be lost and come back: an engine.Reopener
	peak    func(threads int) float64 // operations in a second at best; nil if not known
	meter   func(engine.Engine) measure.Meter
}

// opening is what an engine is opened for.
type opening struct {
	model   model.Model
	work    model.Work
	noDecay []bool
	log     zerolog.Logger
}

func openCPU(f *engineFlags, o opening) (engine.Engine, string, error) {
	library, name, err := multiplier(f.blas)
	if err != nil {
		return nil, "", err
	}
	on := "cpu " + kernel.Name()
	if library != nil {
		on += " " + name
	}
	mixed := f.precision == "bf16"
	if mixed {
		on += " bf16"
	}
	e, err := cpu.New(o.model, cpu.Options{
		Threads: o.work.Threads, MicroRows: o.work.MicroRows, Recompute: o.work.Recompute, Frozen: o.work.Frozen, NoDecay: o.noDecay,
		BLAS: library, Mixed: mixed,
	})
	if err != nil {
		return nil, "", err
	}
	return e, on, nil
}

func openTorch(f *engineFlags, o opening) (engine.Engine, string, error) {
	e, err := torch.New(o.model, torch.Options{
		Python: f.python, Device: f.device, Precision: f.precision, Ranks: f.ranks, Shard: f.shard, Meet: f.meet,
		Threads: o.work.Threads, Frozen: o.work.Frozen, NoDecay: o.noDecay,
		Log: o.log.With().Str("engine", "torch").Logger(),
	})
	if err != nil {
		return nil, "", err
	}
	return e, "torch " + e.Device(), nil
}

// countTorch counts batches where the user says that they lie in this machine's memory:
// elsewhere they lie on the device, whose memory PyTorch counts.
func countTorch(f *engineFlags) counting {
	if f.device == "cpu" {
		return countsWhole
	}
	return countsState
}

// bothMeter adds up this process and the engine's own. One that fell silent counts as
// nothing: the next step says what became of it.
func bothMeter(e *torch.Engine) measure.Meter {
	return measure.Meter{
		Peak: func() int64 {
			peak, _, _ := e.Usage()
			return ownPeak() + peak
		},
		CPU: func() time.Duration {
			_, used, _ := e.Usage()
			return ownCPU() + used
		},
	}
}
