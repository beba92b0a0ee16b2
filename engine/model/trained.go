package model

// This file holds which rows of a weight are trained.

import "lode/tensor"

// Rows is a range of rows of a matrix, or of values of a vector: Lo to Hi.
type Rows struct{ Lo, Hi int }

// TrainedRows returns the rows of count tensors of a layout, from tensor t on and taken
// as one matrix, that are not frozen: as few ranges as can be.
func TrainedRows(l tensor.Layout, frozen []bool, t, count int) (rows []Rows) {
	lo := 0
	for i := t; i < t+count; i++ {
		hi := lo + l.Spec(i).Shape[0]
		switch last := len(rows) - 1; {
		case frozen[i]:
		case last >= 0 && rows[last].Hi == lo:
			rows[last].Hi = hi
		default:
			rows = append(rows, Rows{lo, hi})
		}
		lo = hi
	}
	return rows
}
