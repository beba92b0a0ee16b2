package score

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestWork(t *testing.T) {
	u := Pair{Own: 5, Shared: 4}
	for _, c := range []struct {
		name   string
		others []Pair
		want   float64
	}{
		{"alone", nil, 1},
		{"others are worth nothing", []Pair{{Own: 9, Shared: 0}, {Own: 9, Shared: -3}}, 1},
		{"the batch is easy for all", []Pair{{Own: 10, Shared: 8}}, 0},
		{"the batch is hard for others", []Pair{{Own: 1, Shared: 2}}, 3},
		{"lower median", []Pair{{Own: 1, Shared: 1}, {Own: 1, Shared: 2}}, 3},
		{"one liar of three", []Pair{{Own: 1, Shared: 2}, {Own: 1, Shared: 2}, {Own: 1e9, Shared: 1e-9}}, 3},
	} {
		if got := Work(u, c.others); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// How hard the batch is that was drawn says less about work than the work itself.
func TestWorkIsClear(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	plain, clear := 0.0, 0.0
	for range 1000 {
		hard := 1 + 0.5*rng.NormFloat64()
		others := make([]Pair, 4)
		for i := range others {
			s := 1 + 0.1*rng.NormFloat64()
			others[i] = Pair{Own: s*hard + 0.05*rng.NormFloat64(), Shared: s}
		}
		u := Pair{Own: hard + 0.2, Shared: 1} // of which 0.2 is work
		plain += math.Abs(Work(u, nil) - 0.2)
		clear += math.Abs(Work(u, others) - 0.2)
	}
	if clear > plain/4 {
		t.Errorf("errs by %.3f with others and %.3f without", clear/1000, plain/1000)
	}
}
