package model

// This file tests the families for examples: MLP and CNN.

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"lode/tensor"
)

func perceptron() MLP {
	return MLP{Input: []int{13}, Hidden: []int{256, 128}, Activation: ReLU, Classes: 10}
}

func table() MLP { return MLP{Input: []int{3, 4}, Activation: GELU, Outputs: 2} }

func softPictures() CNN {
	m := LeNet(28, 28, 10)
	m.Input, m.Filters, m.Padding, m.Mean, m.Hidden, m.Activation = []int{3, 32, 30}, []int{8}, 0, true, nil, GELU
	return m
}

// examples are models and the names, shapes and hidden marks of their tensors.
var examples = []struct {
	name string
	m    Model
	want string
}{
	{"mlp", perceptron(), "layers.0.weight[256,13] layers.0.bias[256] layers.1.weight[128,256]* layers.1.bias[128] layers.2.weight[10,128] layers.2.bias[10]"},
	{"table", table(), "layers.0.weight[2,12] layers.0.bias[2]"},
	{"cnn", LeNet(28, 28, 10), "conv1.weight[6,1,5,5] conv1.bias[6] conv2.weight[16,6,5,5]* conv2.bias[16] fc1.weight[120,784]* fc1.bias[120] fc2.weight[10,120] fc2.bias[10]"},
	{"soft-cnn", softPictures(), "conv1.weight[8,3,5,5] conv1.bias[8] fc1.weight[10,1456] fc1.bias[10]"},
}

func TestLayoutsOfExamples(t *testing.T) {
	for _, c := range examples {
		l, err := Layout(c.m)
		if err != nil {
			t.Fatal(err)
		}
		hidden, err := Hidden(c.m)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range l.NumTensors() {
			shape, _ := json.Marshal(l.Spec(i).Shape)
			got = append(got, l.Spec(i).Name+string(shape)+strings.Repeat("*", map[bool]int{true: 1}[hidden[i]]))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: tensors are\n%s, want\n%s", c.name, s, c.want)
		}
	}
}

// TestInitOfBiases: they begin as zeros, and what is drawn has the variance that its
// fan-in says, filters too.
func TestInitOfBiases(t *testing.T) {
	for _, c := range examples {
		l, _ := Layout(c.m)
		flat := make(tensor.Flat, l.Len())
		for i := range flat {
			flat[i] = 5
		}
		if err := Init(c.m, [32]byte{4}, flat); err != nil {
			t.Fatal(err)
		}
		for i := range l.NumTensors() {
			s, squares := l.Spec(i), 0.0
			for _, v := range flat[l.Offset(i) : l.Offset(i)+s.Len()] {
				squares += float64(v) * float64(v)
			}
			want := 0.0
			if len(s.Shape) > 1 {
				want = 2.0 / 5 * float64(s.Shape[0]) // fan-in cancels
			}
			if squares < 0.6*want || squares > 1.4*want {
				t.Errorf("%s: %s: sum of squares is %v, want about %v", c.name, s.Name, squares, want)
			}
		}
	}
}

func TestConfigsOfExamples(t *testing.T) {
	for _, c := range examples {
		want, err := os.ReadFile("testdata/" + c.name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.m.Config(); string(got) != string(want) {
			t.Errorf("%s: config is\n%s\nwant\n%s", c.name, got, want)
		}
		if back, err := ParseConfig(want); err != nil || back.Family() != c.m.Family() || string(back.Config()) != string(want) {
			t.Errorf("%s: config came back as %+v, %v", c.name, back, err)
		}
	}
}

func TestExamplesRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		m    Model
		says string
	}{
		"no input":          {MLP{Activation: ReLU, Classes: 2}, "input is []"},
		"empty input":       {MLP{Input: []int{3, 0}, Activation: ReLU, Classes: 2}, "input is [3 0]"},
		"huge input":        {MLP{Input: []int{1 << 13, 1 << 13}, Activation: ReLU, Classes: 2}, "want 1 to 16777216 values"},
		"deep input":        {MLP{Input: []int{1, 1, 1, 1}, Activation: ReLU, Classes: 2}, "want 1 to 3 dimensions"},
		"negative input":    {MLP{Input: []int{-3}, Activation: ReLU, Classes: 2}, "input is [-3]"},
		"no width":          {MLP{Input: []int{3}, Hidden: []int{4, 0}, Activation: ReLU, Classes: 2}, "hidden gives layer 2 a width of 0"},
		"too deep":          {MLP{Input: []int{3}, Hidden: make([]int, MaxLayers+1), Activation: ReLU, Classes: 2}, "hidden has 1025 layers"},
		"activation":        {MLP{Input: []int{3}, Activation: "tanh", Classes: 2}, `activation is "tanh"; there are relu and gelu`},
		"no targets":        {MLP{Input: []int{3}, Activation: ReLU}, "outputs is 0"},
		"both targets":      {MLP{Input: []int{3}, Activation: ReLU, Classes: 2, Outputs: 1}, "outputs is 1, but there are 2 classes"},
		"many classes":      {MLP{Input: []int{3}, Activation: ReLU, Classes: MaxClasses + 1}, "classes is 65537"},
		"flat picture":      {CNN{Input: []int{28, 28}, Filters: []int{1}, Kernel: 3, Pool: 2, Activation: ReLU, Classes: 2}, "want channels, height and width"},
		"no convolution":    {CNN{Input: []int{1, 9, 9}, Kernel: 3, Pool: 2, Activation: ReLU, Classes: 2}, "filters has no layers"},
		"no kernel":         {CNN{Input: []int{1, 9, 9}, Filters: []int{1}, Pool: 2, Activation: ReLU, Classes: 2}, "kernel is 0"},
		"no pool":           {CNN{Input: []int{1, 9, 9}, Filters: []int{1}, Kernel: 3, Activation: ReLU, Classes: 2}, "pool is 0"},
		"wide padding":      {CNN{Input: []int{1, 9, 9}, Filters: []int{1}, Kernel: 3, Padding: 3, Pool: 2, Activation: ReLU, Classes: 2}, "padding is 3, want 0 to 2"},
		"kernel too large":  {CNN{Input: []int{1, 9, 9}, Filters: []int{1}, Kernel: 10, Pool: 2, Activation: ReLU, Classes: 2}, "conv1: a window of 10 with padding 0 does not fit on 9 by 9"},
		"nothing to pool":   {CNN{Input: []int{1, 9, 9}, Filters: []int{1}, Kernel: 9, Pool: 2, Activation: ReLU, Classes: 2}, "pool: a window of 2"},
		"wide windows":      {CNN{Input: []int{1, 1000, 1000}, Filters: []int{1}, Kernel: 256, Padding: 255, Pool: 2, Activation: ReLU, Classes: 2}, "windows of 65536 values are more than"},
		"too many channels": {CNN{Input: []int{1, 4096, 4096}, Filters: []int{5}, Kernel: 1, Pool: 1, Activation: ReLU, Classes: 2}, "conv1 has shape [5 4096 4096]"},
	} {
		if _, err := Layout(c.m); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error is %v, want one that says %q", name, err, c.says)
		}
	}
}

func TestConfigsOfExamplesRefuse(t *testing.T) {
	for name, c := range map[string]struct{ config, says string }{
		"unknown field":     {`{"model_type":"mlp","input_shape":[3],"num_classes":2,"dropout":0.5}`, `"dropout" is not supported`},
		"field of a cnn":    {`{"model_type":"mlp","input_shape":[3],"num_classes":2,"padding":1}`, `"padding" is not supported`},
		"size as text":      {`{"model_type":"mlp","input_shape":["3"],"num_classes":2}`, "input_shape"},
		"size with part":    {`{"model_type":"mlp","input_shape":[3.5],"num_classes":2}`, "input_shape"},
		"shape as a number": {`{"model_type":"mlp","input_shape":3,"num_classes":2}`, "input_shape"},
		"null in a list":    {`{"model_type":"mlp","input_shape":[null],"num_classes":2}`, "input is [0]"},
		"pool":              {`{"model_type":"cnn","input_shape":[1,9,9],"conv_channels":[1],"kernel_size":3,"pool_type":"min","num_classes":2}`, `pool_type is "min"`},
		"family":            {`{"model_type":"rnn"}`, `model_type is "rnn"; there are ["cnn" "llama" "mlp" "torch"]`},
		"no family":         {`{"input_shape":[3]}`, `model_type is ""`},
	} {
		if m, err := ParseConfig([]byte(c.config)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, error is %v, want one that says %q", name, m, err, c.says)
		}
	}
}

// TestPortsOfExamples: one real has no dimension, several have one.
func TestPortsOfExamples(t *testing.T) {
	one := table()
	one.Outputs = 1
	for _, c := range []struct {
		m    Model
		want string
	}{
		{perceptron(), "[13] 0, [] 10"},
		{table(), "[3 4] 0, [2] 0"},
		{one, "[3 4] 0, [] 0"},
		{LeNet(28, 28, 10), "[1 28 28] 0, [] 10"},
	} {
		in, out := c.m.Takes()
		if got := fmt.Sprintf("%v %d, %v %d", in, in.Limit, out, out.Limit); got != c.want || in.Series || out.Series {
			t.Errorf("%+v takes %s, want %s", c.m, got, c.want)
		}
	}
}
