package torch

// This file holds what the process tells of a model besides its loss: predictions and
// grades.

import (
	"encoding/binary"
	"fmt"
	"math"

	"lode/engine"
	"lode/engine/model"
)

var (
	_ engine.Predictor = (*Engine)(nil)
	_ engine.Grader    = (*Engine)(nil)
)

// predictedBytes bounds the predictions of one call, unless a row has more.
const predictedBytes = 8 << 20

// Predict implements engine.Predictor.
func (e *Engine) Predict(b engine.Batch) (said []float32, err error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	inputs, targets := e.Takes()
	if err := b.ValidateInputs(inputs); err != nil {
		return nil, err
	}
	b.Targets = engine.Array{}
	wide := targets.Width()
	for lo, rows := 0, max(1, predictedBytes/4/wide); lo < b.Rows; lo += rows {
		part := b.Part(lo, min(lo+rows, b.Rows))
		var result struct {
			Values []byte `cbor:"values"`
		}
		if err := e.tell("predict", part, &result); err != nil {
			return nil, err
		}
		if len(result.Values) != 4*wide*part.Rows {
			return nil, fmt.Errorf("torch: %d bytes of predictions for %d rows, want %d: the module's outputs are not one number for each target that there may be", len(result.Values), part.Rows, 4*wide*part.Rows)
		}
		for ; len(result.Values) > 0; result.Values = result.Values[4:] {
			v := math.Float32frombits(binary.LittleEndian.Uint32(result.Values))
			if !finite(float64(v)) {
				return nil, fmt.Errorf("torch: prediction %d is %v: %w", len(said), v, engine.ErrNotFinite)
			}
			said = append(said, v)
		}
	}
	return said, nil
}

// Grade implements engine.Grader. A loss of the user's own grades nothing.
func (e *Engine) Grade(b engine.Batch) ([]engine.Grade, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	if c, ok := e.arch.(model.Custom); ok && c.Loss != "" {
		return nil, engine.ErrNoGrades
	}
	if err := b.Validate(e.Takes()); err != nil {
		return nil, err
	}
	var result struct {
		Losses []byte `cbor:"losses"`
		Right  []byte `cbor:"right"`
	}
	if err := e.tell("grade", b, &result); err != nil {
		return nil, err
	}
	want := b.NumTargets()
	if b.Targets.IDs == nil {
		want = b.Rows
	}
	if len(result.Right) != want || len(result.Losses) != 8*want {
		return nil, fmt.Errorf("torch: %d grades, want %d", len(result.Right), want)
	}
	grades := make([]engine.Grade, want)
	for i := range grades {
		loss := math.Float64frombits(binary.LittleEndian.Uint64(result.Losses[8*i:]))
		if !finite(loss) {
			return nil, fmt.Errorf("torch: the loss of row %d is %v: %w", i, loss, engine.ErrNotFinite)
		}
		grades[i] = engine.Grade{Loss: loss, Right: result.Right[i] == 1}
	}
	return grades, nil
}

// tell calls the process about a batch; nothing moves.
func (e *Engine) tell(name string, b engine.Batch, result any) error {
	args := struct {
		Batch batch    `cbor:"batch"`
		Taken []string `cbor:"taken"`
	}{batch{b.Rows, pack(b.Inputs), pack(b.Targets)}, e.taken()}
	if err := e.call(name, args, result); err != nil {
		return err
	}
	clear(e.ahead)
	return nil
}
