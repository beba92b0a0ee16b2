package kernel

// This file holds the product of matrices in plain Go.

// multiplyPlain is the product where there are no tiles: rows of C gather rows
// of B, four at a time.
func multiplyPlain(c, a, b View, add bool) {
	if !add {
		clearRows(c)
	}
	row := make([]float32, 4*b.Cols) // rows of a transposed B, straightened
	for k := 0; k < a.Cols; k += 4 {
		n := min(4, a.Cols-k)
		var rows [4][]float32
		for q := range n {
			rows[q] = straight(row[q*b.Cols:(q+1)*b.Cols], b, k+q)
		}
		for i := range c.Rows {
			gather(c.Data[i*c.RowStep:][:c.Cols], a.Data[i*a.RowStep+k*a.ColStep:], a.ColStep, rows[:n])
		}
	}
}

// straight returns row k of b with its values next to each other, in buf if need
// be.
func straight(buf []float32, b View, k int) []float32 {
	if b.ColStep == 1 {
		return b.Data[k*b.RowStep:][:b.Cols]
	}
	for j := range buf {
		buf[j] = b.Data[k*b.RowStep+j*b.ColStep]
	}
	return buf
}

// gather adds to dst each row times its factor.
func gather(dst, factors []float32, step int, rows [][]float32) {
	if len(rows) < 4 {
		for q, row := range rows {
			f := factors[q*step]
			for j, v := range row {
				dst[j] += f * v
			}
		}
		return
	}
	f0, f1, f2, f3 := factors[0], factors[step], factors[2*step], factors[3*step]
	r0, r1, r2, r3 := rows[0][:len(dst)], rows[1][:len(dst)], rows[2][:len(dst)], rows[3][:len(dst)]
	for j := range dst {
		dst[j] += f0*r0[j] + f1*r1[j] + (f2*r2[j] + f3*r3[j])
	}
}
