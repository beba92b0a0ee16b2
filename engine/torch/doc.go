// Package torch trains models in a process of its own, in Python: with PyTorch, on any
// device that has it, or with numpy, slowly, as a reference that needs no PyTorch.
//
// [New] starts the interpreter on files that are in this program, and makes an [Engine]
// for a model; it implements engine.Engine. Nothing needs installing but the library.
//
// Parameters, gradient and moments lie in memory that both processes share, so that
// for the rest of the program they are plain slices. Where the library works on the
// processor its tensors lie there too, and nothing is ever copied. On a device they are
// copies: what was written here goes to the device with the next call, and what moved
// there comes back when it is asked for, once for each round of a run. Batches travel
// in the call.
//
// The process may be the first of several: each with the whole model and a share of the
// rows, or with a shard of everything, on this machine or others ([Options]). This package
// speaks to the first alone.
//
// If the process ends or hangs, all methods fail with engine.ErrLost until
// [Engine.Reopen] has started another. lode/engine/process says how that is noticed.
//
// The optimizer's steps are AdamW and Muon by the formulas of lode/engine/cpu, and its
// state has the same bytes (engine.Moments): a worker may change between the two.
//
// An Engine belongs to one goroutine at a time and keeps no slice it is handed.
package torch
