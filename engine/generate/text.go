package generate

// This file holds writing: what is read, and what comes next.

import (
	"context"
	"errors"
	"fmt"

	"lode/engine"
)

// Text feeds the prompt to the model and then samples up to n tokens, each handed to
// emit as soon as it is drawn. It ends early with the error of ctx or of emit. The prompt
// must not be empty.
func Text(ctx context.Context, e engine.Engine, prompt []int32, n int, opt Sampling, emit func(int32) error) error {
	inputs, targets := e.Takes()
	switch {
	case !inputs.Series || !targets.Series || inputs.Limit == 0 || targets.Limit != inputs.Limit:
		return errors.New("generate: the model makes no text")
	case len(prompt) == 0:
		return errors.New("generate: empty prompt")
	}
	for i, id := range prompt {
		if id < 0 || int(id) >= inputs.Limit {
			return fmt.Errorf("generate: prompt token %d is %d, vocabulary has %d", i, id, inputs.Limit)
		}
	}
	draw, err := newSampler(opt)
	if err != nil {
		return err
	}
	next, err := continued(ctx, e, inputs.Shape[0])
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	for read := prompt; n > 0; n-- {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("generate: %w", err)
		}
		logits, err := next(read)
		if err != nil {
			return fmt.Errorf("generate: %w", err)
		}
		id, err := draw.pick(logits)
		if err != nil {
			return err
		}
		if err := emit(id); err != nil {
			return fmt.Errorf("generate: %w", err)
		}
		read = []int32{id}
	}
	return nil
}

// pieceLen is how many tokens of a prompt are read between two looks at the context.
const pieceLen = 64

// continued returns what takes the next tokens of a text and says what comes after them.
func continued(ctx context.Context, e engine.Engine, longest int) (func(ids []int32) ([]float32, error), error) {
	if c, ok := e.(engine.Continuer); ok {
		next, err := c.Continue()
		return func(ids []int32) ([]float32, error) {
			for ; len(ids) > pieceLen; ids = ids[pieceLen:] {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				if _, err := next(ids[:pieceLen]); err != nil {
					return nil, err
				}
			}
			return next(ids)
		}, err
	}
	p, ok := e.(engine.Predictor)
	if !ok {
		return nil, errors.New("the engine does not say what comes next")
	}
	var text []int32
	return func(ids []int32) ([]float32, error) {
		text = append(text, ids...)
		text = text[max(0, len(text)-longest):]
		return p.Predict(engine.Batch{Rows: 1, Inputs: engine.Array{Shape: []int{len(text)}, IDs: text}})
	}, nil
}
