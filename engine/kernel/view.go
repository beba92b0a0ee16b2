package kernel

// This file holds how a matrix lies in memory.

import "fmt"

// View is a matrix that lies somewhere in Data: element (i, j) is
// Data[i·RowStep + j·ColStep].
type View struct {
	Data             []float32
	Rows, Cols       int
	RowStep, ColStep int
}

// Dense returns data as a matrix whose rows follow each other.
func Dense(data []float32, rows, cols int) View {
	return View{Data: data, Rows: rows, Cols: cols, RowStep: cols, ColStep: 1}
}

// T returns the transpose of v over the same data.
func (v View) T() View {
	v.Rows, v.Cols, v.RowStep, v.ColStep = v.Cols, v.Rows, v.ColStep, v.RowStep
	return v
}

// Sub returns rows lo to hi of v over the same data.
func (v View) Sub(lo, hi int) View {
	if v.Data = v.Data[min(lo*v.RowStep, len(v.Data)):]; lo < 0 || hi < lo || hi > v.Rows {
		panic(fmt.Sprintf("kernel: rows %d to %d of %d", lo, hi, v.Rows))
	}
	v.Rows = hi - lo
	return v
}

// Columns returns columns lo to hi of v over the same data.
func (v View) Columns(lo, hi int) View { return v.T().Sub(lo, hi).T() }

// check panics unless all elements of v lie within its data.
func (v View) check(name string) {
	if v.Rows < 0 || v.Cols < 0 || v.RowStep < 0 || v.ColStep < 0 {
		panic(fmt.Sprintf("kernel: %s is %d×%d with steps %d, %d", name, v.Rows, v.Cols, v.RowStep, v.ColStep))
	}
	if v.Rows == 0 || v.Cols == 0 {
		return
	}
	if last := (v.Rows-1)*v.RowStep + (v.Cols-1)*v.ColStep; last >= len(v.Data) {
		panic(fmt.Sprintf("kernel: %s is %d×%d with steps %d, %d in %d values", name, v.Rows, v.Cols, v.RowStep, v.ColStep, len(v.Data)))
	}
}
