package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lode/gradient"
	"lode/tensor"
	"lode/validator/score"
)

// shared is a file of the fixtures.
func shared(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv("LODE_SHARED")
	if folder == "" {
		folder = "../../../shared"
	}
	path := filepath.Join(folder, "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("LODE_SHARED: %v", err)
	}
	return path
}

func allDigits(t *testing.T) digits {
	t.Helper()
	all, err := readDigits(shared(t, "t10k-images-idx3-ubyte.gz"), shared(t, "t10k-labels-idx1-ubyte.gz"))
	if err != nil || len(all) != 10_000 {
		t.Fatalf("%d digits: %v", len(all), err)
	}
	return all
}

// What ByzFL's attacks make of its example (byzfl/attacks/attacks.py, doc strings).
func TestAttacksAreThoseOfByzFL(t *testing.T) {
	x := []tensor.Flat{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}
	for name, want := range map[string]tensor.Flat{
		"sign flip": {-4, -5, -6}, "inner product": {-8, -10, -12}, "a little is enough": {8.5, 9.5, 10.5},
	} {
		for i, v := range attackNamed(t, name).make(x, x[0], nil) {
			if v != want[i] {
				t.Errorf("%s: place %d is %v, want %v", name, i, v, want[i])
			}
		}
	}
}

// The gradient is that of finite differences, but for kinks of the hidden layer
// between the two.
func TestGradient(t *testing.T) {
	all := allDigits(t)
	theta := newModel(rand.New(rand.NewPCG(1, 1)))
	for i := biasAt; i < outAt; i++ {
		theta[i] = 0.1
	}
	one := func(d *digit) batch {
		b := newBatch(1)
		b.add(d)
		return b
	}
	loss := func(d *digit) float64 {
		_, p := forward(theta, one(d))
		return -math.Log(float64(p.Data[d.label]))
	}
	r := rand.New(rand.NewPCG(2, 2))
	kinks := 0
	for range 40 {
		d := all[r.IntN(len(all))]
		grad := make(tensor.Flat, numAll)
		addGradient(grad, theta, one(d))
		places := []int{(numPixels/2+r.IntN(side))*numHidden + r.IntN(numHidden), biasAt + r.IntN(numHidden), outAt + r.IntN(outBias-outAt), outBias + r.IntN(numLabels)}
		for _, at := range places {
			const h = 1e-3
			was := theta[at]
			theta[at] = was + h
			up := loss(d)
			theta[at] = was - h
			down := loss(d)
			theta[at] = was
			if got, want := float64(grad[at]), (up-down)/(2*h); math.Abs(got-want) > 2e-3+0.02*math.Abs(want) {
				t.Logf("parameter %d: gradient %v, by differences %v", at, got, want)
				kinks++
			}
		}
	}
	if kinks > 2 {
		t.Errorf("%d of 160 differ", kinks)
	}
}

// Every digit is dealt once, and a small alpha makes workers unlike.
func TestDeal(t *testing.T) {
	all := allDigits(t)
	for _, alpha := range []float64{0.1, 0.5, 100} {
		shards := deal(all, 10, alpha, rand.New(rand.NewPCG(1, 1)))
		num, most := 0, 0.0
		for _, shard := range shards {
			num += len(shard)
			var of [numLabels]int
			for _, d := range shard {
				of[d.label]++
			}
			for _, n := range of {
				most = max(most, float64(n)/float64(len(shard)))
			}
		}
		if num < len(all) || num > len(all)+9 {
			t.Errorf("alpha %v: %d of %d digits dealt", alpha, num, len(all))
		}
		if unlike := most > 0.3; unlike != (alpha < 1) {
			t.Errorf("alpha %v: a label has up to %.2f of a worker's digits", alpha, most)
		}
	}
}

// The default rule withstands what breaks the plain mean.
func TestDefaultWithstands(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds; left out with -short")
	}
	all := allDigits(t)
	right := func(send, rule, attack string) float64 {
		s := defaults()
		s.rounds, s.send, s.rule, s.attack = 20, send, ruleNamed(rule), attackNamed(t, attack)
		right, err := train(s, all)
		if err != nil {
			t.Fatal(err)
		}
		return right
	}
	for _, send := range []string{"dense", "topk"} {
		none := right(send, "default", "none")
		for _, attack := range []string{"sign flip", "×100"} {
			if got := right(send, "default", attack); got < none-0.05 || got < 0.7 { // 20 rounds are few: five points
				t.Errorf("%s, %s: %.3f right, without attack %.3f", send, attack, got, none)
			}
		}
	}
	if got := right("dense", "mean", "×100"); got > 0.7 {
		t.Errorf("×100 against the plain mean: %.3f right", got)
	}
}

func attackNamed(t *testing.T, name string) attack {
	t.Helper()
	i := slices.IndexFunc(attacks, func(a attack) bool { return a.name == name })
	if i < 0 {
		t.Fatalf("no attack %q", name)
	}
	return attacks[i]
}

func TestSameSeedSameResult(t *testing.T) {
	all := allDigits(t)
	s := defaults()
	s.rounds, s.send, s.rule, s.attack = 2, "shared", ruleNamed("norms, mixing, trimmed mean"), attackNamed(t, "noise")
	one, err := train(s, all)
	two, err2 := train(s, all)
	if one != two || err != nil || err2 != nil {
		t.Errorf("%v and %v: %v, %v", one, two, err, err2)
	}
}

// Each rule goes through a round under each way of sending with the most liars.
func TestEveryRuleRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds; left out with -short")
	}
	all := allDigits(t)
	s := defaults()
	s.rounds, s.steps, s.liars, s.attack = 1, 1, 4, attackNamed(t, "sign flip")
	for _, s.send = range sendings {
		for _, s.rule = range rules {
			if right, err := train(s, all); err != nil || right < 0.02 {
				t.Errorf("%s, %s: %.3f right, %v", s.send, s.rule.name, right, err)
			}
		}
	}
}

// What the gate refuses is what it says: long ones by their norms, opposites and
// noise by their scores, once there are scores to compare with.
func TestGate(t *testing.T) {
	const num = 1 << 12
	l, err := tensor.NewLayout(tensor.Spec{Name: "a", Shape: []int{num}})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	grad := normal(num, 1, r)
	send := func(v tensor.Flat) *gradient.Update {
		u, err := gradient.Encode(l, dense(), v)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	// like returns the gradient with as much noise.
	like := func(factor float32) *gradient.Update {
		v := normal(num, 1, r)
		for i, g := range grad {
			v[i] = factor * (v[i] + g)
		}
		return send(v)
	}
	updates := []*gradient.Update{like(1), like(1), like(1), like(1), like(-1), like(3), like(10), send(normal(num, 1, r))}
	for name, c := range map[string]struct {
		gate gate
		want string
	}{
		"none":   {gate{}, "11111111"},
		"normed": {normed(), "11111c01"},
		"scored": {scored(0.1), "11110c00"},
	} {
		var b score.Board
		var clips []gradient.Clip
		for range 2 { // the first round has nothing to compare with
			if clips, err = c.gate.judge(&b, updates, grad); err != nil {
				t.Fatal(err)
			}
		}
		for w, clip := range clips {
			low, high := 0.5, 1.0 // clipped to the median
			switch c.want[w] {
			case '0':
				low, high = 0, 0
			case 'c':
				low, high = 0.25, 0.4
			}
			if got := float64(clip) / float64(gradient.Unclipped); got < low || got > high {
				t.Errorf("%s: update %d is merged with factor %.3f, want %.1f to %.1f", name, w, got, low, high)
			}
		}
	}
}

// A table has a row for each rule, a column for each attack and the most lost.
func TestTable(t *testing.T) {
	tab := table{setting: defaults(), rules: rules[:1], seeds: 2}
	tab.send, tab.rights = "dense", [][][]float64{make([][]float64, len(attacks))}
	for j := range attacks {
		tab.rights[0][j] = []float64{0.9, 0.9}
	}
	tab.rights[0][3] = []float64{0.8, 0.9}
	var out bytes.Buffer
	tab.print(&out)
	row := "| default | 90.0 | 90.0 | 90.0 | 85.0 |" + strings.Repeat(" 90.0 |", len(attacks)-4) + " 5.0 |\n"
	if !strings.Contains(out.String(), row) || !strings.Contains(out.String(), "up to 7.1.") {
		t.Errorf("got %s, want %s", out.String(), row)
	}
}

func TestCommandRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"-liars", "5"}, {"-liars", "0"}, {"-liars", ""}, {"-send", "dove"}, {"-rules", "golden"}, {"-seeds", "0"}, {"-rounds", "0"}, {"-alpha", "0"},
	} {
		if err := command(t.Context(), args, io.Discard); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", strings.Join(args, " "), err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	write := func(b []byte) string {
		path := filepath.Join(t.TempDir(), "x.gz")
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, z.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, b := range map[string]string{
		"empty":         "",
		"header cut":    "\x00\x00\x08\x01\x00",
		"floats":        "\x00\x00\x0d\x01\x00\x00\x00\x01\x00",
		"dimensions":    "\x00\x00\x08\x03\x00\x00\x00\x01\x00",
		"too many":      "\x00\x00\x08\x01\xff\xff\xff\xff\x00",
		"cut":           "\x00\x00\x08\x01\x00\x00\x00\x02\x00",
		"a byte behind": "\x00\x00\x08\x01\x00\x00\x00\x01\x00\x00",
	} {
		if _, err := readIDX(write([]byte(b)), 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := readIDX(write([]byte("\x00\x00\x08\x01\x00\x00\x00\x01\x07")), 1); err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{{}, {"-images", "/none", "-labels", "/none"}} {
		if err := command(t.Context(), args, io.Discard); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want that there is no such file", strings.Join(args, " "), err)
		}
	}
}
