package aggregation

// This file tests thin steps.

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"lode/gradient"
	"lode/tensor"
)

func thinConfig(p gradient.Params, keep int) Config {
	cfg := DefaultConfig(p)
	cfg.StepKeep = keep
	return cfg
}

// stepValues returns what a step subtracts, in units of 2^−Unit.
func stepValues(l tensor.Layout, s *Step, cfg Config) []int64 {
	out := make([]int64, l.Len())
	for c := range l.Chunks() {
		entries, exp := s.Entries(nil, c)
		for _, e := range entries {
			out[c.Offset+int(e.Pos)] = e.Value << (exp + cfg.Unit)
		}
	}
	return out
}

// What does not move now waits to the last unit: all steps and what waits at the
// end add up to all merges, whatever the rounding of steps.
func TestThinStepsLoseNothing(t *testing.T) {
	l := layoutOf(t,
		tensor.Spec{Name: "embed", Shape: []int{100, 90}, Kind: tensor.Embedding},
		tensor.Spec{Name: "norm", Shape: []int{90}},
		tensor.Spec{Name: "frozen", Shape: []int{70, 90}, Kind: tensor.Frozen},
		tensor.Spec{Name: "head", Shape: []int{60, tensor.ChunkLen}},
	)
	p := gradient.DefaultParams()
	for _, bits := range []int{4, 8, 20} {
		cfg := thinConfig(p, 40)
		cfg.StepBits = bits
		state := planesOf(t, l, cfg)
		moved, merged := make([]int64, l.Len()), make([]int64, l.Len())
		for round := range 5 {
			cs := contributions(t, l, p, uint64(round), 3)
			all := make([]int64, l.Len())
			if err := Combine(all, l, cfg, cs); err != nil {
				t.Fatal(err)
			}
			s := mustMerge(t, l, cfg, cs, state)
			for i, v := range stepValues(l, s, cfg) {
				moved[i] += v
				merged[i] += all[i]
			}
			checkThin(t, l, cfg, s)
		}
		for i, waits := range state[0] {
			if moved[i]+waits != merged[i] {
				t.Fatalf("%d bits, value %d: moved %d and waiting %d, merged %d", bits, i, moved[i], waits, merged[i])
			}
		}
	}
}

func checkThin(t *testing.T, l tensor.Layout, cfg Config, s *Step) {
	t.Helper()
	for c := range l.Chunks() {
		entries, _ := s.Entries(nil, c)
		if most := keptOf(l.Spec(c.Tensor), c.Len, cfg); len(entries) > most {
			t.Fatalf("tensor %d chunk %d: %d values move, at most %d may", c.Tensor, c.Index, len(entries), most)
		}
	}
	back, err := ParseStepWire(l, cfg, s.Wire())
	if err != nil || !bytes.Equal(back.Plain(), s.Plain()) {
		t.Fatalf("wire form: %v", err)
	}
}

// The values that move are the largest, the lower index first among equals.
func TestThinKeepsTheLargest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var sc scratch
	for range 500 {
		n := 1 + r.IntN(tensor.ChunkLen)
		vals, waiting := make([]int64, n), make([]int64, n)
		span := int64(1) << r.IntN(50)
		for i := range vals {
			vals[i], waiting[i] = r.Int64N(2*span+1)-span, (r.Int64N(2*span+1)-span)*int64(r.IntN(2))
		}
		k := r.IntN(n + 2)
		order := make([]int, n)
		sums := make([]int64, n)
		for i := range order {
			order[i], sums[i] = i, vals[i]+waiting[i]
		}
		slices.SortStableFunc(order, func(a, b int) int {
			switch x, y := magnitude(sums[a]), magnitude(sums[b]); {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
		want := make([]int64, n)
		for _, i := range order[:min(k, n)] {
			want[i] = sums[i]
		}
		thin(vals, waiting, k, &sc)
		if !slices.Equal(vals, want) || !slices.Equal(waiting, sums) {
			t.Fatalf("n %d, k %d: got\n%v, want\n%v", n, k, vals, want)
		}
	}
}

// Sums that pass the state's bound stay on it, whatever the optimizer makes.
func TestThinIsBounded(t *testing.T) {
	const most = int64(1<<63 - 1)
	vals := []int64{most, -most, 5, most}
	waiting := []int64{stateBound, -stateBound, 1, -stateBound}
	thin(vals, waiting, 1, new(scratch))
	if want := []int64{stateBound, -stateBound, 6, 0}; !slices.Equal(waiting, want) {
		t.Errorf("got %v, want %v", waiting, want)
	}
	if want := []int64{stateBound, 0, 0, 0}; !slices.Equal(vals, want) {
		t.Errorf("got %v, want %v", vals, want)
	}
}

func TestThinDoesNotDependOnOrderOrCores(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{50, 3000}})
	p := gradient.DefaultParams()
	cfg := nesterovConfig(p)
	cfg.StepKeep = 100
	cs := contributions(t, l, p, 1, 9)
	var want []byte
	var wantState Planes
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for i := range 4 {
		runtime.GOMAXPROCS(1 + i)
		state := planesOf(t, l, cfg)
		mustMerge(t, l, cfg, cs[:4], state)
		s := mustMerge(t, l, cfg, cs, state)
		if want == nil {
			want, wantState = s.Plain(), state
		}
		if !bytes.Equal(s.Plain(), want) || !slices.Equal(state[0], wantState[0]) || !slices.Equal(state[1], wantState[1]) {
			t.Fatalf("%d cores: another step", i+1)
		}
		slices.Reverse(cs[:4])
		slices.Reverse(cs[4:])
		cs[4], cs[6] = cs[6], cs[4]
	}
}

// A step that moves more than it may, or what is frozen, is refused.
func TestThickStepsAreRefused(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{2, tensor.ChunkLen}}, tensor.Spec{Name: "b", Shape: []int{8}})
	p := gradient.DefaultParams()
	s := mustMerge(t, l, DefaultConfig(p), contributions(t, l, p, 1, 3), nil)
	if _, err := ParseStepPlain(l, thinConfig(p, 10), s.Plain()); !errors.Is(err, gradient.ErrMalformed) {
		t.Errorf("plain form: %v", err)
	}
	if _, err := ParseStepWire(l, thinConfig(p, 10), s.Wire()); !errors.Is(err, gradient.ErrMalformed) {
		t.Errorf("wire form: %v", err)
	}
	if _, err := ParseStepPlain(l.Freeze([]bool{true, false}), DefaultConfig(p), s.Plain()); !errors.Is(err, gradient.ErrMalformed) {
		t.Errorf("frozen: %v", err)
	}
	if _, err := Merge(l, thinConfig(p, 10), contributions(t, l, p, 1, 3), nil); !errors.Is(err, gradient.ErrParams) {
		t.Errorf("no state: %v", err)
	}
}
