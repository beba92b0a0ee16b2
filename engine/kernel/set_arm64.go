package kernel

// This file holds the instruction set of arm64, which all of them have.

var tilesNEON = tiles{
	cols:    8,
	heights: []int{12, 8, 4, 1},
	packed:  []tileFunc{tile12x8NEON, tile8x8NEON, tile4x8NEON, tile1x8NEON},
	turn:    transpose8NEON,
}

func available() []set { return []set{neon, plain} }

var neon = set{
	name: "neon", tiles: &tilesNEON,
	dot: dotTailed, axpy: axpyTailed, scale: scaleTailed, softmax: softmaxTailed, softmaxBack: softmaxBackTailed,
	swiglu: swigluTailed, swigluBack: swigluBackTailed, norm: normTailed, normBack: normBackTailed,
	rotate: rotateTailed, adamw: adamwTailed, fma: fmaNEON, fmaWork: 2 * 16 * 4,
}
