package kernel

// This file holds the tiles in plain Go: what the assembly's compute, and the
// product where there is none.

import "unsafe"

// tilesPlain has tiles of 4×4, whose sums fit the registers of arm64. The left
// operand is always packed.
var tilesPlain = tiles{
	cols:    plainCols,
	heights: []int{4, 1},
	packed:  []tileFunc{tile4Plain, tile1Plain},
}

const plainCols = 4

func tile4Plain(k int, a *float32, _ int, b *float32, _ int, c *float32, rowC int, add int, _ uint32, _ *float32) {
	var c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33 float32
	as, bs := unsafe.Slice(a, 4*k), unsafe.Slice(b, 4*k)
	for len(as) >= 4 && len(bs) >= 4 {
		a0, a1, a2, a3 := as[0], as[1], as[2], as[3]
		b0, b1, b2, b3 := bs[0], bs[1], bs[2], bs[3]
		as, bs = as[4:], bs[4:]
		c00 += a0 * b0
		c01 += a0 * b1
		c02 += a0 * b2
		c03 += a0 * b3
		c10 += a1 * b0
		c11 += a1 * b1
		c12 += a1 * b2
		c13 += a1 * b3
		c20 += a2 * b0
		c21 += a2 * b1
		c22 += a2 * b2
		c23 += a2 * b3
		c30 += a3 * b0
		c31 += a3 * b1
		c32 += a3 * b2
		c33 += a3 * b3
	}
	out := unsafe.Slice(c, 3*rowC+plainCols)
	storePlain(out, add, c00, c01, c02, c03)
	storePlain(out[rowC:], add, c10, c11, c12, c13)
	storePlain(out[2*rowC:], add, c20, c21, c22, c23)
	storePlain(out[3*rowC:], add, c30, c31, c32, c33)
}

func tile1Plain(k int, a *float32, _ int, b *float32, _ int, c *float32, _ int, add int, _ uint32, _ *float32) {
	var c0, c1, c2, c3 float32
	bs := unsafe.Slice(b, 4*k)
	for _, a := range unsafe.Slice(a, k) {
		c0 += a * bs[0]
		c1 += a * bs[1]
		c2 += a * bs[2]
		c3 += a * bs[3]
		bs = bs[4:]
	}
	storePlain(unsafe.Slice(c, plainCols), add, c0, c1, c2, c3)
}

func storePlain(c []float32, add int, c0, c1, c2, c3 float32) {
	if add != 0 {
		c0, c1, c2, c3 = c0+c[0], c1+c[1], c2+c[2], c3+c[3]
	}
	c[0], c[1], c[2], c[3] = c0, c1, c2, c3
}
