// Package enginetest holds what every engine must pass. It is for tests.
//
// [Run] is the conformance kit: give it a function that opens an engine for a
// model, and it compares parameters, losses, gradients and optimizer steps with
// [Reference], with all tensors trained and with half of them, by AdamW and by
// Muon, feeds the engine bad batches, settings and state bytes, and checks that a
// saved state continues as if never interrupted. What an optional ability gives it
// compares with the definition, bit for bit; grades, with the reference's losses. [RunStages] is for
// engines that build any description: it tries each stage in shapes that no family
// has.
//
// [Able] is an engine that has all abilities, to see them used; [Fragile] one that is
// lost when a test wants it.
//
// [Reference] is a trainer in float64 and plain loops, slow and easy to check;
// its own gradient is held to finite differences by this package's tests. It takes
// the description of any family.
//
// Losses are in nats per target. A Reference belongs to one goroutine.
package enginetest
