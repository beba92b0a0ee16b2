package federated

// This file holds a model small enough to follow by hand: a linear classifier in
// plain loops, and examples for it.

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/data/examples"
	"lode/engine"
	"lode/tensor"
)

const (
	numFeatures = 2
	numClasses  = 3
)

// linear is an engine for softmax(W·x + b). What runs do not ask for it does not have.
type linear struct {
	engine.Engine
	layout      tensor.Layout
	theta, grad tensor.Flat
	hidden      bool // parameters cannot be looked at where they lie
	closed      *int
}

func newLinear(tb testing.TB) *linear {
	tb.Helper()
	l, err := tensor.NewLayout(
		tensor.Spec{Name: "weight", Shape: []int{numClasses, numFeatures}},
		tensor.Spec{Name: "bias", Shape: []int{numClasses}})
	if err != nil {
		tb.Fatal(err)
	}
	e := &linear{layout: l, theta: make(tensor.Flat, l.Len()), grad: make(tensor.Flat, l.Len()), closed: new(int)}
	for i := range e.theta {
		e.theta[i] = float32(i%3) * 0.1
	}
	return e
}

func (e *linear) Layout() tensor.Layout { return e.layout }
func (e *linear) Grad() tensor.Reader   { return e.grad }
func (e *linear) Close() error          { *e.closed++; return nil }

func (e *linear) Takes() (inputs, targets engine.Port) {
	return engine.Port{Shape: []int{numFeatures}}, engine.Port{Limit: numClasses}
}

func (e *linear) Params() engine.Vector {
	if e.hidden {
		return struct{ engine.Vector }{e.theta}
	}
	return e.theta
}

func (e *linear) Gradient(b engine.Batch) (float64, error) {
	if err := b.Validate(e.Takes()); err != nil {
		return 0, err
	}
	loss := lossGradient(e.grad, e.theta, b)
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return 0, fmt.Errorf("loss is %v", loss)
	}
	return loss, nil
}

func (e *linear) Grade(b engine.Batch) ([]engine.Grade, error) {
	if err := b.Validate(e.Takes()); err != nil {
		return nil, err
	}
	out := make([]engine.Grade, b.Rows)
	for r := range out {
		p := probabilities(e.theta, b.Inputs.Reals[r*numFeatures:])
		best := 0
		for c, v := range p {
			if v > p[best] {
				best = c
			}
		}
		target := int(b.Targets.IDs[r])
		out[r] = engine.Grade{Loss: -math.Log(p[target]), Right: best == target}
	}
	return out, nil
}

func probabilities(theta tensor.Flat, x []float32) (p [numClasses]float64) {
	sum := 0.0
	for c := range p {
		score := float64(theta[numClasses*numFeatures+c])
		for f := range numFeatures {
			score += float64(theta[c*numFeatures+f]) * float64(x[f])
		}
		p[c] = math.Exp(score)
		sum += p[c]
	}
	for c := range p {
		p[c] /= sum
	}
	return p
}

// lossGradient sets grad to the gradient of the mean loss, which it returns.
func lossGradient(grad, theta tensor.Flat, b engine.Batch) (loss float64) {
	sums := make([]float64, len(grad))
	for r := range b.Rows {
		x := b.Inputs.Reals[r*numFeatures:]
		p := probabilities(theta, x)
		loss -= math.Log(p[b.Targets.IDs[r]]) / float64(b.Rows)
		p[b.Targets.IDs[r]]--
		for c, d := range p {
			for f := range numFeatures {
				sums[c*numFeatures+f] += d * float64(x[f])
			}
			sums[numClasses*numFeatures+c] += d
		}
	}
	for i, s := range sums {
		grad[i] = float32(s / float64(b.Rows))
	}
	return loss
}

// points returns num examples around three points.
func points(tb testing.TB, num int) *examples.Set {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	text.WriteString("x,y,label\n")
	for i := range num {
		at := 2 * math.Pi * float64(i%numClasses) / numClasses
		fmt.Fprintf(&text, "%v,%v,%d\n", math.Cos(at)+0.3*r.NormFloat64(), math.Sin(at)+0.3*r.NormFloat64(), i%numClasses)
	}
	path := filepath.Join(tb.TempDir(), "points.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		tb.Fatal(err)
	}
	s, err := examples.Open(path, examples.Options{})
	if err == nil {
		s, err = s.Load(false)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// options are those of a run of clients with these numbers of examples; the last 60 of
// 300 are held out.
func options(tb testing.TB, method string, sizes ...int) Options {
	tb.Helper()
	m, err := ParseMethod(method)
	if err != nil {
		tb.Fatal(err)
	}
	o := Options{
		Set: points(tb, 300), Method: m, Open: func() (Engine, error) { return newLinear(tb), nil }, Engines: 1,
		Fraction: 1, Epochs: 2, Batch: 7, Rate: 0.3, Rounds: 3, Every: 1,
	}
	next := 0
	for _, n := range sizes {
		var own []int
		for range n {
			own = append(own, next)
			next++
		}
		o.Train = append(o.Train, own)
	}
	if next > 240 {
		tb.Fatalf("%d examples for clients, there are 240", next)
	}
	for i := 240; i < 300; i++ {
		o.Held = append(o.Held, i)
	}
	return o
}

var errTest = errors.New("test")
