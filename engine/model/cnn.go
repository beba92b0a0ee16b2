package model

// This file holds the convolutional network and its config.json.

import (
	"errors"
	"fmt"
	"slices"

	"lode/engine"
)

// CNN is a convolutional network that classifies pictures, after LeNet-5 (LeCun and
// others, "Gradient-based learning applied to document recognition", 1998): some
// convolutions, each followed by an activation and a pool, then fully connected
// layers with an activation between each two. All have biases. Its tensors are
// conv1.weight, conv1.bias, conv2.weight and so on, then fc1.weight and so on.
type CNN struct {
	Input      []int // shape of a picture: channels, height, width
	Filters    []int // of each convolution
	Kernel     int   // side of their windows, which move by 1
	Padding    int   // zeros around the planes that they see
	Pool       int   // side of the pools' windows, which do not overlap
	Mean       bool  // pools take means, not the largest
	Hidden     []int // widths of the fully connected layers before the last
	Activation Activation
	Classes    int
}

// LeNet returns a small network for pictures of one channel, height and width of at
// least 16.
func LeNet(height, width, classes int) CNN {
	return CNN{
		Input: []int{1, height, width}, Filters: []int{6, 16}, Kernel: 5, Padding: 2, Pool: 2,
		Hidden: []int{120}, Activation: ReLU, Classes: classes,
	}
}

// Family implements Model.
func (m CNN) Family() string { return cnnFamily }

// Validate implements Model. Whether the windows fit is for [TraceOf] to say.
func (m CNN) Validate() error {
	errs := []error{
		exampleShape(m.Input), widths("filters", m.Filters), within("kernel", m.Kernel, MaxKernel), within("pool", m.Pool, MaxKernel),
		widths("hidden", m.Hidden), known(m.Activation), within("classes", m.Classes, MaxClasses),
	}
	if len(m.Input) != 3 {
		errs = append(errs, fault("input", "is %v, want channels, height and width", m.Input))
	}
	if len(m.Filters) == 0 {
		errs = append(errs, fault("filters", "has no layers: an mlp has none"))
	}
	if m.Padding < 0 || m.Padding >= max(1, m.Kernel) {
		errs = append(errs, fault("padding", "is %d, want 0 to %d", m.Padding, max(1, m.Kernel)-1))
	}
	return errors.Join(errs...)
}

// MaxKernel bounds the sides of windows.
const MaxKernel = 1 << 8

// Takes implements Model: a picture for each row, and its class.
func (m CNN) Takes() (inputs, targets engine.Port) {
	return engine.Port{Shape: m.Input}, engine.Port{Limit: m.Classes}
}

// Build implements Model.
func (m CNN) Build(b Builder) {
	x := b.Inputs()
	for i, n := range m.Filters {
		x = b.Conv2D(x, Conv{Name: fmt.Sprintf("conv%d", i+1), Out: n, Bias: true, Window: Window{Size: m.Kernel, Stride: 1, Pad: m.Padding}})
		x = b.Pool(b.Activate(x, m.Activation), Pool{Mean: m.Mean, Window: Window{Size: m.Pool, Stride: m.Pool}})
	}
	x = b.Flatten(x)
	for i, n := range m.Hidden {
		x = b.Activate(b.Linear(x, Linear{Parts: []Part{{fmt.Sprintf("fc%d", i+1), n}}, Bias: true}), m.Activation)
	}
	b.CrossEntropy(x, Head{Name: fmt.Sprintf("fc%d", len(m.Hidden)+1), Bias: true})
}

// cnnConfig holds the fields of config.json in the order they are written.
type cnnConfig struct {
	Activation Activation `json:"activation"`
	Filters    []int      `json:"conv_channels"`
	Hidden     []int      `json:"hidden_sizes"`
	Input      []int      `json:"input_shape"`
	Kernel     int        `json:"kernel_size"`
	ModelType  string     `json:"model_type"`
	Classes    int        `json:"num_classes"`
	Padding    int        `json:"padding"`
	Pool       int        `json:"pool_size"`
	PoolType   string     `json:"pool_type"`
	Dtype      string     `json:"torch_dtype"`
}

const cnnFamily = "cnn"

// Names of what a pool takes, in config.json.
var poolTypes = []string{"max", "avg"}

// Config implements Model.
func (m CNN) Config() []byte {
	mustBeValid(m)
	kind := poolTypes[0]
	if m.Mean {
		kind = poolTypes[1]
	}
	return write(cnnConfig{m.Activation, m.Filters, list(m.Hidden), m.Input, m.Kernel, cnnFamily, m.Classes, m.Padding, m.Pool, kind, dtype})
}

// parseCNN reads the fields of a CNN.
func parseCNN(r *reader) Model {
	r.ignore("torch_dtype")
	kind := r.text("pool_type", poolTypes[0])
	if !slices.Contains(poolTypes, kind) {
		r.errs = append(r.errs, fmt.Errorf("field pool_type is %.40q; there are %q", kind, poolTypes))
	}
	return CNN{
		Input: r.integers("input_shape"), Filters: r.integers("conv_channels"), Kernel: r.integer("kernel_size", 0),
		Padding: r.integer("padding", 0), Pool: r.integer("pool_size", 2), Mean: kind == poolTypes[1],
		Hidden: r.integers("hidden_sizes"), Activation: Activation(r.text("activation", string(ReLU))), Classes: r.integer("num_classes", 0),
	}
}
