package replica

// This file holds the model that a manifest says, and whether it takes what the run
// deals out.

import (
	"fmt"

	"lode/data"
	"lode/engine"
	"lode/engine/model"
	"lode/protocol"
)

// What a manifest holds is what the model package reads.
var _ [model.MaxConfig]struct{} = [protocol.MaxConfig]struct{}{}

// architecture reads the model's config and holds it to the rest of the manifest.
func architecture(man protocol.Manifest) (model.Model, error) {
	config := man.Model.Config
	m, err := model.ParseConfig([]byte(config))
	if err != nil {
		return nil, fmt.Errorf("model.config: %w", err)
	}
	if string(m.Config()) != config {
		return nil, &protocol.FieldError{Field: "model.config", Fault: "is not as this program writes it for that model, so equal models would be different runs"}
	}
	return m, Suits(m, man)
}

// Suits reports whether the model takes the batches that the rest of the manifest
// makes.
func Suits(m model.Model, man protocol.Manifest) error {
	inputs, targets := m.Takes()
	fault := func(field, format string, args ...any) error {
		return &protocol.FieldError{Field: field, Fault: fmt.Sprintf(format, args...)}
	}
	switch records := man.Data.Tokenizer == protocol.TokenRecords; {
	case inputs.Series == records:
		return fault("data.tokenizer", "is %q, which a model of family %s does not read; text is for llama, %s are for the others", man.Data.Tokenizer, m.Family(), protocol.TokenRecords)
	case records:
		return suitsRecords(inputs, targets, man, fault)
	}
	for _, p := range []engine.Port{inputs, targets} {
		switch {
		case !p.Series || len(p.Shape) != 1 || p.Limit == 0:
			return fault("model.config", "is of a model that takes %v and answers %v, and text is one row of tokens for both", inputs, targets)
		case uint64(man.Train.Steps) > uint64(p.Shape[0]):
			return fault("train.steps", "is %d, longer than the model's context of %d", man.Train.Steps, p.Shape[0])
		}
	}
	if man.Data.Tokenizer == protocol.TokenBytes && inputs.Limit < data.Vocab {
		return fault("model.config", "is of a model that reads %d tokens, and the text is %s, of which there are %d", inputs.Limit, protocol.TokenBytes, data.Vocab)
	}
	if targets.Limit < inputs.Limit {
		return fault("model.config", "is of a model that reads %d tokens and tells apart %d", inputs.Limit, targets.Limit)
	}
	return nil
}

// suitsRecords is Suits for a corpus of records.
func suitsRecords(inputs, targets engine.Port, man protocol.Manifest, fault func(field, format string, args ...any) error) error {
	if targets.Limit < 1 || targets.Limit > 256 || len(targets.Shape) > 0 {
		return fault("data.tokenizer", "is %q, of which each has one of 256 classes at most, and no numbers to predict", man.Data.Tokenizer)
	}
	if inputs.Limit > 0 {
		return fault("data.tokenizer", "is %q, which hold real values, and the model takes ids", man.Data.Tokenizer)
	}
	size := uint64(RecordLen(inputs) - 1)
	if uint64(man.Data.Width) != size+1 {
		return fault("data.width", "is %d, but a class and an example of shape %v have %d bytes", man.Data.Width, inputs.Shape, size+1)
	}
	for _, b := range []struct {
		field string
		rows  uint32
	}{{"train.rows", man.Train.Rows}, {"score.rows", man.Score.Rows}, {"score.held_out", man.Score.HeldOut}} {
		if values := uint64(b.rows) * size; values > engine.MaxReals {
			return fault(b.field, "is %d, which makes batches of %d values, at most %d", b.rows, values, engine.MaxReals)
		}
	}
	return nil
}

// RecordLen returns the length of the record of an example that has such inputs, in
// bytes.
func RecordLen(inputs engine.Port) int {
	n := 1
	for _, d := range inputs.Shape {
		n *= d
	}
	return n + 1
}
