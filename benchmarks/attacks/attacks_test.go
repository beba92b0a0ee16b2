package main

import (
	"bytes"
	"compress/gzip"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/tensor"
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
		found := false
		for _, a := range attacks {
			if a.name != name {
				continue
			}
			found = true
			for i, v := range a.make(x, x[0], nil) {
				if v != want[i] {
					t.Errorf("%s: place %d is %v, want %v", name, i, v, want[i])
				}
			}
		}
		if !found {
			t.Errorf("no attack %q", name)
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
	loss := func(d digit) float64 {
		_, p := forward(theta, d)
		return -math.Log(float64(p[d.label]))
	}
	r := rand.New(rand.NewPCG(2, 2))
	kinks := 0
	for range 40 {
		d := all[r.IntN(len(all))]
		grad := make(tensor.Flat, numAll)
		addGradient(grad, theta, d, d.label, 1)
		places := []int{int(d.at[r.IntN(len(d.at))])*numHidden + r.IntN(numHidden), biasAt + r.IntN(numHidden), outAt + r.IntN(outBias-outAt), outBias + r.IntN(numLabels)}
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

// The default rule and mixing with a trimmed mean withstand what breaks the plain
// mean.
func TestDefaultWithstands(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds; left out with -short")
	}
	all := allDigits(t)
	s := defaults()
	s.rounds = 15
	for _, send := range []string{"dense", "topk"} {
		s.send = send
		var none float64
		for _, name := range []string{"none", "sign flip", "×100"} {
			for _, a := range attacks {
				if a.name != name {
					continue
				}
				s.rule, s.attack = rules[1], a
				right, err := train(s, all)
				if err != nil {
					t.Fatal(err)
				}
				if name == "none" {
					none = right
				}
				if right < none-0.05 || right < 0.6 { // 15 rounds are few: five points
					t.Errorf("%s, %s: %.3f right, without attack %.3f", send, name, right, none)
				}
			}
		}
	}
	s.send, s.rule, s.attack = "dense", rules[0], attacks[7]
	if right, err := train(s, all); err != nil || right > 0.3 {
		t.Errorf("×100 against the plain mean: %.3f right, %v", right, err)
	}
}

func TestSameSeedSameResult(t *testing.T) {
	all := allDigits(t)
	s := defaults()
	s.rounds, s.send, s.rule, s.attack = 2, "shared", rules[3], attacks[5]
	one, err := train(s, all)
	two, err2 := train(s, all)
	if one != two || err != nil || err2 != nil {
		t.Errorf("%v and %v: %v, %v", one, two, err, err2)
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
	var out bytes.Buffer
	for _, args := range [][]string{{}, {"-liars", "5"}, {"-images", "/none", "-labels", "/none"}} {
		if err := command(t.Context(), args, &out); err == nil {
			t.Errorf("%s: no error", strings.Join(args, " "))
		}
	}
}
