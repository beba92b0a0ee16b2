package chance

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"lode/protocol"
)

func TestLogAndExp(t *testing.T) {
	d := New("x", protocol.Digest{3})
	near := func(got, want float64) bool { return math.Abs(got-want) <= 4e-16*max(math.Abs(want), 1) }
	for range 100_000 {
		x := math.Ldexp(d.Uniform(), d.Below(2000)-1000)
		if got, want := Log(x), math.Log(x); !near(got, want) {
			t.Fatalf("Log(%v) = %v, want %v", x, got, want)
		}
		y := 1400*d.Uniform() - 700
		if got, want := Exp(y), math.Exp(y); math.Abs(got-want) > 4e-16*want {
			t.Fatalf("Exp(%v) = %v, want %v", y, got, want)
		}
	}
	for x, want := range map[float64]float64{0: 1, -745: 5e-324, -800: 0, math.Inf(-1): 0} {
		if got := Exp(x); got != want {
			t.Errorf("Exp(%v) = %v, want %v", x, got, want)
		}
	}
	// Of subnormal numbers the processor's own is wrong on amd64.
	if got, want := Log(5e-324), -1074*math.Ln2; !near(got, want) {
		t.Errorf("Log(5e-324) = %v, want %v", got, want)
	}
	for _, x := range []float64{math.MaxFloat64, 1, math.Nextafter(1, 0), math.Nextafter(1, 2)} {
		if got, want := Log(x), math.Log(x); !near(got, want) {
			t.Errorf("Log(%v) = %v, want %v", x, got, want)
		}
	}
}

// The share of variates below x is what the distribution function says, at nine
// places (Kolmogorov's distance of 20,000 draws passes 0.0138 once in a thousand).
func TestVariates(t *testing.T) {
	const num = 20_000
	for name, c := range map[string]struct {
		draw func(Draws) float64
		cdf  func(float64) float64
	}{
		"uniform":   {Draws.Uniform, func(x float64) float64 { return min(max(x, 0), 1) }},
		"normal":    {Draws.normal, func(x float64) float64 { return (1 + math.Erf(x/math.Sqrt2)) / 2 }},
		"gamma 1":   {func(d Draws) float64 { return math.Exp(d.LogGamma(1)) }, func(x float64) float64 { return 1 - math.Exp(-x) }},
		"gamma 2":   {func(d Draws) float64 { return math.Exp(d.LogGamma(2)) }, func(x float64) float64 { return 1 - math.Exp(-x)*(1+x) }},
		"gamma 1/2": {func(d Draws) float64 { return math.Exp(d.LogGamma(0.5)) }, func(x float64) float64 { return math.Erf(math.Sqrt(x)) }},
		// Of small shapes P(X < x) → x^a / Γ(a+1) for small x.
		"gamma 1/1000": {func(d Draws) float64 { return d.LogGamma(0.001) }, func(l float64) float64 {
			return math.Exp(0.001*min(l, -10)) / math.Gamma(1.001)
		}},
		// Of large ones (X − a)/√a → normal.
		"gamma 1e6": {func(d Draws) float64 { return (math.Exp(d.LogGamma(1e6)) - 1e6) / 1e3 }, func(x float64) float64 { return (1 + math.Erf(x/math.Sqrt2)) / 2 }},
	} {
		d := New("x", protocol.Digest{5})
		all := make([]float64, num)
		for i := range all {
			all[i] = c.draw(d)
		}
		slices.Sort(all)
		for i := 1; i < 10; i++ {
			share := float64(i) / 10
			if want := c.cdf(all[i*num/10]); math.Abs(want-share) > 0.0138 {
				t.Errorf("%s: a share of %.1f is below %v, want %.3f", name, share, all[i*num/10], want)
			}
		}
	}
}

var update = flag.Bool("update", false, "rewrite testdata/golden.txt")

// Numbers are what they were when the file was made, by go test -update; the root's
// TestSameBitsEverywhere compares them on other processors.
func TestGolden(t *testing.T) {
	d := New("golden", protocol.Digest{1}, 7)
	var got bytes.Buffer
	line := func(name string, v float64) {
		fmt.Fprintf(&got, "%s %016x\n", name, math.Float64bits(v))
	}
	fmt.Fprintln(&got, "permuted", d.Permuted(1000, 9))
	for i := range 200 {
		line("uniform", d.Uniform())
		line("normal", d.normal())
		shape := math.Ldexp(1, i%20-10)
		g := d.LogGamma(shape)
		line("log gamma", g)
		line("exp", Exp(g))
	}
	sum := protocol.Hash("golden", got.Bytes())
	text := []byte(got.String()[:400] + "\n" + hex.EncodeToString(sum[:]) + "\n")
	const file = "testdata/golden.txt"
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}
