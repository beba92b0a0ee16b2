package model

import (
	"errors"
	"fmt"

	"lode/engine"
)

// Gated predicts a number from the columns of a table: gated blocks, each added to
// what it starts from.
type Gated struct {
	Columns, Width, Blocks int
}

// Family implements Model.
func (m Gated) Family() string { return gatedFamily }

// Validate implements Model.
func (m Gated) Validate() error {
	return errors.Join(within("columns", m.Columns, MaxExample), within("width", m.Width, MaxDim), within("blocks", m.Blocks, MaxLayers))
}

// Takes implements Model: a line of the table for each row, and a number.
func (m Gated) Takes() (inputs, targets engine.Port) {
	return engine.Port{Shape: []int{m.Columns}}, engine.Port{}
}

// Build implements Model.
func (m Gated) Build(b Builder) {
	x := b.Linear(b.Inputs(), Linear{Parts: []Part{{"columns", m.Width}}, Bias: true})
	for i := range m.Blocks {
		block := fmt.Sprintf("blocks.%d.", i)
		h := b.RMSNorm(block+"norm", x, 1e-5)
		h = b.SwiGLU(b.Linear(h, Linear{Parts: []Part{{block + "gate", 2 * m.Width}, {block + "up", 2 * m.Width}}}))
		x = b.Linear(h, Linear{Parts: []Part{{block + "down", m.Width}}, Add: x, Sums: m.Blocks})
	}
	b.SquaredError(b.RMSNorm("norm", x, 1e-5), Head{Name: "head", Bias: true})
}

// gatedConfig holds the fields of config.json in the order they are written.
type gatedConfig struct {
	Columns   int    `json:"columns"`
	Width     int    `json:"hidden_size"`
	ModelType string `json:"model_type"`
	Blocks    int    `json:"num_blocks"`
}

const gatedFamily = "gated"

// Config implements Model.
func (m Gated) Config() []byte {
	mustBeValid(m)
	return write(gatedConfig{m.Columns, m.Width, gatedFamily, m.Blocks})
}

// parseGated reads the fields of a Gated.
func parseGated(r *reader) Model {
	return Gated{Columns: r.integer("columns", 0), Width: r.integer("hidden_size", 0), Blocks: r.integer("num_blocks", 0)}
}
