package cpu

// This file holds predictions.

import (
	"fmt"
	"math"

	"lode/engine"
)

// Predict implements engine.Predictor.
func (e *Engine) Predict(b engine.Batch) (said []float32, err error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	inputs, _ := e.Takes()
	if err := b.ValidateInputs(inputs); err != nil {
		return nil, err
	}
	b.Targets = engine.Array{}
	e.team.begin()
	defer e.team.end()
	for part := range e.parts(b) {
		g, err := e.graph(shapeOf(part, inputs, false, true))
		if err != nil {
			return nil, err
		}
		if _, err := g.run(part); err != nil {
			return nil, err
		}
		said = append(said, g.said...)
	}
	for i, v := range said {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("cpu: prediction %d is %v: %w", i, v, engine.ErrNotFinite)
		}
	}
	return said, nil
}
