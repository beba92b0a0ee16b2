// Package tensor names the numbers of a model: which tensors there are, in
// which order, and how they are cut into chunks. It does no arithmetic beyond
// hashing and knows nothing of training, networks or disks.
//
// Read it in this order: [Spec] describes one tensor, [Layout] an ordered list
// of them that makes up the D parameters of a model, [Chunk] a run of at most
// [ChunkLen] values inside one tensor. Everything that walks a whole model does
// so chunk by chunk, through [Reader] and [Writer], so that no caller needs all
// D values in memory. [Flat] is the plain in-memory implementation of both; [To] writes
// bytes, and [At] reads them.
// [Root] is the Merkle root over all chunks: two models are the same exactly if
// their layouts and roots are.
//
// Shapes: D parameters in L tensors; values are float32. A chunk never crosses
// a tensor, so the last chunk of a tensor may be short.
//
// Ownership: ReadChunk fills the caller's slice; WriteChunk does not keep the
// caller's slice. A Layout is immutable and may be shared by goroutines; a Flat
// may be read by many or written by one.
package tensor
