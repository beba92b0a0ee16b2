// Package cpu trains models on the processor, in Go alone.
//
// [New] makes an [Engine] for a model of any family; it implements engine.Engine,
// and [Engine.Continue] reads a text on, with keys and values remembered, for lode/engine/generate. Parameters start as zeros: write them
// with lode/engine/model's Init or from a checkpoint before the first step.
//
// Inside, a model is a gorgonia graph for one batch shape, run by its
// TapeMachine. The nodes are operations of our own, each a whole stage of the
// model over the kernels of lode/engine/kernel; each owns its result, so a
// step allocates next to nothing. Graphs are kept for the last few shapes.
// Reading the package goes best in the order node.go (how an operation becomes a
// node), graph.go and assemble.go (how nodes become a model), memory.go (which values share
// memory), then one file per operation.
//
// It does not decide what to train on, when to stop or what to send; it knows no
// files and no network.
//
// Shapes: N is Rows·T, the positions of a batch; activations are [N, width],
// row-major; weights are [out, in]. The weights of adjacent projections (query,
// key and value; gate and up) are used as one matrix.
//
// Tensors may be frozen (Options.Frozen): the backward pass ends at the lowest
// tensor that is trained, and no gradient of a frozen one is computed.
//
// Memory for values grows with rows and steps, not with the square of the steps.
// Options.MicroRows and Options.Recompute trade time for memory.
//
// Results depend on the instruction set in use (kernel.Name), not on
// Options.Threads: threads share work by parts and no sum is cut by their number.
//
// Options.Mixed rounds what is multiplied to bf16, where AMX makes that fast.
// Options.BLAS hands large products to a BLAS of the system (package blas).
//
// An Engine belongs to one goroutine at a time and keeps no slice it is handed.
package cpu
