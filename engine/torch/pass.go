package torch

// This file holds what the process is called for: losses, gradients and steps.

import (
	"encoding/binary"
	"fmt"
	"math"

	"lode/engine"
)

// array is an engine.Array as it travels: values little-endian.
type array struct {
	Shape []int  `cbor:"shape"`
	IDs   []byte `cbor:"ids"`   // int32; null if there are reals
	Reals []byte `cbor:"reals"` // float32; null if there are ids
}

type batch struct {
	Rows    int   `cbor:"rows"`
	Inputs  array `cbor:"inputs"`
	Targets array `cbor:"targets"`
}

// hyper is an engine.Hyper as it travels, with the number of the step from 1.
type hyper struct {
	Rate    float32 `cbor:"rate"`
	Beta1   float32 `cbor:"beta1"`
	Beta2   float32 `cbor:"beta2"`
	Epsilon float32 `cbor:"epsilon"`
	Decay   float32 `cbor:"decay"`
	Clip    float32 `cbor:"clip"`
	Muon    bool    `cbor:"muon"`
	Number  uint64  `cbor:"number"`
}

type pass struct {
	Batch batch    `cbor:"batch"`
	Taken []string `cbor:"taken"`
	Hyper *hyper   `cbor:"hyper"`
}

// Loss implements engine.Engine.
func (e *Engine) Loss(b engine.Batch) (float64, error) { return e.pass("loss", b, nil) }

// Gradient implements engine.Engine.
func (e *Engine) Gradient(b engine.Batch) (float64, error) { return e.pass("gradient", b, nil) }

// Step implements engine.Engine.
func (e *Engine) Step(b engine.Batch, h engine.Hyper) (float64, error) {
	h, err := h.Resolve()
	if err != nil {
		return 0, err
	}
	loss, err := e.pass("step", b, &hyper{
		h.Rate, h.Beta1, h.Beta2, h.Epsilon, h.WeightDecay, h.ClipNorm, h.Muon, e.moments.Steps + 1,
	})
	if err == nil {
		e.moments.Steps++
	}
	return loss, err
}

func (e *Engine) pass(name string, b engine.Batch, h *hyper) (float64, error) {
	if err := e.ready(); err != nil {
		return 0, err
	}
	if err := b.Validate(e.Takes()); err != nil {
		return 0, err
	}
	p := pass{batch{b.Rows, pack(b.Inputs), pack(b.Targets)}, e.taken(), h}
	if name != "loss" && !e.shared {
		e.behind = true // also after an error, which may spoil the gradient
	}
	var result struct {
		Loss float64 `cbor:"loss"`
		Norm float64 `cbor:"norm"` // of a step's gradient; else 0
	}
	if err := e.call(name, p, &result); err != nil {
		return 0, err
	}
	clear(e.ahead)
	if !finite(result.Loss) {
		return 0, fmt.Errorf("torch: the loss is %v: %w", result.Loss, engine.ErrNotFinite)
	}
	if !finite(result.Norm) {
		return 0, fmt.Errorf("torch: the gradient's norm is %v: %w", result.Norm, engine.ErrNotFinite)
	}
	return result.Loss, nil
}

func pack(a engine.Array) array {
	out := array{Shape: a.Shape}
	if out.Shape == nil {
		out.Shape = []int{}
	}
	for _, id := range a.IDs {
		out.IDs = binary.LittleEndian.AppendUint32(out.IDs, uint32(id))
	}
	for _, x := range a.Reals {
		out.Reals = binary.LittleEndian.AppendUint32(out.Reals, math.Float32bits(x))
	}
	return out
}
