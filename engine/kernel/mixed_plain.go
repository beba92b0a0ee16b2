package kernel

// This file defines what a mixer computes, in plain Go.

import (
	"math"
	"unsafe"
)

var mixedPlain = mixer{strips: stripsPlain, along: alongPlain, across: acrossPlain, turn: turnPlain}

// half rounds to bf16, to nearest even; NaN stays NaN.
func half(x float32) uint32 {
	bits := math.Float32bits(x)
	if x != x {
		return bits>>16 | 1<<6
	}
	return (bits + 0x7FFF + bits>>16&1) >> 16
}

func alongPlain(dst *uint32, src *float32, step int) {
	to, from := unsafe.Slice(dst, stepPairs/2), unsafe.Slice(src, (tileSide-1)*step+stepDeep)
	for i := range to {
		at := i/tileSide*step + i%tileSide*2
		to[i] = half(from[at]) | half(from[at+1])<<16
	}
}

func acrossPlain(dst *uint32, src *float32, step int) {
	to, from := unsafe.Slice(dst, stepPairs/2), unsafe.Slice(src, (stepDeep-1)*step+tileSide)
	for i := range to {
		at := i/tileSide*2*step + i%tileSide
		to[i] = half(from[at]) | half(from[at+step])<<16
	}
}

func turnPlain(tile *uint32) {
	t := unsafe.Slice(tile, stepPairs/2)
	for i := range tileSide {
		for j := range i {
			t[i*tileSide+j], t[j*tileSide+i] = t[j*tileSide+i], t[i*tileSide+j]
		}
	}
}

func stripsPlain(strips, steps int, a, b *uint32, c *float32, rowC int, add int) {
	as, bs := unsafe.Slice(a, strips*steps*stepPairs), unsafe.Slice(b, steps*stepPairs)
	cs := unsafe.Slice(c, (strips*stepWide-1)*rowC+stepWide)
	low := func(p uint32) float32 { return math.Float32frombits(p << 16) }
	high := func(p uint32) float32 { return math.Float32frombits(p &^ 0xFFFF) }
	for i := range strips * stepWide {
		for j := range stepWide {
			sum := &cs[i*rowC+j]
			if add == 0 {
				*sum = 0
			}
			for s := range steps {
				tileA := as[(i/stepWide*steps+s)*stepPairs+i%stepWide/tileSide*stepPairs/2+i%tileSide*tileSide:]
				tileB := bs[s*stepPairs+j/tileSide*stepPairs/2+j%tileSide:]
				for p := range tileSide {
					x, y := tileA[p], tileB[p*tileSide]
					*sum += low(x)*low(y) + high(x)*high(y)
				}
			}
		}
	}
}
