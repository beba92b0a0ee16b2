package model

import (
	"reflect"
	"strings"
	"testing"

	"lode/engine"
)

// described is a model that takes tokens below 7 and is nothing but a description.
type described func(Builder)

func (d described) Family() string  { return "described" }
func (d described) Validate() error { return nil }
func (d described) Config() []byte  { return nil }
func (d described) Build(b Builder) { d(b) }
func (d described) Takes() (inputs, targets engine.Port) {
	p := engine.Port{Shape: []int{5}, Series: true, Limit: 7}
	return p, p
}

func one(name string, out int) Linear { return Linear{Parts: []Part{{name, out}}} }

func adding(l Linear, x Value) Linear {
	l.Add = x
	return l
}

// TestTrace: the lives of values and the order of weights in a small description.
func TestTrace(t *testing.T) {
	got, err := TraceOf(described(func(b Builder) {
		x := b.Embed("words", 7, 6)
		h := b.RMSNorm("norm", x, 1e-5)
		h = b.SwiGLU(b.Linear(h, Linear{Parts: []Part{{"gate", 4}, {"up", 4}}}))
		x = b.Linear(h, adding(one("down", 6), x))
		b.CrossEntropy(b.Attention(b.Linear(x, one("qkv", 24)), Heads{Query: 4, KV: 1, Theta: 1e4}), Head{Name: "head"})
	}))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, w := range got.Weights {
		names = append(names, w.Name)
	}
	if want := []string{"words.weight", "norm.weight", "gate.weight", "up.weight", "down.weight", "qkv.weight", "head.weight"}; !reflect.DeepEqual(names, want) {
		t.Errorf("weights are %v, want %v", names, want)
	}
	want := []Result{
		{},
		{Shape: []int{6}, Last: 5}, // words
		{Shape: []int{6}, Last: 3},
		{Shape: []int{8}, Last: 4},
		{Shape: []int{4}, Last: 5},
		{Shape: []int{6}, Last: 6, Over: 1}, // down, over words
		{Shape: []int{24}, Last: 7},
		{Shape: []int{16}, Last: 8},
	}
	if !reflect.DeepEqual(got.Values, want) {
		t.Errorf("values are %+v, want %+v", got.Values, want)
	}
}

// TestTraceRefuses: descriptions that no engine need be ready for.
func TestTraceRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		build func(b Builder, x Value)
		says  string
	}{
		"no loss":    {func(b Builder, x Value) { b.SwiGLU(x) }, "there is no loss"},
		"unused":     {func(b Builder, x Value) { b.Embed("more", 7, 6); b.CrossEntropy(x, Head{Name: "head"}) }, "value 2 is not used"},
		"used twice": {func(b Builder, x Value) { b.SwiGLU(x); b.CrossEntropy(x, Head{Name: "head"}) }, "value 1 is used already"},
		"used after add": {func(b Builder, x Value) {
			b.CrossEntropy(b.Linear(b.SwiGLU(x), adding(one("a", 6), x)), Head{Name: "head"})
			b.SwiGLU(x)
		}, "value 1 is used already"},
		"added early": {func(b Builder, x Value) {
			y := b.Embed("more", 7, 6)
			b.CrossEntropy(b.Linear(x, adding(one("a", 6), y)), Head{Name: "head"})
		}, "value 2 cannot be added"},
		"added twice": {func(b Builder, x Value) {
			y := b.Linear(b.SwiGLU(x), adding(one("a", 6), x))
			b.CrossEntropy(b.Linear(y, adding(one("b", 6), x)), Head{Name: "head"})
		}, "value 1 cannot be added"},
		"added askew": {func(b Builder, x Value) {
			b.CrossEntropy(b.Linear(b.SwiGLU(x), adding(one("a", 5), x)), Head{Name: "head"})
		}, "cannot be added to 5 values"},
		"no such value": {func(b Builder, x Value) { b.CrossEntropy(b.SwiGLU(x+1), Head{Name: "head"}) }, "there is no value 2"},
		"none":          {func(b Builder, _ Value) { b.CrossEntropy(None, Head{Name: "head"}) }, "there is no value 0"},
		"after loss":    {func(b Builder, x Value) { b.CrossEntropy(x, Head{Name: "head"}); b.Embed("more", 7, 1) }, "comes after the loss"},
		"same name":     {func(b Builder, x Value) { b.CrossEntropy(b.RMSNorm("words", x, 1), Head{Name: "head"}) }, "words.weight is used twice"},
		"tied to norm":  {func(b Builder, x Value) { b.CrossEntropy(b.RMSNorm("norm", x, 1), Head{Name: "norm"}) }, "norm cannot be the head"},
		"tied askew":    {func(b Builder, x Value) { b.CrossEntropy(b.SwiGLU(x), Head{Name: "words"}) }, "words cannot be the head"},
		"other ids":     {func(b Builder, x Value) { b.Embed("more", 8, 1) }, "has 8 rows, inputs are below 7"},
		"no parts":      {func(b Builder, x Value) { b.Linear(x, Linear{}) }, "has no parts"},
		"too wide":      {func(b Builder, x Value) { b.CrossEntropy(b.Linear(x, one("a", MaxWidth+1)), Head{Name: "head"}) }, "a has shape"},
		"nothing":       {func(b Builder, x Value) { b.CrossEntropy(b.Linear(x, one("a", 0)), Head{Name: "head"}) }, "a has shape [0]"},
		"odd pairs":     {func(b Builder, x Value) { b.CrossEntropy(b.SwiGLU(b.SwiGLU(x)), Head{Name: "head"}) }, "3 values are no pairs"},
		"odd heads": {func(b Builder, x Value) {
			b.CrossEntropy(b.Attention(b.SwiGLU(x), Heads{Query: 1, KV: 1}), Head{Name: "head"})
		}, "cannot be 1 heads over 1"},
		"uneven heads": {func(b Builder, x Value) { b.CrossEntropy(b.Attention(x, Heads{Query: 3, KV: 2}), Head{Name: "head"}) }, "cannot be 3 heads over 2"},
	} {
		_, err := TraceOf(described(func(b Builder) { c.build(b, b.Embed("words", 7, 6)) }))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error is %v, want one that says %q", name, err, c.says)
		}
	}
}
