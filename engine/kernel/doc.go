// Package kernel holds the arithmetic that training spends its time in: the
// product of float32 matrices and a handful of loops over vectors. It knows
// nothing of models, graphs or threads.
//
// [View] and [Mul] are the matrix half; [Panels] is a right operand packed once for
// several products, in bf16 if it is made so ([NewMixedPanels], where AMX is there).
// The vector half is one function per loop: [Dot], [Axpy], [Softmax],
// [SoftmaxBack], [SwiGLU], [SwiGLUBack], [Norm], [NormBack], [Rotate] and [AdamW].
// [Peak] is what they are measured against.
//
// On amd64 the functions run generated assembly for AVX-512 or AVX2 with FMA,
// whichever the processor has, and on arm64 for NEON; elsewhere, and for what is not
// worth assembly, plain Go. The plain loop is the definition of each function (plain.go,
// tile_plain.go) and the tests hold the fast ones to it. Results of different
// instruction sets differ in the last bits, because sums are taken in another order
// and products are fused; on one machine the same call gives the same bits every
// time.
//
// All slices are float32 and belong to the caller; nothing is kept, and nothing
// but Mul's pooled packing buffers is allocated. Lengths that do not fit are a
// fault of the caller and panic. Every function may be called at the same time
// on slices that do not overlap.
package kernel

//go:generate go run ./gen
