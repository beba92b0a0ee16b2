// Package kernel holds the loops that run over every parameter. An encoder's: [Join]
// makes what is to be compressed, [Mark] finds the few large values in it; over the
// few run [Places], [Align] and [SumFrom]. A merge's: [AddBytes], [SetBytes] and [Add] add up
// dense values, [Exchange] sorts them, [Divide] makes a mean of sums, [Top] and [Pack]
// turn it into a step's integers. It knows nothing of formats.
//
// Each has a plain loop, which is its definition, and on amd64 assembly for
// AVX-512 and AVX2 (Places for AVX-512 on bytes alone) that gives the same bits: sums
// are of integers, and where a product is fused it is exact. Which one runs is decided
// by the processor's features.
//
// Slices belong to the caller and nothing is allocated or kept. Lengths that do
// not fit panic. All functions may be called at the same time on slices that
// nobody else writes.
package kernel

//go:generate sh -c "cd ../../tools/asm && go run . -out ../../gradient/kernel/kernel_amd64.s -stubs ../../gradient/kernel/stubs_amd64.go -pkg kernel"
//go:generate sh -c "cd ../../tools/asm && go run . -part merge -out ../../gradient/kernel/merge_amd64.s -stubs ../../gradient/kernel/merge_stubs_amd64.go -pkg kernel"
