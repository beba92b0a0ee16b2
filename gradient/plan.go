package gradient

// This file holds the plan: which codec each tensor has and where each chunk
// lies in the plain form, a function of layout and parameters alone.

import (
	"fmt"

	"lode/gradient/column"
	"lode/tensor"
)

// header begins both forms: name and number of the format.
const header = "LGU\x01"

// plan is the plain form's table of contents.
type plan struct {
	layout  tensor.Layout
	params  Params
	codecs  []codec
	columns [][]columnSpec // of each codec, for all its chunks together
	of      []int          // per tensor: which codec, frozen if none
	starts  []int          // per tensor: where its first chunk lies
	steps   []int          // per tensor: the length of a whole chunk
	size    int            // length of the plain form
	numKept int            // values named by an update
}

// frozen stands for the codec of a tensor that no update names.
const frozen = -1

// Places of codecs in a plan: columns travel in this order.
const (
	forWeights = iota
	forEmbeddings
	forVectors
)

func newPlan(l tensor.Layout, p Params) (*plan, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.on != nil && p.without() != p.on.params {
		return nil, fmt.Errorf("gradient: places drawn for other parameters: %w", ErrParams)
	}
	if p.on != nil && !SameLayout(l, p.on.layout) {
		return nil, fmt.Errorf("gradient: places of another layout: %w", ErrLayout)
	}
	f := &plan{
		layout: l, params: p, size: len(header),
		codecs: []codec{forWeights: newCodec(p, p.K), forEmbeddings: newCodec(p, p.KEmbed), forVectors: dense8{p}},
		of:     make([]int, l.NumTensors()), starts: make([]int, l.NumTensors()), steps: make([]int, l.NumTensors()),
	}
	f.columns = make([][]columnSpec, len(f.codecs))
	for t := range f.of {
		f.of[t], f.starts[t] = p.codecOf(l.Spec(t)), f.size
		if f.of[t] == frozen {
			continue
		}
		f.steps[t] = f.codecs[f.of[t]].size(tensor.ChunkLen)
		n := l.Spec(t).Len()
		f.addChunks(f.of[t], n/tensor.ChunkLen, tensor.ChunkLen)
		f.addChunks(f.of[t], 1, n%tensor.ChunkLen)
	}
	return f, nil
}

// readyPlan returns the plan of updates that are made or read.
func readyPlan(l tensor.Layout, p Params) (*plan, error) {
	if p.Codec == Shared && p.on == nil {
		return nil, fmt.Errorf("gradient: codec %q needs the places of a round: %w", Shared, ErrParams)
	}
	return newPlan(l, p)
}

// newCodec returns the codec of tensors of which k of 4,096 values are kept.
func newCodec(p Params, k int) codec {
	switch {
	case p.Codec == DCT:
		return newDCT(p, k)
	case p.Codec == Shared:
		return &given{topk: topk{p, k}}
	case p.Codec == Sign:
		return sign{p}
	case p.Codec == Dense && p.Bits == 8:
		return dense8{p}
	case p.Codec == Dense:
		return float{p}
	}
	return topk{p, k}
}

// codecOf returns the place of a tensor's codec. Embeddings of no k of their own
// are weights like others, and travel in the same columns.
func (p Params) codecOf(s tensor.Spec) int {
	switch {
	case s.Kind == tensor.Frozen:
		return frozen
	case IsVector(s):
		return forVectors
	case s.Kind == tensor.Embedding && p.KEmbed > 0:
		return forEmbeddings
	}
	return forWeights
}

// IsVector tells whether a tensor goes dense under every codec: a norm, a bias.
func IsVector(s tensor.Spec) bool { return len(s.Shape) == 1 && s.Shape[0] <= DenseLen }

// addChunks counts num chunks of n values that have the codec at i.
func (f *plan) addChunks(i, num, n int) {
	if num == 0 || n == 0 {
		return
	}
	c := f.codecs[i]
	f.size += num * c.size(n)
	f.numKept += num * c.kept(n)
	specs := c.columns(n)
	if f.columns[i] == nil {
		f.columns[i] = make([]columnSpec, len(specs))
	}
	for j, s := range specs {
		all := &f.columns[i][j]
		all.Min += num * s.Min
		all.Max += num * s.Max
		all.name, all.delta = s.name, s.delta
	}
}

// chunk returns the codec of c and its bytes within plain, which begins at byte
// from of the plain form; the codec is nil if the tensor is frozen.
func (f *plan) chunk(plain []byte, from int, c tensor.Chunk) (codec, []byte) {
	start, end := f.within(c)
	if start == end {
		return nil, nil
	}
	return f.codec(c), plain[start-from : end-from]
}

// codec returns the codec of c, nil if its tensor is frozen.
func (f *plan) codec(c tensor.Chunk) codec {
	i := f.of[c.Tensor]
	switch {
	case i == frozen:
		return nil
	case i != forVectors && f.params.on != nil:
		return f.params.on.at(c)
	}
	return f.codecs[i]
}

// within returns where the bytes of c start and end in the plain form.
func (f *plan) within(c tensor.Chunk) (start, end int) {
	step := f.steps[c.Tensor] // 0 if it is frozen
	start = f.starts[c.Tensor] + c.Index*step
	if c.Len < tensor.ChunkLen && step > 0 {
		step = f.codecs[f.of[c.Tensor]].size(c.Len)
	}
	return start, start + step
}

// ranges lists what the lengths of all columns may be, in the order in which
// they travel.
func (f *plan) ranges() []column.Range {
	var r []column.Range
	for _, specs := range f.columns {
		for _, s := range specs {
			r = append(r, s.Range)
		}
	}
	return r
}

// PlainLen returns the length of the plain form of every update under l and p,
// or 0 if p is not valid.
func PlainLen(l tensor.Layout, p Params) int {
	f, err := newPlan(l, p)
	if err != nil {
		return 0
	}
	return f.size
}

// MaxWireLen bounds the length of the wire form of every update under l and p;
// it is 0 if p is not valid. Longer input is refused unread.
func MaxWireLen(l tensor.Layout, p Params) int {
	f, err := newPlan(l, p)
	if err != nil {
		return 0
	}
	return len(header) + column.MaxLen(f.ranges()...)
}
