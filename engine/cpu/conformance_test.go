package cpu

import (
	"testing"

	"lode/engine"
	"lode/engine/enginetest"
	"lode/engine/model"
)

func TestConformance(t *testing.T) {
	for name, opt := range map[string]Options{
		"one thread": {}, "three threads": {Threads: 3}, "row by row": {Threads: 2, MicroRows: 1, Recompute: true},
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.Run(t, func(m model.Model, frozen, noDecay []bool) (engine.Engine, error) {
				opt.Frozen, opt.NoDecay = frozen, noDecay
				return New(m, opt)
			})
		})
	}
}

func TestStages(t *testing.T) {
	for name, threads := range map[string]int{"one thread": 1, "three threads": 3} {
		t.Run(name, func(t *testing.T) {
			enginetest.RunStages(t, func(m model.Model, frozen, _ []bool) (engine.Engine, error) {
				return New(m, Options{Threads: threads, Frozen: frozen})
			})
		})
	}
}

// An engine with every ability passes too, and its abilities are used.
func TestAbilitiesConform(t *testing.T) {
	var opened []*enginetest.Able
	enginetest.Run(t, func(m model.Model, frozen, noDecay []bool) (engine.Engine, error) {
		e, err := New(m, Options{Frozen: frozen, NoDecay: noDecay})
		opened = append(opened, &enginetest.Able{Engine: e})
		return opened[len(opened)-1], err
	})
	compressed, multiplied := 0, 0
	for _, e := range opened {
		compressed, multiplied = compressed+e.Compressed, multiplied+e.Multiplied
	}
	if compressed == 0 || multiplied == 0 {
		t.Errorf("asked to compress %d times, for products %d times", compressed, multiplied)
	}
}
