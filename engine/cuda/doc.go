// Package cuda trains models on an NVIDIA card, without Python and without cgo: the
// driver and cuBLASLt are opened while the program runs, kernels are PTX inside it.
//
// It is experimental: docs/gpu.md says what has and has not been run on a card. What it
// computes is tested against a stand-in for NVIDIA's libraries that really runs the
// kernels (package cudatest).
//
// Read it in this order: [New] opens a card for a model, [Options] say which and for what;
// [Plan] is what of its memory is taken, which is decided before anything is. A stage of
// a model is a file: it tells the builder what memory it needs, and adds a forward and
// a backward pass. Kernels stand in package kernels, in files of the same names.
//
// A batch is worked through in parts of as many rows as were planned for; gradients add up
// where they lie. One stream has all work, and the host waits for it where it needs a
// number: the loss, or values of a vector. Parameters, gradient, moments and vectors are
// float32 and stay on the card. What a worker sends is made there too, for the codec topk:
// the kernels of update.cu do what package gradient's encoder does, bit for bit, and only
// the plain form is fetched, to be checked and packed by the host. Merged steps are
// subtracted, updates multiplied with the gradient (sparse.cu) and vectors hashed (hash.cu)
// where they lie, with the bits of packages gradient and tensor.
//
// [NewTeam] opens several cards for one model: each is an Engine that works on a part of a
// batch's rows, and gradients are added up between them.
//
// An Engine or a Team belongs to one goroutine at a time, with its vectors; each card belongs
// to one operating-system thread of its own.
package cuda
