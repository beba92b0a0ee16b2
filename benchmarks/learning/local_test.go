package main

// This file tests training in rounds: what is sent, what stays, what moves.

import (
	"math"
	"slices"
	"testing"

	"lode/aggregation"
	"lode/engine/model"
	"lode/gradient"
	"lode/tensor"
)

// The bytes of a round are those of the wire forms of its updates and its step.
func TestBytesAreThoseOfTheWire(t *testing.T) {
	for _, codec := range []string{topK, diloco, cosines, signs} {
		s := short(t, codec, nil)
		one, err := newLocal(s, tiny(), song())
		if err != nil {
			t.Fatal(err)
		}
		got, err := one.round(0)
		if err != nil {
			t.Fatal(err)
		}
		other, err := newLocal(s, tiny(), song())
		if err != nil {
			t.Fatal(err)
		}
		up := 0
		var cs []aggregation.Contribution
		for i, m := range other.crew.Members {
			if _, err := other.train(m, i, 0); err != nil {
				t.Fatal(err)
			}
			u, err := other.crew.Send(m, s.params(0), float32(s.Decay))
			if err != nil {
				t.Fatal(err)
			}
			up += len(u.Wire())
			cs = append(cs, aggregation.Contribution{Update: u, Clip: gradient.Unclipped})
		}
		step, err := aggregation.Merge(other.crew.Layout, s.merge(0), cs, other.crew.Outer)
		if err != nil {
			t.Fatal(err)
		}
		if got.up != up || got.down != len(step.Wire()) {
			t.Errorf("%s: %d bytes up and %d down, want %d and %d", codec, got.up, got.down, up, len(step.Wire()))
		}
	}
	size := 4 * layoutOf(t, tiny()).Len()
	if p := mustRun(t, short(t, adamW, nil)).last(); p.Up != float64(8*size) || p.Down != p.Up {
		t.Errorf("adamw: %v bytes up and %v down, want %d", p.Up, p.Down, 8*size)
	}
}

func layoutOf(t *testing.T, m model.Llama) tensor.Layout {
	t.Helper()
	l, err := model.Layout(m)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// One worker that sends everything, applied at rate 1, is that worker alone.
func TestDenseOfOneWorkerIsItsTraining(t *testing.T) {
	s := short(t, diloco, func(s *setting) { s.Workers, s.OuterRate, s.OuterMomentum = 1, 1, 0 })
	l, err := newLocal(s, tiny(), song())
	if err != nil {
		t.Fatal(err)
	}
	for step := 0; step < 6; step += s.H {
		if _, err := l.round(step); err != nil {
			t.Fatal(err)
		}
		now := make(tensor.Flat, len(l.crew.Theta))
		if err := tensor.Copy(l.crew.Layout, now, l.crew.Members[0].Engine.Params()); err != nil {
			t.Fatal(err)
		}
		for i, v := range now {
			if norm := l.crew.Layout.Spec(tensorAt(l.crew.Layout, i)); len(norm.Shape) == 1 {
				continue // 8 bits
			}
			if d := math.Abs(float64(v - l.crew.Theta[i])); d > 1e-6 {
				t.Fatalf("step %d: parameter %d is %v, the worker's %v", step, i, l.crew.Theta[i], v)
			}
		}
	}
}

func tensorAt(l tensor.Layout, i int) int {
	t := 0
	for l.Offset(t)+l.Spec(t).Len() <= i {
		t++
	}
	return t
}

// What is sent and what stays make up a = β·e + Δ.
func TestResidualIsWhatWasNotSent(t *testing.T) {
	for _, codec := range []string{topK, meanSigma} {
		s := short(t, codec, func(s *setting) { s.Workers = 1 })
		l, err := newLocal(s, tiny(), song())
		if err != nil {
			t.Fatal(err)
		}
		residual := make(tensor.Flat, l.crew.Layout.Len())
		for i := range residual {
			residual[i] = float32(i%7) * 1e-4
		}
		w := l.crew.Members[0]
		w.Residual = residual
		before, theta := slices.Clone(residual), slices.Clone(l.crew.Theta)
		if _, err := l.round(0); err != nil {
			t.Fatal(err)
		}
		now := make(tensor.Flat, len(theta))
		if err := tensor.Copy(l.crew.Layout, now, w.Engine.Params()); err != nil {
			t.Fatal(err)
		}
		numSent := 0
		for i := range theta {
			a := float32(0.95)*before[i] + (theta[i] - now[i])
			sent := a - residual[i]
			if sent != 0 {
				numSent++
			}
			if moved := theta[i] - l.crew.Theta[i]; math.Abs(float64(moved-sent)) > 0.01*math.Abs(float64(a))+2e-4 {
				t.Fatalf("%s: parameter %d moved by %v, %v was sent", codec, i, moved, sent)
			}
		}
		if numSent == 0 || numSent > len(theta)/4 {
			t.Errorf("%s: %d of %d values sent", codec, numSent, len(theta))
		}
	}
}

func TestJointLossIsTheMeanOfWorkers(t *testing.T) {
	s := short(t, adamW, nil)
	j, err := newJoint(s, tiny(), song())
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for w := range s.Workers {
		loss, err := j.e.Loss(rows(j.t.train, j.t.draw(s, w, 0), s.Seq))
		if err != nil {
			t.Fatal(err)
		}
		want += loss / float64(s.Workers)
	}
	got, err := j.round(0)
	if err != nil || math.Abs(got.loss-want) > 1e-5 {
		t.Errorf("loss %v, workers have %v on the mean, %v", got.loss, want, err)
	}
}

func TestSignStepMovesByTheRate(t *testing.T) {
	s := short(t, topK, func(s *setting) { s.SignStep, s.Warmup = true, 0 })
	l, err := newLocal(s, tiny(), song())
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(l.crew.Theta)
	got, err := l.round(0)
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for i, v := range l.crew.Theta {
		d := math.Abs(float64(v - before[i]))
		if d != 0 {
			moved++
		}
		if d != 0 && math.Abs(d-s.Rate) > 1e-6 {
			t.Fatalf("parameter %d moved by %v, want %v", i, d, s.Rate)
		}
	}
	if moved == 0 || moved == len(before) || got.down < moved/8 {
		t.Errorf("%d of %d moved, in %d bytes", moved, len(before), got.down)
	}
}
