package federated

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"lode/aggregation"
	"lode/data/chance"
	"lode/protocol"
	"lode/tensor"
)

// play returns what became of a run.
func play(t *testing.T, o Options) (tensor.Flat, []Round) {
	t.Helper()
	var rounds []Round
	o.Each = func(r Round) { rounds = append(rounds, r) }
	theta, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(rounds) != o.Rounds+1 {
		t.Fatalf("told of %d rounds, want %d and the start", len(rounds), o.Rounds)
	}
	return theta, rounds
}

// twin is FedAvg with a proximal term as its papers write it, in float64 but for the
// parameters of clients. It takes the same clients and batches.
func twin(t *testing.T, o Options, rounds []Round) tensor.Flat {
	theta := slices.Clone(newLinear(t).theta)
	for _, r := range rounds[1:] {
		sum, samples := make([]float64, len(theta)), 0.0
		for _, c := range r.Clients {
			w := slices.Clone(theta)
			for epoch := range o.Epochs {
				order := shuffled(o.Train[c], chance.New("federated batches", o.Seed, r.Number, c, epoch))
				for of := range slices.Chunk(order, o.Batch) {
					b, err := newBatches(o.Set, newLinear(t)).of(of)
					if err != nil {
						t.Fatal(err)
					}
					g := make(tensor.Flat, len(w))
					lossGradient(g, w, b)
					for i := range w {
						w[i] -= float32(o.Rate * (float64(g[i]) + o.Method.Proximal*float64(w[i]-theta[i])))
					}
				}
			}
			for i, v := range w {
				sum[i] += float64(len(o.Train[c])) * float64(v)
			}
			samples += float64(len(o.Train[c]))
		}
		for i := range theta {
			theta[i] = float32(sum[i] / samples)
		}
	}
	return theta
}

func near(t *testing.T, what string, got, want tensor.Flat, within float64) {
	t.Helper()
	for i, v := range got {
		if d := math.Abs(float64(v - want[i])); !(d <= within) {
			t.Errorf("%s: parameter %d is %v, want %v", what, i, v, want[i])
		}
	}
}

// Float32 parameters below 4 and 24-bit steps leave errors below 1e-6 a round.
func TestFedAvgAndFedProxAreTheirDefinitions(t *testing.T) {
	for _, method := range []string{"fedavg", "fedprox"} {
		for _, fraction := range []float64{1, 0.4} {
			o := options(t, method, 50, 7, 90, 1, 33)
			o.Fraction = fraction
			theta, rounds := play(t, o)
			near(t, method, theta, twin(t, o, rounds), 1e-5)
			if moved := theta[0] - newLinear(t).theta[0]; math.Abs(float64(moved)) < 0.01 {
				t.Errorf("%s hardly moves", method)
			}
		}
	}
	o := options(t, "fedprox", 50, 50)
	o.Method.Proximal = 1
	prox, _ := play(t, o)
	o.Method.Proximal = 0
	avg, _ := play(t, o)
	start := newLinear(t).theta
	if distance(prox, start) > 0.9*distance(avg, start) {
		t.Error("a proximal term does not hold clients back")
	}
}

func distance(a, b tensor.Flat) float64 {
	sum := 0.0
	for i, v := range a {
		sum += float64(v-b[i]) * float64(v-b[i])
	}
	return math.Sqrt(sum)
}

// One step of every client on all it has is one step on all examples (FedSGD).
func TestFedSGDIsGradientDescent(t *testing.T) {
	o := options(t, "fedavg", 60, 5, 100)
	o.Epochs, o.Batch, o.Rounds = 1, 0, 1
	theta, _ := play(t, o)
	b, err := newBatches(o.Set, newLinear(t)).of(slices.Concat(o.Train...))
	if err != nil {
		t.Fatal(err)
	}
	want := newLinear(t).theta
	g := make(tensor.Flat, len(want))
	lossGradient(g, want, b)
	for i := range want {
		want[i] -= 0.3 * g[i]
	}
	near(t, "FedSGD", theta, want, 1e-6)
}

// The number of engines, and whether parameters can be looked at where they lie, do
// not matter to a bit; the seed does.
func TestSameSeedSameRun(t *testing.T) {
	for _, p := range methods {
		method := p.name
		o := options(t, method, 50, 7, 90, 1, 33, 20)
		o.Fraction, o.Method.Merge.StepBits = 0.5, 24
		_, want := play(t, o)
		for engines := 2; engines < 5; engines++ {
			o.Engines = engines
			o.Open = func() (Engine, error) {
				e := newLinear(t)
				e.hidden = engines == 3
				return e, nil
			}
			if _, got := play(t, o); got[3].Model != want[3].Model || !slices.Equal(got[2].Clients, want[2].Clients) || got[3].Loss != want[3].Loss {
				t.Errorf("%s: %d engines make another model", method, engines)
			}
		}
		o.Seed = protocol.Digest{1}
		if _, got := play(t, o); got[3].Model == want[3].Model {
			t.Errorf("%s: another seed makes the same model", method)
		}
	}
}

// Every method learns to tell three clouds of points, also where each client has seen
// only one of them.
func TestMethodsLearn(t *testing.T) {
	for _, p := range methods {
		method := p.name
		o := options(t, method, 80, 80, 80)
		for c := range o.Train {
			o.Train[c] = nil
			for i := range 80 {
				o.Train[c] = append(o.Train[c], 3*i+c)
			}
		}
		o.Rounds, o.Rate = 40, 0.05
		o.Kept = [][]int{{0, 3}, nil, {2}}
		_, rounds := play(t, o)
		first, last := rounds[0], rounds[len(rounds)-1]
		if last.Global.Accuracy < 0.95 || last.Global.Loss > first.Global.Loss*3/4 || first.Global.Samples != 60 {
			t.Errorf("%s: from %+v to %+v", method, *first.Global, *last.Global)
		}
		if last.Own == nil || last.Own.Clients != 2 {
			t.Errorf("%s: of what two clients keep back: %+v", method, last.Own)
		}
	}
}

func TestDrawsClients(t *testing.T) {
	for _, c := range []struct {
		fraction float64
		want     int
	}{{1, 30}, {0.1, 3}, {0.101, 4}, {0.001, 1}, {0.5, 15}} {
		s := &server{Options: &Options{Fraction: c.fraction}, clients: make([]int, 30)}
		if got := s.perRound(); got != c.want {
			t.Errorf("a fraction of %v of 30 clients is %d, want %d", c.fraction, got, c.want)
		}
	}
	o := options(t, "fedavg", 5, 0, 5, 5, 0, 5)
	o.Fraction, o.Rounds = 0.5, 30
	_, rounds := play(t, o)
	seen := map[int]int{}
	for _, r := range rounds[1:] {
		if len(r.Clients) != 2 || r.Clients[0] == r.Clients[1] || r.Samples != 10 {
			t.Fatalf("round %d has clients %v with %d samples", r.Number, r.Clients, r.Samples)
		}
		for _, c := range r.Clients {
			seen[c]++
		}
	}
	for c, n := range seen { // of 30, deviation 2.7
		if n < 4 || n > 26 || len(o.Train[c]) == 0 {
			t.Errorf("client %d trained in %d of 30 rounds", c, n)
		}
	}
}

// Weights follow samples, up to what counts; other rules have none.
func TestMergeOfTheMethod(t *testing.T) {
	o := options(t, "fedavg", 200, 10)
	_, weighted := play(t, o)
	o.Method.Merge.MaxSamples = 10
	_, capped := play(t, o)
	o.Method.Merge.MaxSamples = 0
	_, alike := play(t, o)
	if capped[3].Model != alike[3].Model || weighted[3].Model == alike[3].Model {
		t.Error("samples do not weigh as they are capped")
	}
	o.Method.Merge.Rule = aggregation.Median
	play(t, o)
}

// The model is measured when it is time, and at the end.
func TestMeasuresEvery(t *testing.T) {
	o := options(t, "fedavg", 50, 50)
	o.Rounds, o.Every = 7, 3
	_, rounds := play(t, o)
	for i, r := range rounds {
		if want := i%3 == 0 || i == 7; (r.Global != nil) != want || r.Own != nil || r.Model == "" {
			t.Errorf("round %d: %+v", i, r)
		}
	}
}

func TestSpread(t *testing.T) {
	var each []Quality
	for i := range 11 {
		each = append(each, Quality{Loss: 1, Accuracy: float64(10-i) / 10})
	}
	s := spreadOf(each)
	for name, c := range map[string][2]float64{
		"mean": {s.Mean, 0.5}, "worst two": {s.Worst, 0.05}, "deviation": {s.Deviation, math.Sqrt(0.1)}, "loss": {s.Loss, 1},
	} {
		if math.Abs(c[0]-c[1]) > 1e-12 {
			t.Errorf("%s is %v, want %v", name, c[0], c[1])
		}
	}
}

func TestRefusals(t *testing.T) {
	for words, edit := range map[string]func(*Options){
		"0 engines":      func(o *Options) { o.Engines = 0 },
		"fraction":       func(o *Options) { o.Fraction = 1.1 },
		"every 0 rounds": func(o *Options) { o.Every = 0 },
		"0 epochs":       func(o *Options) { o.Epochs = 0 },
		"batches of -1":  func(o *Options) { o.Batch = -1 },
		"rate":           func(o *Options) { o.Rate = math.NaN() },
		"proximal":       func(o *Options) { o.Method.Proximal = -1 },
		"held out":       func(o *Options) { o.Held = nil },
		"no client":      func(o *Options) { o.Train = [][]int{nil} },
		"keep something": func(o *Options) { o.Kept = make([][]int, 3) },
		"no rule":        func(o *Options) { o.Method.Merge.Rule = "best" },
		"lower rate":     func(o *Options) { o.Rate = 1e5; o.Rounds = 50; o.Method.Merge.Rate = 4 * aggregation.One },
		"test":           func(o *Options) { o.Open = func() (Engine, error) { return nil, errTest } },
	} {
		o := options(t, "fedavg", 50, 50)
		edit(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: error %v", words, err)
		}
	}
	for _, c := range [][2]string{
		{"fedsgd", "fedprox"},
		{"", "no method"},
		{"fedavg:", "number"},
		{"fedavg:x", "number"},
		{"fedadam:5", "number"},
		{"fedprox:-1", "number"},
		{"fedprox:nan", "number"},
		{"fedavg:0", "rate is 0"},
	} {
		if _, err := ParseMethod(c[0]); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%q: error %v, want one that says %q", c[0], err, c[1])
		}
	}
}

// The number after the colon is µ for fedprox, the server's rate for all others, and
// what help says is usual is what is taken.
func TestParseMethod(t *testing.T) {
	for _, p := range methods {
		usual, err := ParseMethod(p.name)
		if err != nil {
			t.Fatal(err)
		}
		said, err := ParseMethod(fmt.Sprintf("%s:%v", p.name, p.usual))
		if err != nil || said != usual || !strings.Contains(Methods, p.name+"[:") {
			t.Errorf("%s: %+v and %+v, error %v", p.name, usual, said, err)
		}
		m, err := ParseMethod(p.name + ":0.5")
		if want := [2]float64{0, 0.5}; err != nil || !p.proximal && [2]float64{m.Proximal, float64(m.Merge.Rate) / aggregation.One} != want || p.proximal && m.Proximal != 0.5 {
			t.Errorf("%s:0.5: %+v, error %v", p.name, m, err)
		}
	}
}

// A run that is stopped says why, and closes its engines.
func TestStop(t *testing.T) {
	o := options(t, "fedavg", 50, 50, 50)
	o.Engines, o.Rounds = 3, 1000
	closed := 0
	o.Open = func() (Engine, error) {
		e := newLinear(t)
		e.closed = &closed
		return e, nil
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	last := 0
	o.Each = func(r Round) {
		if last = r.Number; last == 5 {
			cancel(errTest)
		}
	}
	if _, err := Run(ctx, o); !errors.Is(err, errTest) || last != 5 || closed != 3 {
		t.Errorf("error %v after round %d, %d engines closed", err, last, closed)
	}
}
