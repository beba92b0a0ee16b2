// Package engine holds the words that all training engines share: a batch of
// examples, the settings of one optimizer step, and what an engine can do. It
// trains nothing itself; [lode/engine/cpu] and [lode/engine/torch] do, and package
// enginetest holds the conformance kit that every engine must pass.
//
// Read it in this order: [Batch] is what goes in, [Port] what of that an engine
// takes, [Hyper] how one optimizer step is taken, [Engine] what a trainer offers,
// [Vector] how its numbers are held without moving them.
//
// Units and shapes: losses are natural logarithms (nats), averaged over all
// targets of a batch. A batch has Rows independent rows of one shape, row-major:
// sequences of tokens, pictures, lines of a table. Parameters, gradients and
// other vectors have length D in the order of [Engine.Layout]; they cross the
// border chunk by chunk.
//
// An engine may be lost, with its process or its device: [ErrLost]. [Insist] is for those
// who go on.
//
// [Moments] is what an optimizer remembers, and its bytes, for engines to share.
//
// An engine may train a part of the tensors and leave the others frozen; what that
// part is was said when it was opened, and [Engine.Layout] tells.
//
// Ownership: an engine never keeps a slice it was handed. An Engine belongs to
// one goroutine at a time, with its vectors.
//
// Optional abilities are found by type assertion in the functions that need
// them, which work for every engine: [Compress] asks for a [Compressor], so that
// an update leaves a device compressed, and [Dots] for a [Dotter], so that only
// numbers leave it; [Subtract], [Copy] and [Root] ask for a [Remote] vector, so that steps
// are applied, and checked, where parameters live; [Train] asks for a [Queuer], so that nobody
// waits for losses. An ability changes no bit of a result. A
// [Predictor] says what its model expects, and lode/engine/generate writes with it. A [Grader]
// says besides how a model does row by row.
package engine
