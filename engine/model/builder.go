package model

// This file holds the words in which a forward pass is described.

// Value is the result of a stage. It is a number within one Builder and says
// nothing of where the result lies.
//
// It holds one array of some shape for each of N positions: of the tokens of all
// rows for text, else of the rows. It is the input of exactly one stage and may,
// besides, be added by one later [Linear]: then that is its last use.
type Value int

// None is no value.
const None Value = 0

// Builder takes the description of a model, stage by stage. Engines implement it
// to build what they run, [TraceOf] to learn sizes and names. They may rely on a
// description being one that TraceOf accepts, on its order, and on the numbers of
// values counting up from 1, one a stage.
//
// A module NAME has the tensors NAME.weight and NAME.bias, as in PyTorch. Matrices
// are [out, in], row-major. A weight belongs to one stage, but the head of a loss
// may be the module of Embed.
type Builder interface {
	// Embed looks up the row of the module's weight [num, dim] for each input id.
	Embed(name string, num, dim int) Value

	// RMSNorm returns w·x/√(mean of x² + eps), w being the module's weight.
	RMSNorm(name string, x Value, eps float64) Value

	// Linear returns x·Wᵀ, and more as l says.
	Linear(x Value, l Linear) Value

	// Attention returns the causal attention of rows that hold queries, keys and
	// values next to each other. It is scaled by 1/√(head dim).
	Attention(x Value, h Heads) Value

	// SwiGLU returns silu(gate)·up of rows that hold gate and up next to each other.
	SwiGLU(x Value) Value

	// CrossEntropy ends the model: its loss is the mean over all positions of
	// −log softmax(x·Wᵀ)[target], W being the weight of the head, [targets' limit, in].
	CrossEntropy(x Value, head string)
}

// Linear is one module or several that take the same input.
type Linear struct {
	Parts []Part // their results lie next to each other
	Add   Value  // residual: a value of the result's shape that is added to it, or None
	// Sums is how many such results a residual adds up in all; each begins smaller
	// by 1/√Sums. Zero is one.
	Sums int
}

// Part is one module of a [Linear].
type Part struct {
	Name string
	Out  int // values it makes
}

// Heads says how the values of a row are shared between attention heads: Query
// heads of queries, then KV heads of keys, then KV heads of values, all equally
// wide. Query head h looks at key head h/(Query/KV).
//
// Queries and keys are turned by rotary positions in the rotate-half form: values
// i and i+d/2 of a head of d by the angle p·Theta^(−2i/d) at position p.
type Heads struct {
	Query, KV int
	Theta     float64
}

// Dim returns the width of one head where a row has wide values.
func (h Heads) Dim(wide int) int { return wide / (h.Query + 2*h.KV) }
