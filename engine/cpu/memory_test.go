package cpu

import (
	"testing"

	"lode/engine/model"
)

// TestSlots: values of a chain take turns in two slots, whatever its length, and a
// residual holds one of its own.
func TestSlots(t *testing.T) {
	trace, err := model.TraceOf(model.Default())
	if err != nil {
		t.Fatal(err)
	}
	s := newSlots(trace, 5)
	var sizes []int
	for _, m := range s.memory {
		sizes = append(sizes, len(m)/5)
	}
	if m := model.Default(); len(sizes) != 3 || sizes[0] != m.Dim || sizes[1]+sizes[2] > 2*m.FFN+3*m.Dim {
		t.Errorf("slots are %v wide", sizes)
	}
}
