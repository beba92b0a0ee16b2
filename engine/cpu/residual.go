package cpu

// This file says how the residual stream runs beside the graph.
//
// In x + f(norm(x)) the stream x is used twice, and gorgonia would add the two
// gradients of x in a tensor of its own, every step. Here the graph knows only
// the path through norm and f; the other path is memory that both ends know:
//
//   - Forward, the last linear stage of a sublayer reads x where the sublayer's
//     norm found it. The chain through f orders the two.
//   - Backward, all gradients of the stream lie in builder.dres. The linear
//     stage leaves the gradient of its result there, which is that of x along the
//     direct path; the norm, which the chain runs later, adds its own.
//
// So the graph is a chain, its order is fixed, and the gradient buffers can be
// shared by all layers.
