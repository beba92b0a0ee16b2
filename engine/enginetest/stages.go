package enginetest

// This file holds the kit for engines that build any description: small models that
// are put together to try one stage each.

import (
	"testing"

	"lode/engine"
	"lode/engine/model"
)

// RunStages holds engines to the reference on stages in all their shapes, which the
// families of [Run] do not have.
func RunStages(t *testing.T, open Open) { RunStagesOf(t, open, func(model.Model) bool { return true }) }

// RunStagesOf is RunStages for the models that an engine can train.
func RunStagesOf(t *testing.T, open Open, can func(model.Model) bool) {
	num := 0
	for name, m := range stages() {
		if !can(m) {
			continue
		}
		num++
		k := kit{open: open, model: m}
		t.Run(name, k.gradient)
		for first := range 2 {
			k.frozen = make([]bool, k.layout(t).NumTensors())
			for i := range k.frozen {
				k.frozen[i] = i%2 == first
			}
			t.Run(name+", half of it frozen", k.gradient)
		}
	}
	if num == 0 {
		t.Error("the engine can train none of the models")
	}
}

// described is a model that is nothing but its description.
type described struct {
	inputs, targets engine.Port
	build           func(model.Builder)
}

func (d described) Family() string                       { return "described" }
func (d described) Validate() error                      { return nil }
func (d described) Config() []byte                       { return nil }
func (d described) Build(b model.Builder)                { d.build(b) }
func (d described) Takes() (inputs, targets engine.Port) { return d.inputs, d.targets }

// text is a model of tokens below 11, of which build makes hidden values from vectors
// of 12.
func text(build func(b model.Builder, x model.Value) model.Value) model.Model {
	tokens := engine.Port{Shape: []int{80}, Series: true, Limit: 11}
	return described{tokens, tokens, func(b model.Builder) {
		b.CrossEntropy(build(b, b.Embed("words", 11, 12)), model.Head{Name: "head"})
	}}
}

// pictures is a model of five classes, of which build makes planes from planes.
func pictures(shape []int, build func(b model.Builder, x model.Value) model.Value) model.Model {
	return described{engine.Port{Shape: shape}, engine.Port{Limit: 5}, func(b model.Builder) {
		b.CrossEntropy(b.Flatten(build(b, b.Inputs())), model.Head{Name: "head", Bias: true})
	}}
}

// layer is one module; add is None or added to its result.
func layer(b model.Builder, x model.Value, name string, out int, add model.Value) model.Value {
	return b.Linear(x, model.Linear{Parts: []model.Part{{Name: name, Out: out}}, Add: add})
}

func stages() map[string]model.Model {
	all := map[string]model.Model{
		"several biases": text(func(b model.Builder, x model.Value) model.Value {
			return b.SwiGLU(b.Linear(x, model.Linear{Parts: []model.Part{{Name: "a", Out: 9}, {Name: "b", Out: 4}, {Name: "c", Out: 5}}, Bias: true}))
		}),
		"bias and residual": text(func(b model.Builder, x model.Value) model.Value {
			return b.Linear(b.RMSNorm("norm", x, 1e-5), model.Linear{Parts: []model.Part{{Name: "a", Out: 12}}, Bias: true, Add: x})
		}),
		"tied head with a bias": described{
			engine.Port{Shape: []int{80}, Series: true, Limit: 11},
			engine.Port{Shape: []int{80}, Series: true, Limit: 11},
			func(b model.Builder) { b.CrossEntropy(b.Embed("words", 11, 6), model.Head{Name: "words", Bias: true}) },
		},
		"reals of two dimensions": described{engine.Port{Shape: []int{3, 5}}, engine.Port{Shape: []int{2, 3}}, func(b model.Builder) {
			x := b.Flatten(b.Inputs())
			b.SquaredError(layer(b, b.Activate(layer(b, x, "a", 15, model.None), model.ReLU), "b", 15, x), model.Head{Name: "head"})
		}},
		"two convolutions in a row": pictures([]int{2, 7, 9}, func(b model.Builder, x model.Value) model.Value {
			x = b.Conv2D(x, model.Conv{Name: "a", Out: 3, Window: model.Window{Size: 3, Stride: 2, Pad: 1}})
			return b.Conv2D(x, model.Conv{Name: "b", Out: 4, Bias: true, Window: model.Window{Size: 2, Stride: 1}})
		}),
	}
	for name, build := range residuals() {
		all["residual "+name] = text(build)
	}
	for name, w := range map[string]model.Window{
		"one by one":                {Size: 1, Stride: 1},
		"strides over an edge":      {Size: 2, Stride: 3},
		"all but the corners":       {Size: 5, Stride: 4, Pad: 4},
		"larger than the plane":     {Size: 8, Stride: 1, Pad: 3},
		"a stride that misses some": {Size: 1, Stride: 2},
	} {
		all["convolution "+name] = pictures([]int{3, 5, 7}, func(b model.Builder, x model.Value) model.Value {
			return b.Conv2D(x, model.Conv{Name: "conv", Out: 4, Bias: true, Window: w})
		})
	}
	for name, p := range map[string]model.Pool{
		"of the largest, overlapping": {Window: model.Window{Size: 3, Stride: 1}},
		"of the largest, apart":       {Window: model.Window{Size: 2, Stride: 3}},
		"of means, overlapping":       {Mean: true, Window: model.Window{Size: 3, Stride: 2}},
		"of whole planes":             {Mean: true, Window: model.Window{Size: 5, Stride: 1}},
	} {
		all["pool "+name] = pictures([]int{2, 5, 8}, func(b model.Builder, x model.Value) model.Value {
			x = b.Conv2D(x, model.Conv{Name: "conv", Out: 3, Window: model.Window{Size: 3, Stride: 1, Pad: 1}})
			return b.Pool(b.Activate(x, model.GELU), p)
		})
	}
	return all
}

// residuals lie around every stage that may come first after what is added, and in
// each other.
func residuals() map[string]func(b model.Builder, x model.Value) model.Value {
	return map[string]func(b model.Builder, x model.Value) model.Value{
		"around a layer": func(b model.Builder, x model.Value) model.Value {
			return layer(b, layer(b, x, "a", 9, model.None), "b", 12, x)
		},
		"around pairs": func(b model.Builder, x model.Value) model.Value {
			return layer(b, b.SwiGLU(x), "a", 12, x)
		},
		"around attention": func(b model.Builder, x model.Value) model.Value {
			return layer(b, b.Attention(x, model.Heads{Query: 2, KV: 2, Theta: 100}), "a", 12, x)
		},
		"around an activation": func(b model.Builder, x model.Value) model.Value {
			return layer(b, b.Activate(x, model.GELU), "a", 12, x)
		},
		"in each other": func(b model.Builder, x model.Value) model.Value {
			y := layer(b, b.RMSNorm("n", x, 1e-5), "a", 7, model.None)
			z := layer(b, b.RMSNorm("m", y, 1e-5), "b", 6, model.None)
			z = layer(b, b.SwiGLU(z), "c", 7, y)
			return layer(b, z, "d", 12, x)
		},
		"of another width": func(b model.Builder, x model.Value) model.Value {
			y := layer(b, x, "a", 5, model.None)
			return layer(b, layer(b, y, "b", 3, model.None), "c", 5, y)
		},
	}
}
