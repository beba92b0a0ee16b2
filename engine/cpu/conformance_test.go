package cpu

import (
	"testing"

	"lode/engine"
	"lode/engine/enginetest"
	"lode/engine/model"
)

func TestConformance(t *testing.T) {
	for name, threads := range map[string]int{"one thread": 1, "three threads": 3} {
		t.Run(name, func(t *testing.T) {
			enginetest.Run(t, func(m model.Llama) (engine.Engine, error) { return New(m, Options{Threads: threads}) })
		})
	}
}
