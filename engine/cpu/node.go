package cpu

// This file holds how one of our operations becomes a node of a gorgonia graph,
// and how its backward pass becomes part of the differentiated graph.
//
// gorgonia gives every operation one result, merges operations of equal hash and
// adds the gradients of a node that is used twice in a tensor of its own. So:
// a stage's backward pass is one operation that computes all its gradients and
// returns the first; the others are handed out by operations that depend on it;
// hashes carry a number of their own; and no activation is used twice (see
// memory.go).

import (
	"fmt"
	"hash"
	"hash/fnv"
	"sync/atomic"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// stage is one operation of the model: what it computes and where its results
// lie. The slices that forward and backward get are those of the inputs, in
// order; int32 inputs are nil.
type stage struct {
	name     string
	out      *tensor.Dense                        // result; nil for the loss
	loss     *float64                             // the loss, if that is what it computes
	forward  func(in [][]float32)                 // fills out or loss
	backward func(in [][]float32, grad []float32) // fills grads
	grads    []*tensor.Dense                      // gradient of each input; nil for none
}

// differentiate says where the gradients of the inputs lie.
func (s *stage) differentiate(grads ...*tensor.Dense) { s.grads = grads }

// apply adds the stage to the graph.
func (s stage) apply(in ...*gorgonia.Node) (*gorgonia.Node, error) {
	n, err := gorgonia.ApplyOp(differentiable{s.operation(in), s}, in...)
	if err != nil {
		return nil, fmt.Errorf("graph: %s: %w", s.name, err)
	}
	return n, nil
}

func (s stage) operation(in gorgonia.Nodes) *operation {
	return newOperation(s.name, in, s.out, func(v []gorgonia.Value) (gorgonia.Value, error) {
		s.forward(floats(v))
		if s.loss != nil {
			return gorgonia.NewF32(float32(*s.loss)), nil
		}
		return s.out, nil
	})
}

// floats returns the float32 data of the values.
func floats(values []gorgonia.Value) [][]float32 {
	out := make([][]float32, len(values))
	for i, v := range values {
		out[i], _ = v.Data().([]float32)
	}
	return out
}

// differentiable is a stage as gorgonia differentiates it.
type differentiable struct {
	*operation
	stage stage
}

// DiffWRT says which inputs have a gradient.
func (d differentiable) DiffWRT(int) []bool {
	wrt := make([]bool, len(d.stage.grads))
	for i, g := range d.stage.grads {
		wrt[i] = g != nil
	}
	return wrt
}

// SymDiff adds the backward pass to the graph.
func (d differentiable) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	s := d.stage
	inputs := append(append(gorgonia.Nodes{}, in...), grad)
	var first *gorgonia.Node
	out := make(gorgonia.Nodes, len(in))
	for i, g := range s.grads {
		if g == nil {
			continue
		}
		var err error
		if first == nil {
			out[i], err = gorgonia.ApplyOp(newOperation(s.name+" back", inputs, g, func(v []gorgonia.Value) (gorgonia.Value, error) {
				f := floats(v)
				s.backward(f[:len(in)], f[len(in)])
				return g, nil
			}), inputs...)
			first = out[i]
		} else {
			out[i], err = gorgonia.ApplyOp(newOperation(s.name+" share", gorgonia.Nodes{first}, g, func([]gorgonia.Value) (gorgonia.Value, error) {
				return g, nil
			}), first)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// operation implements gorgonia.Op for a function whose result's shape is known
// beforehand.
type operation struct {
	name   string
	number int64 // keeps hashes apart
	kind   hm.Type
	arity  int
	shape  tensor.Shape
	do     func([]gorgonia.Value) (gorgonia.Value, error)
}

var operations atomic.Int64

func newOperation(name string, in gorgonia.Nodes, out *tensor.Dense, do func([]gorgonia.Value) (gorgonia.Value, error)) *operation {
	types := make([]hm.Type, 0, len(in)+1)
	for _, n := range in {
		types = append(types, n.Type())
	}
	op := &operation{name: name, number: operations.Add(1), arity: len(in), shape: tensor.ScalarShape(), do: do}
	if out == nil {
		types = append(types, tensor.Float32)
	} else {
		op.shape = out.Shape().Clone()
		types = append(types, gorgonia.TensorType{Dims: out.Dims(), Of: tensor.Float32})
	}
	op.kind = hm.NewFnType(types...)
	return op
}

func (o *operation) Arity() int    { return o.arity }
func (o *operation) Type() hm.Type { return o.kind }

func (o *operation) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return o.shape.Clone(), nil
}

func (o *operation) Do(in ...gorgonia.Value) (gorgonia.Value, error) { return o.do(in) }

func (o *operation) ReturnsPtr() bool      { return false }
func (o *operation) CallsExtern() bool     { return false }
func (o *operation) OverwritesInput() int  { return -1 }
func (o *operation) String() string        { return fmt.Sprintf("%s#%d", o.name, o.number) }
func (o *operation) WriteHash(h hash.Hash) { _, _ = h.Write([]byte(o.String())) }

func (o *operation) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}
