package main

// This file holds what a card could do at most, by its maker's word.

import "strings"

// cardPeaks are dense products of bf16 with sums in float32, in TFLOP/s, from NVIDIA's data
// sheets, without sparsity. Names are parts of what the driver says; the first that fits
// counts.
var cardPeaks = []struct {
	name   string
	tflops float64
}{
	{"B200", 2250},
	{"B100", 1750},
	{"H100 PCIe", 756},
	{"H100 NVL", 835},
	{"H200", 989},
	{"H100", 989},
	{"GH200", 989},
	{"H20", 148},
	{"A100", 312},
	{"A800", 312},
	{"A40", 150},
	{"A30", 165},
	{"A10G", 70},
	{"A10", 125},
	{"L40S", 362},
	{"L40", 181},
	{"L4", 121},
	{"RTX 6000 Ada", 364},
	{"RTX 4090", 165},
	{"RTX 4080", 97},
	{"RTX 3090", 71},
	{"RTX 3080", 60},
}

// cardPeak returns operations in a second, 0 if the card is not in the table.
func cardPeak(name string) float64 {
	for _, c := range cardPeaks {
		if strings.Contains(name+" ", c.name+" ") || strings.Contains(name, c.name+"-") {
			return c.tflops * 1e12
		}
	}
	return 0
}
