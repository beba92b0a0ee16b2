package model

// This file holds models of a user's own, which are computed by a module of PyTorch.

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"lode/engine"
	"lode/tensor"
)

// Custom is a model that is computed by Python: an engine has a function of the
// user's make a torch.nn.Module. It says what everybody else must know of it: what it
// takes, and names, shapes and first values of its parameters. It has no description
// for a [Builder].
type Custom struct {
	Factory, Loss, Source string // see [Code]
	Inputs, Targets       engine.Port
	Tensors               []CustomTensor // in layout order
}

// CustomTensor is one parameter of a Custom. Its first values are uniform in
// [Value − Spread, Value + Spread].
type CustomTensor struct {
	Name      string  `json:"name"`
	Shape     []int   `json:"shape"`
	Embedding bool    `json:"embedding,omitempty"` // see [tensor.Embedding]
	Hidden    bool    `json:"hidden,omitempty"`    // see [Hidden]
	Value     float32 `json:"value,omitempty"`
	Spread    float32 `json:"spread,omitempty"`
}

const customFamily = "torch"

var pythonName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,127}:[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// Family implements Model.
func (m Custom) Family() string { return customFamily }

// Validate implements Model.
func (m Custom) Validate() error {
	var errs []error
	want := func(ok bool, field, format string, args ...any) {
		if !ok {
			errs = append(errs, fault(field, format, args...))
		}
	}
	want(pythonName.MatchString(m.Factory), "factory", "is %.40q, want MODULE:FUNCTION", m.Factory)
	want(m.Loss == "" || pythonName.MatchString(m.Loss), "loss", "is %.40q, want MODULE:FUNCTION", m.Loss)
	module, _, _ := strings.Cut(m.Factory, ":")
	want(m.Loss == "" || strings.HasPrefix(m.Loss, module+":"), "loss", "is %.40q, want a function of the factory's module, whose file is checked", m.Loss)
	digest, err := hex.DecodeString(m.Source)
	want(err == nil && len(digest) == 32 && hex.EncodeToString(digest) == m.Source, "source", "is %.80q, want a SHA-256 in hexadecimal", m.Source)
	errs = append(errs, port("inputs", m.Inputs), port("targets", m.Targets))
	want(m.Inputs.Series == m.Targets.Series, "targets", "are a series or inputs are, but not both")
	want(len(m.Tensors) > 0, "tensors", "are none")
	for _, t := range m.Tensors {
		ok := finite(t.Value) && finite(t.Spread) && t.Spread >= 0 && finite(t.Value+t.Spread)
		want(ok, "tensors", "let %.40q begin at %v ± %v", t.Name, t.Value, t.Spread)
	}
	if _, err := tensor.NewLayout(m.specs()...); err != nil {
		errs = append(errs, fault("tensors", "make no layout: %v", err))
	}
	if errors.Join(errs...) == nil {
		n := len(m.encode())
		want(n <= MaxConfig, "tensors", "make a config.json of %d bytes, at most %d are allowed: fewer, or shorter names", n, MaxConfig)
	}
	return errors.Join(errs...)
}

func finite(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }

// port refuses shapes that no batch can have.
func port(field string, p engine.Port) error {
	n := 1
	for _, d := range p.Shape {
		if d < 1 || d > MaxExample/n {
			return fault(field, "have shape %v, want 1 to %d values", p.Shape, MaxExample)
		}
		n *= d
	}
	if len(p.Shape) > tensor.MaxDims || p.Series && len(p.Shape) != 1 {
		return fault(field, "have shape %v, want at most %d dimensions, of a series 1", p.Shape, tensor.MaxDims)
	}
	if p.Limit < 0 || p.Limit > MaxVocab || p.Series && p.Limit == 0 {
		return fault(field, "have ids below %d, want at most %d, of a series at least 1", p.Limit, MaxVocab)
	}
	return nil
}

func (m Custom) specs() []tensor.Spec {
	specs := make([]tensor.Spec, len(m.Tensors))
	for i, t := range m.Tensors {
		if specs[i] = (tensor.Spec{Name: t.Name, Shape: t.Shape}); t.Embedding {
			specs[i].Kind = tensor.Embedding
		}
	}
	return specs
}

// Weights implements Outside.
func (m Custom) Weights() (all []Weight) {
	for i, s := range m.specs() {
		c := m.Tensors[i]
		all = append(all, Weight{Spec: s, Hidden: c.Hidden && len(s.Shape) > 1, start: around, value: c.Value, spread: c.Spread})
	}
	return all
}

// Code implements Outside.
func (m Custom) Code() Code { return Code{m.Factory, m.Loss, m.Source} }

// Takes implements Model.
func (m Custom) Takes() (inputs, targets engine.Port) { return m.Inputs, m.Targets }

// Build implements Model. There is nothing to describe: ask for [Outside] first.
func (m Custom) Build(Builder) { panic("model: a model of one's own has no description") }

// customConfig holds the fields of config.json in the order they are written.
type customConfig struct {
	Factory   string         `json:"factory"`
	Inputs    customPort     `json:"inputs"`
	Loss      string         `json:"loss,omitempty"`
	ModelType string         `json:"model_type"`
	Source    string         `json:"source"`
	Targets   customPort     `json:"targets"`
	Tensors   []CustomTensor `json:"tensors"`
	Dtype     string         `json:"torch_dtype"`
}

type customPort struct {
	Shape  []int `json:"shape"`
	Series bool  `json:"series,omitempty"`
	Below  int   `json:"below,omitempty"` // ids are; missing for reals
}

func (p customPort) port() engine.Port {
	return engine.Port{Shape: list(p.Shape), Series: p.Series, Limit: p.Below}
}

// Config implements Model.
func (m Custom) Config() []byte {
	mustBeValid(m)
	return m.encode()
}

// encode writes the config of a model whose numbers are finite.
func (m Custom) encode() []byte {
	tensors := slices.Clone(m.Tensors)
	for i := range tensors {
		tensors[i].Shape = list(tensors[i].Shape)
	}
	of := func(p engine.Port) customPort { return customPort{list(p.Shape), p.Series, p.Limit} }
	return write(customConfig{m.Factory, of(m.Inputs), m.Loss, customFamily, m.Source, of(m.Targets), tensors, dtype})
}

// parseCustom reads the fields of a Custom.
func parseCustom(r *reader) Model {
	r.ignore("torch_dtype")
	var inputs, targets customPort
	m := Custom{Factory: r.text("factory", ""), Loss: r.text("loss", ""), Source: r.text("source", "")}
	r.decode("inputs", &inputs)
	r.decode("targets", &targets)
	r.decode("tensors", &m.Tensors)
	m.Inputs, m.Targets = inputs.port(), targets.port()
	return m
}

// ErrOutside says that an engine has no Python to compute an [Outside] model with.
var ErrOutside = fmt.Errorf("a model of family %s is computed by PyTorch alone: --engine torch", customFamily)
