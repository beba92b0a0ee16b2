package model

// This file holds the words in which a forward pass is described.

// Value is the result of a stage. It is a number within one Builder and says
// nothing of where the result lies.
//
// It holds one array of some shape for each of N positions: the tokens of all rows
// where inputs are a series, else the rows. It is the input of exactly one stage and may,
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
// are [out, in] and filters [out, in, height, width], row-major. A weight belongs to one stage, but the head of a loss
// may be the module of Embed.
type Builder interface {
	// Inputs returns the real inputs, each of the shape that the model takes.
	Inputs() Value

	// Embed looks up the row of the module's weight [num, dim] for each input id.
	Embed(name string, num, dim int) Value

	// RMSNorm returns w·x/√(mean of x² + eps), w being the module's weight.
	RMSNorm(name string, x Value, eps float64) Value

	// Linear returns x·Wᵀ, and more as l says, of a vector x.
	Linear(x Value, l Linear) Value

	// Conv2D returns the cross-correlation of planes x, [in, height, width], with the
	// filters of c.
	Conv2D(x Value, c Conv) Value

	// Pool takes the largest or the mean of each window of planes x. Windows lie
	// within the plane; what is left at its lower and right edge is not used.
	Pool(x Value, p Pool) Value

	// Activate applies f to each number.
	Activate(x Value, f Activation) Value

	// Flatten makes a vector of each array, row-major.
	Flatten(x Value) Value

	// Attention returns the causal attention of rows that hold queries, keys and
	// values next to each other. It is scaled by 1/√(head dim).
	Attention(x Value, h Heads) Value

	// SwiGLU returns silu(gate)·up of rows that hold gate and up next to each other.
	SwiGLU(x Value) Value

	// CrossEntropy ends the model: its loss is the mean over all positions of
	// −log softmax(y)[target], y being what the head makes of x, one number for each id
	// that a target may be.
	CrossEntropy(x Value, h Head)

	// SquaredError ends the model: its loss is the mean over all targets of (y−target)²,
	// y being what the head makes of x, one number for each target of a row.
	SquaredError(x Value, h Head)
}

// Linear is one module or several that take the same input.
type Linear struct {
	Parts []Part // their results lie next to each other
	Bias  bool   // each adds a bias [out]
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

// Head is the last module of a model: it makes x·Wᵀ, plus a bias if it has one. Its
// size is that of the targets.
type Head struct {
	Name string
	Bias bool
}

// Window is a square that moves over a plane.
type Window struct {
	Size   int
	Stride int
	Pad    int // zeros around the plane
}

// Over returns how many windows there are along a side of n, none if the first
// does not fit.
func (w Window) Over(n int) int {
	if n+2*w.Pad < w.Size {
		return 0
	}
	return (n+2*w.Pad-w.Size)/w.Stride + 1
}

// Conv is a module that turns planes into Out planes, one number for each window.
type Conv struct {
	Name string
	Out  int
	Bias bool // it adds a bias [out]
	Window
}

// Pool is what is taken of each window. There is no padding.
type Pool struct {
	Mean bool // the mean; else the largest, the first of equals
	Window
}

// Activation is a function of one number.
type Activation string

// The activations there are. GELU is the one with the error function
// (Hendrycks and Gimpel, arXiv:1606.08415, section 2).
const (
	ReLU Activation = "relu" // max(x, 0)
	GELU Activation = "gelu" // x·(1 + erf(x/√2))/2
)

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
