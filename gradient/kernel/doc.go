// Package kernel holds the two loops that an encoder runs over every parameter:
// [Join] makes what is to be compressed, [Mark] finds the few large values in it.
// It knows nothing of formats.
//
// Each has a plain loop, which is its definition, and on amd64 assembly for
// AVX-512 and AVX2 that gives the same bits: there are no sums, and no product is
// fused. Which one runs is decided by the processor's features.
//
// Slices belong to the caller and nothing is allocated or kept. Lengths that do
// not fit panic. Both functions may be called at the same time on slices that
// nobody else writes.
package kernel

//go:generate sh -c "cd ../../tools/asm && go run . -out ../../gradient/kernel/kernel_amd64.s -stubs ../../gradient/kernel/stubs_amd64.go -pkg kernel"
