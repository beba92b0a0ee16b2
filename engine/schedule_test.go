package engine

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden file; only right where no run has ever used the schedules")

// schedules are one of each shape, with and without warm-up, to an end and to zero.
func schedules() []Schedule {
	return []Schedule{
		{Shape: Constant, Warmup: 10},
		{Shape: Linear, Length: 30},
		{Shape: Linear, Warmup: 7, Length: 40, Final: 0.125},
		{Shape: Cosine, Length: 48, Final: 6554.0 / 65536},
		{Shape: Cosine, Warmup: 3, Length: 103, Final: 0.1},
		{Shape: Cosine, Warmup: 10, Length: 100_000},
		{Shape: WSD, Warmup: 5, Length: 60, Final: 0.25, Decay: 13107.0 / 65536},
		{Shape: WSD, Length: 7, Decay: 1},
		{Shape: WSD, Warmup: 6, Length: 8, Final: 1, Decay: 0.9},
	}
}

// Rates are the bits in the file on every machine (TestSameBitsEverywhere).
func TestScheduleGolden(t *testing.T) {
	const path = "testdata/schedules.txt"
	var got bytes.Buffer
	for _, s := range schedules() {
		fmt.Fprintf(&got, "%s warm-up %d, length %d, final %v, decay %v\n", s.Shape, s.Warmup, s.Length, s.Final, s.Decay)
		step := max(1, s.Length/40)
		for tick := 0; tick <= max(s.Length, 2*s.Warmup)+2*step; tick += step {
			fmt.Fprintf(&got, "%d %016x\n", tick, math.Float64bits(s.At(tick)))
		}
	}
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("rates differ from %s (%v):\n%s", path, err, got.Bytes())
	}
}

// Each shape is its formula, written with what package math has.
func TestScheduleFormulas(t *testing.T) {
	for _, s := range schedules() {
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		for tick := range s.Length + 100 {
			want := 1.0
			part := (float64(tick) - float64(s.Warmup)) / float64(s.Length-s.Warmup)
			switch {
			case tick < s.Warmup:
				want = (float64(tick) + 1) / (float64(s.Warmup) + 1)
			case s.Shape == Constant:
			case tick >= s.Length:
				want = s.Final
			case s.Shape == Linear:
				want = 1 - (1-s.Final)*part
			case s.Shape == Cosine:
				want = s.Final + (1-s.Final)*(1+math.Cos(math.Pi*part))/2
			case s.Shape == WSD:
				fall := min(float64(s.Length-s.Warmup), math.Ceil(s.Decay*float64(s.Length)))
				want = 1 - (1-s.Final)*max(0, float64(tick)-(float64(s.Length)-fall))/fall
			}
			if got := s.At(tick); math.Abs(got-want) > 5e-16 || got < 0 || got > 1 {
				t.Fatalf("%+v: %v at %d, want %v", s, got, tick, want)
			}
		}
	}
}

// After the warm-up no rate is above the one before.
func TestScheduleFalls(t *testing.T) {
	for _, s := range schedules() {
		if at := s.At(s.Warmup); at != 1 {
			t.Errorf("%+v: the peak is %v", s, at)
		}
		for tick := s.Warmup + 1; tick < s.Length+2; tick++ {
			if s.At(tick) > s.At(tick-1) {
				t.Fatalf("%+v rises at %d: %v, then %v", s, tick, s.At(tick-1), s.At(tick))
			}
		}
	}
}

func TestSine(t *testing.T) {
	var points []float64
	for i := range 1001 {
		points = append(points, float64(i)/1000*math.Pi/4)
	}
	for _, x := range slices.Concat(points, []float64{1e-300, math.Nextafter(math.Pi/4, 0)}) {
		if got, want := sine(x), math.Sin(x); math.Abs(got-want) > 4e-16*want {
			t.Errorf("sin(%v) is %v, want %v", x, got, want)
		}
	}
}

func TestScheduleFaults(t *testing.T) {
	for name, s := range map[string]Schedule{
		"zero":          {},
		"unknown":       {Shape: "step", Length: 10},
		"warm-up":       {Shape: Constant, Warmup: -1},
		"constant ends": {Shape: Constant, Length: 10},
		"constant, 0.1": {Shape: Constant, Final: 0.1},
		"no length":     {Shape: Cosine},
		"all warm-up":   {Shape: Linear, Warmup: 10, Length: 10},
		"below":         {Shape: Linear, Length: 10, Final: -0.1},
		"above":         {Shape: Cosine, Length: 10, Final: 1.1},
		"NaN":           {Shape: Cosine, Length: 10, Final: math.NaN()},
		"cosine, decay": {Shape: Cosine, Length: 10, Decay: 0.1},
		"no decay":      {Shape: WSD, Length: 10},
		"all decay":     {Shape: WSD, Length: 10, Decay: 1.01},
	} {
		if err := s.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
