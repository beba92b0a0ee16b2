package kernel

// This file holds the instruction sets of amd64.

import "golang.org/x/sys/cpu"

var tilesAVX512 = tiles{
	cols: 32, masked: true,
	heights: []int{12, 8, 4, 2, 1},
	rows:    []tileFunc{tile12x32AVX512, tile8x32AVX512, tile4x32AVX512, tile2x32AVX512, tile1x32AVX512},
	packed: []tileFunc{
		tile12x32PackedAVX512, tile8x32PackedAVX512, tile4x32PackedAVX512, tile2x32PackedAVX512, tile1x32PackedAVX512,
	},
	tall: gather12AVX512, copy: copyRows32AVX512, turn: transpose8AVX2,
}

var tilesAVX2 = tiles{
	cols:    16,
	heights: []int{6, 4, 2, 1},
	rows:    []tileFunc{tile6x16AVX2, tile4x16AVX2, tile2x16AVX2, tile1x16AVX2},
	packed:  []tileFunc{tile6x16PackedAVX2, tile4x16PackedAVX2, tile2x16PackedAVX2, tile1x16PackedAVX2},
	tall:    gather6AVX2, turn: transpose8AVX2,
}

// available lists the sets this processor runs, best first.
func available() []set {
	sets := []set{plain}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		sets = append([]set{avx2}, sets...)
	}
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512BW && cpu.X86.HasBMI2 && len(sets) > 1 {
		best := avx512
		best.mixed = amx()
		sets = append([]set{best}, sets...)
	}
	return sets
}

var avx512 = set{
	name: "avx512", tiles: &tilesAVX512,
	dot: dotAVX512, axpy: axpyAVX512, scale: scaleAVX512, softmax: softmaxAVX512, softmaxBack: softmaxBackAVX512,
	swiglu: swigluAVX512, swigluBack: swigluBackAVX512, norm: normAVX512, normBack: normBackAVX512,
	rotate: rotateAVX512, adamw: adamwAVX512, fma: fmaAVX512, fmaWork: 2 * 12 * 16,
}

var avx2 = set{
	name: "avx2", tiles: &tilesAVX2,
	dot: dotAVX2, axpy: axpyAVX2, scale: scaleAVX2, softmax: softmaxAVX2, softmaxBack: softmaxBackAVX2,
	swiglu: swigluAVX2, swigluBack: swigluBackAVX2, norm: normAVX2, normBack: normBackAVX2,
	rotate: rotateAVX2, adamw: adamwAVX2, fma: fmaAVX2, fmaWork: 2 * 12 * 8,
}
