package cpu

// This file holds the model itself, stage after stage, and where its weights and
// results lie.

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// assemble adds the whole model to the graph and returns its loss.
func (b *builder) assemble(g *graph) (*gorgonia.Node, error) {
	ids := func(name string, ids []int32) *gorgonia.Node {
		return gorgonia.NewVector(b.expr, tensor.Int32, gorgonia.WithShape(len(ids)), gorgonia.WithName(name),
			gorgonia.WithValue(tensor.New(tensor.WithShape(len(ids)), tensor.WithBacking(ids))))
	}
	table := b.weight("model.embed_tokens.weight", 1)
	x, xs, err := b.embed(ids("inputs", g.inputs), table, g.inputs)
	if err != nil {
		return nil, err
	}
	for l := range b.arch.Layers {
		if x, xs, err = b.block(fmt.Sprintf("model.layers.%d.", l), x, xs); err != nil {
			return nil, err
		}
	}
	h, err := b.norm("last norm", x, b.weight("model.norm.weight", 1), true)
	if err != nil {
		return nil, err
	}
	if !b.arch.Tied {
		table = b.weight("lm_head.weight", 1)
	}
	return b.head(h, table, ids("targets", g.targets), g.targets, &g.mean)
}

// block adds one layer: x + attention(norm(x)), then that plus its feed-forward.
func (b *builder) block(prefix string, x *gorgonia.Node, xs []float32) (*gorgonia.Node, []float32, error) {
	h, err := b.norm("attention norm", x, b.weight(prefix+"input_layernorm.weight", 1), false)
	if err != nil {
		return nil, nil, err
	}
	qkv, qkvs, err := b.linear("qkv", h, b.weight(prefix+"self_attn.q_proj.weight", 3), nil, b.dhidden)
	if err != nil {
		return nil, nil, err
	}
	a, err := b.attention("attention", qkv, qkvs)
	if err != nil {
		return nil, nil, err
	}
	if x, xs, err = b.linear("residual", a, b.weight(prefix+"self_attn.o_proj.weight", 1), xs, b.dhidden); err != nil {
		return nil, nil, err
	}
	if h, err = b.norm("feed-forward norm", x, b.weight(prefix+"post_attention_layernorm.weight", 1), false); err != nil {
		return nil, nil, err
	}
	both, _, err := b.linear("gate and up", h, b.weight(prefix+"mlp.gate_proj.weight", 2), nil, b.dhidden)
	if err != nil {
		return nil, nil, err
	}
	inner, err := b.swiglu("swiglu", both)
	if err != nil {
		return nil, nil, err
	}
	return b.linear("residual", inner, b.weight(prefix+"mlp.down_proj.weight", 1), xs, b.dinner)
}

// weight returns the node of the named tensor and the count-1 that follow it,
// taken as one matrix. Its value is the engine's own memory. It is differentiated
// for if any of them is trained.
func (b *builder) weight(name string, count int) *gorgonia.Node {
	t := b.index[name]
	wide := b.layout.Spec(t).Shape
	lo, hi := b.layout.Offset(t), b.layout.Offset(t+count-1)+b.layout.Spec(t+count-1).Len()
	value := vector(b.params[lo:hi])
	if len(wide) == 2 {
		value = dense(b.params[lo:hi], (hi-lo)/wide[1], wide[1])
	}
	n := gorgonia.NewTensor(b.expr, tensor.Float32, value.Dims(), gorgonia.WithShape(value.Shape()...),
		gorgonia.WithName(name), gorgonia.WithValue(value))
	if trained := b.trained(t, count); len(trained) > 0 {
		b.weights = append(b.weights, n)
		b.grad[n] = weightGrad{b.grads[lo:hi:hi], trained}
	}
	return n
}

// weightGrad is where the gradient of a weight node lies.
type weightGrad struct {
	values  []float32 // nil if all of it is frozen
	trained []span    // rows that are not frozen; the others stay zero
}

// span is a range of rows.
type span struct{ lo, hi int }

// trained returns the rows of count tensors from t on that are trained, as few
// ranges as can be.
func (b *builder) trained(t, count int) (rows []span) {
	lo := 0
	for i := t; i < t+count; i++ {
		hi := lo + b.layout.Spec(i).Shape[0]
		switch last := len(rows) - 1; {
		case b.frozen[i]:
		case last >= 0 && rows[last].hi == lo:
			rows[last].hi = hi
		default:
			rows = append(rows, span{lo, hi})
		}
		lo = hi
	}
	return rows
}

// keep returns memory for n values that the backward pass will read. Without a
// backward pass all layers use the same memory.
func (b *builder) keep(name string, n int) []float32 {
	if b.train {
		return make([]float32, n)
	}
	return b.share(name, n)
}

// share returns the graph's one memory of that name, of n values.
func (b *builder) share(name string, n int) []float32 {
	if len(b.buffers[name]) < n {
		b.buffers[name] = make([]float32, n)
	}
	return b.buffers[name][:n]
}

func dense(data []float32, rows, cols int) *tensor.Dense {
	return tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(data))
}

func vector(data []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(data)), tensor.WithBacking(data))
}
