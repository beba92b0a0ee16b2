package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lode/aggregation"
	"lode/engine/model"
	"lode/gradient"
	"lode/tensor"
)

// tiny is a model of 9,000 parameters.
func tiny() model.Llama {
	m := model.Default()
	m.Dim, m.Layers, m.Heads, m.KVHeads, m.FFN, m.Context = 16, 1, 2, 2, 32, sampleSeq
	return m
}

// song is a text that is easily learnt.
func song() text {
	b := bytes.Repeat([]byte("round and round the garden, like a teddy bear; "), 200)
	cut := len(b) * 95 / 100
	return text{b[:cut], b[cut:]}
}

// short is a setting of few and small steps.
func short(t *testing.T, method string, change func(*setting)) setting {
	t.Helper()
	s, err := defaultsOf(method)
	if err != nil {
		t.Fatal(err)
	}
	s.Name, s.Workers, s.Steps, s.Rows, s.Seq, s.Warmup = method, 2, 8, 2, 16, 2
	if method != adamW {
		s.H = 2
	}
	if change != nil {
		change(&s)
	}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	return s
}

// waysOf are all methods, and DeMo.
func waysOf(t *testing.T) map[string]setting {
	ways := map[string]setting{
		"demo": short(t, cosines, func(s *setting) {
			s.H, s.Raw, s.SignStep, s.Decay, s.StepBits = 1, true, true, 0.999, 24
		}),
		"boosted": short(t, topK, func(s *setting) { s.Boost, s.BoostPart = 8, 0.5 }),
		"forgets": short(t, topK, func(s *setting) { s.Forget = true }),
		"thin":    short(t, topK, func(s *setting) { s.StepKeep = 32 }),
	}
	for _, m := range []string{adamW, diloco, topK, shared, cosines, signs, meanSigma} {
		ways[m] = short(t, m, nil)
	}
	return ways
}

func mustRun(t *testing.T, s setting) result {
	t.Helper()
	r, err := run(t.Context(), s, tiny(), song())
	if err != nil || r.Fault != "" || len(r.Points) == 0 {
		t.Fatal(s.Name, err, r.Fault)
	}
	for i := range r.Points {
		r.Points[i].CPU = 0
	}
	return r
}

func TestSameSeedSameRun(t *testing.T) {
	for name, s := range waysOf(t) {
		first := mustRun(t, s)
		if again := mustRun(t, s); !reflect.DeepEqual(again, first) {
			t.Errorf("%s: %v, then %v", name, first, again)
		}
		p := first.last()
		if p.Steps != 8 || p.Tokens != 8*2*2*16 || p.Rounds != 8/s.H || p.Up <= 0 || p.Down <= 0 {
			t.Errorf("%s: ends at %+v", name, p)
		}
		s.Seed = 2
		if other := mustRun(t, s); other.last().HeldOut == p.HeldOut || other.last().Train == p.Train {
			t.Errorf("%s: another seed has the same losses", name)
		}
	}
}

// Every choice of a setting changes the run.
func TestEveryChoiceCounts(t *testing.T) {
	base := short(t, topK, func(s *setting) { s.Boost, s.BoostPart = 2, 0.5 })
	was := mustRun(t, base).last()
	for name, change := range map[string]func(*setting){
		"rate":         func(s *setting) { s.Rate /= 2 },
		"warm-up":      func(s *setting) { s.Warmup = 0 },
		"schedule":     func(s *setting) { s.Schedule = "cosine" },
		"weight decay": func(s *setting) { s.WeightDecay = 1 },
		"clip norm":    func(s *setting) { s.ClipNorm = 1e-9 },
		"forget":       func(s *setting) { s.Forget = true },
		"k":            func(s *setting) { s.K *= 2 },
		"k embed":      func(s *setting) { s.KEmbed = 1024 },
		"bits":         func(s *setting) { s.Bits = 1 },
		"decay":        func(s *setting) { s.Decay = 0.5 },
		"carry":        func(s *setting) { s.Carry = true },
		"senders":      func(s *setting) { s.Senders = true },
		"boost":        func(s *setting) { s.Boost = 8 },
		"boost late":   func(s *setting) { s.BoostLate = true },
		"boost part":   func(s *setting) { s.BoostPart = 1 },
		"outer rate":   func(s *setting) { s.OuterRate = 0.5 },
		"momentum":     func(s *setting) { s.OuterMomentum = 0.5 },
		"step bits":    func(s *setting) { s.StepBits = 3 },
		"sign step":    func(s *setting) { s.SignStep = true },
		"h":            func(s *setting) { s.H = 4 },
		"early h":      func(s *setting) { s.EarlyH = 1 },
		"workers":      func(s *setting) { s.Workers = 3 },
	} {
		s := base
		change(&s)
		if got := mustRun(t, s).last(); got.HeldOut == was.HeldOut {
			t.Errorf("%s makes no difference", name)
		}
	}
}

// All methods learn: the text can be predicted almost without loss, 5.55 is
// knowing nothing.
func TestAllLearn(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	for name, s := range waysOf(t) {
		s.Steps, s.Rate, s.K, s.StepKeep, s.OuterMomentum = 120, 0.02, 8*s.K, 8*s.StepKeep, s.OuterMomentum/2
		r := mustRun(t, s)
		if got := r.last().HeldOut; got > 2 {
			t.Errorf("%s: loss %v", name, got)
		}
		var steps []int
		for _, p := range r.Points {
			steps = append(steps, p.Steps)
		}
		if !slices.Equal(steps, []int{30, 60, 120}) {
			t.Errorf("%s: points after %v steps", name, steps)
		}
	}
}

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
		for i, w := range other.workers {
			if _, err := other.train(w, i, 0); err != nil {
				t.Fatal(err)
			}
			u, err := gradient.Encode(other.layout, s.params(0), w.residual)
			if err != nil {
				t.Fatal(err)
			}
			up += len(u.Wire())
			cs = append(cs, aggregation.Contribution{Update: u, Clip: gradient.Unclipped})
		}
		step, err := aggregation.Merge(other.layout, s.merge(0), cs, other.momenta)
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
	l, err := m.Layout()
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
		now := make(tensor.Flat, len(l.theta))
		if err := tensor.Copy(l.layout, now, l.workers[0].e.Params()); err != nil {
			t.Fatal(err)
		}
		for i, v := range now {
			if norm := l.layout.Spec(tensorAt(l.layout, i)); len(norm.Shape) == 1 {
				continue // 8 bits
			}
			if d := math.Abs(float64(v - l.theta[i])); d > 1e-6 {
				t.Fatalf("step %d: parameter %d is %v, the worker's %v", step, i, l.theta[i], v)
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
		w := l.workers[0]
		for i := range w.residual {
			w.residual[i] = float32(i%7) * 1e-4
		}
		before, theta := slices.Clone(w.residual), slices.Clone(l.theta)
		if _, err := l.round(0); err != nil {
			t.Fatal(err)
		}
		now := make(tensor.Flat, len(theta))
		if err := tensor.Copy(l.layout, now, w.e.Params()); err != nil {
			t.Fatal(err)
		}
		numSent := 0
		for i := range theta {
			a := float32(0.95)*before[i] + (theta[i] - now[i])
			sent := a - w.residual[i]
			if sent != 0 {
				numSent++
			}
			if moved := theta[i] - l.theta[i]; math.Abs(float64(moved-sent)) > 0.01*math.Abs(float64(a))+2e-4 {
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
	before := slices.Clone(l.theta)
	got, err := l.round(0)
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for i, v := range l.theta {
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

// Shares and errors of the quantiser that are known of its original (top 64 of
// chunks of 4,096, whole tensor quantised together).
func TestMeanSigmaCodes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		freedom           int // of Student's t, 0 for normal
		least, most, tiny float64
	}{
		"normal":    {0, 0.010, 0.015, 0.01},
		"student 3": {3, 0.2, 0.5, 1},
	} {
		var kept []float64
		for range 64 {
			vals := make([]float32, tensor.ChunkLen)
			for i := range vals {
				sum := 0.0
				for range c.freedom {
					x := r.NormFloat64()
					sum += x * x
				}
				vals[i] = float32(r.NormFloat64())
				if c.freedom > 0 {
					vals[i] /= float32(math.Sqrt(sum / float64(c.freedom)))
				}
			}
			for _, at := range largest(vals, 64) {
				kept = append(kept, float64(vals[at]))
			}
		}
		codes, lookup := meanSigmaCodes(kept)
		lost, all, middle := 0.0, 0.0, 0.0
		for i, v := range kept {
			d := v - lookup[codes[i]]
			lost, all = lost+d*d, all+v*v
			if codes[i] == 2 {
				middle += 1 / float64(len(kept))
			}
		}
		if got := lost / all; got < c.least || got > c.most || middle > c.tiny {
			t.Errorf("%s: relative error %.4f, want %v to %v; %.3f in the middle", name, got, c.least, c.most, middle)
		}
	}
	if codes, lookup := meanSigmaCodes([]float64{3, 3, 3}); lookup[codes[0]] != 3 {
		t.Errorf("equal values decode to %v", lookup)
	}
	meanSigmaCodes(nil)
}

func TestLargest(t *testing.T) {
	if got := largest([]float32{1, -3, 2, 3, -1}, 3); !slices.Equal(got, []uint16{1, 2, 3}) {
		t.Error(got)
	}
	if got := largest([]float32{0, 1, -1, 1}, 2); !slices.Equal(got, []uint16{1, 2}) {
		t.Error("ties:", got)
	}
}

func TestRates(t *testing.T) {
	s := setting{Rate: 1, Warmup: 3, Steps: 103, Schedule: "constant"}
	if s.rateAt(0) != 0.25 || s.rateAt(2) != 0.75 || s.rateAt(3) != 1 || s.rateAt(102) != 1 {
		t.Error("constant:", s.rateAt(0), s.rateAt(2), s.rateAt(3))
	}
	s.Schedule = "cosine"
	if s.rateAt(3) != 1 || math.Abs(s.rateAt(53)-0.55) > 1e-9 || math.Abs(s.rateAt(103)-0.1) > 1e-9 {
		t.Error("cosine:", s.rateAt(3), s.rateAt(53), s.rateAt(103))
	}
}

func TestSampleSpansWhatIsHeldOut(t *testing.T) {
	held := make([]byte, 5000)
	for i := range held {
		held[i] = byte(i >> 5)
	}
	batches := text{held: held}.sample()
	num := 0
	for _, b := range batches {
		num += b.NumTargets()
	}
	last := batches[sampleBatches-1].Targets.IDs
	if num != 64*64*16 || batches[0].Inputs.IDs[0] != 0 || last[len(last)-1] != int32(held[4999]) {
		t.Errorf("%d targets, the last is %d", num, last[len(last)-1])
	}
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestResumes(t *testing.T) {
	plan := []setting{short(t, topK, nil), short(t, adamW, nil)}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	do := func() (string, string) {
		t.Helper()
		var out strings.Builder
		if err := runAll(t.Context(), plan, path, tiny(), song(), &out); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b), out.String()
	}
	first, said := do()
	if strings.Count(first, "\n") != 2 || strings.Count(said, "\n") != 2 {
		t.Fatalf("two runs left\n%s\nand said\n%s", first, said)
	}
	if again, said := do(); again != first || said != "" {
		t.Errorf("finished runs were run again: %s", said)
	}
	if err := os.Truncate(path, int64(len(first)-20)); err != nil {
		t.Fatal(err)
	}
	if again, said := do(); strings.Count(said, "\n") != 1 || withoutCPU(t, again) != withoutCPU(t, first) {
		t.Errorf("after a torn line the file is\n%s\nwant\n%s", again, first)
	}
	plan = append(plan, short(t, topK, func(s *setting) { s.Seed = 2 }))
	if more, _ := do(); strings.Count(more, "\n") != 3 {
		t.Errorf("a third run left\n%s", more)
	}
}

func withoutCPU(t *testing.T, lines string) string {
	t.Helper()
	all, err := readResults(writeFile(t, "r", lines))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		for i := range r.Points {
			r.Points[i].CPU = 0
		}
	}
	return fmt.Sprint(all)
}

func TestStopsWhenToldTo(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if err := runAll(ctx, []setting{short(t, topK, nil)}, path, tiny(), song(), os.Stderr); err == nil {
		t.Error("went on")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a run that was stopped has a result")
	}
}

// A run that diverges is a result, once.
func TestDivergence(t *testing.T) {
	s := short(t, topK, func(s *setting) { s.Rate, s.ClipNorm = 1e30, 0 })
	r, err := run(t.Context(), s, tiny(), song())
	if err != nil || r.Fault == "" {
		t.Errorf("rate 1e30: %v, %v", r, err)
	}
}

func TestPlan(t *testing.T) {
	all, err := readPlan(writeFile(t, "plan", "# two\n\n"+
		`{"name":"a","method":"topk","k":32,"seeds":[3,4],"outer_rate":1.5}`+"\n"+`{"name":"b","method":"adamw"}`))
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	if a := all[1]; a.K != 32 || a.Seed != 4 || a.OuterRate != 1.5 || a.Bits != 2 || a.Decay != 0.95 || a.Workers != 8 {
		t.Errorf("%+v", a)
	}
	if b := all[2]; b.Seed != 1 || b.H != 1 {
		t.Errorf("%+v", b)
	}
	for name, line := range map[string]string{
		"no object":        `7`,
		"no method":        `{"name":"a"}`,
		"unknown method":   `{"name":"a","method":"magic"}`,
		"unknown field":    `{"name":"a","method":"topk","kay":3}`,
		"no name":          `{"method":"topk"}`,
		"uneven":           `{"name":"a","method":"topk","h":7}`,
		"no inner step":    `{"name":"a","method":"topk","h":0}`,
		"no workers":       `{"name":"a","method":"topk","workers":0}`,
		"huge batch":       `{"name":"a","method":"topk","rows":1000000,"seq":1000000}`,
		"k 0":              `{"name":"a","method":"topk","k":0}`,
		"k huge":           `{"name":"a","method":"topk","k":4097}`,
		"k of sigma":       `{"name":"a","method":"meansigma","k":0}`,
		"bits":             `{"name":"a","method":"topk","bits":5}`,
		"bits of sigma":    `{"name":"a","method":"meansigma","bits":3}`,
		"decay":            `{"name":"a","method":"topk","decay":1.5}`,
		"schedule":         `{"name":"a","method":"topk","schedule":"step"}`,
		"outer rate 0":     `{"name":"a","method":"topk","outer_rate":0}`,
		"outer rate below": `{"name":"a","method":"topk","outer_rate":-1}`,
		"momentum 1":       `{"name":"a","method":"topk","outer_momentum":1}`,
		"boost 0":          `{"name":"a","method":"topk","boost":0}`,
		"rate below 0":     `{"name":"a","method":"topk","rate":-1}`,
		"rounds of adamw":  `{"name":"a","method":"adamw","h":5}`,
		"raw, late":        `{"name":"a","method":"dct","raw":true}`,
	} {
		if all, err := parseSettings([]byte(line)); err == nil {
			t.Errorf("%s: accepted as %+v", name, all)
		}
	}
}

func FuzzParseSettings(f *testing.F) {
	f.Add([]byte(`{"name":"a","method":"topk","k":32,"seeds":[3,4]}`))
	f.Add([]byte(`{"name":"a","method":"adamw","h":1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		all, err := parseSettings(line)
		if err != nil {
			return
		}
		for _, s := range all {
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := parseSettings(b); err != nil || len(again) != 1 || again[0] != s {
				t.Fatalf("%+v came back as %+v, %v", s, again, err)
			}
		}
	})
}

func TestTable(t *testing.T) {
	s := short(t, topK, func(s *setting) { s.Steps = 480 })
	at := func(seed uint64, loss float64) result {
		s.Seed = seed
		return result{Setting: s, Points: []point{{HeldOut: loss, Rounds: 10, Up: 50, Down: 100, CPU: 7}}}
	}
	broken := at(1, 0)
	broken.Setting.Rate, broken.Fault, broken.Points = 9, "step 3: loss is NaN", nil
	var out strings.Builder
	if err := writeTable(&out, []result{broken, at(1, 2), at(2, 2.5)}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 5 || !strings.Contains(lines[2], "| 2 | 2.2500 | 2.0000 – 2.5000 | 10 | 5 |") || !strings.Contains(lines[3], "diverged: step 3") {
		t.Errorf("the table is\n%s", out.String())
	}
}

func TestCommandRefuses(t *testing.T) {
	small := writeFile(t, "small", "too small")
	for name, args := range map[string][]string{
		"flag":    {"-fast"},
		"no text": {"-data", "nowhere", "-plan", small},
		"small":   {"-data", small, "-plan", small},
		"results": {"-table", "-results", small},
	} {
		if err := command(t.Context(), args, &strings.Builder{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
