package main

// This file holds what the doctor finds of NVIDIA's cards: versions, memory, and whether a
// card computes what the processor does.

import (
	"errors"
	"fmt"
	"math"

	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/cuda"
	"lode/engine/cuda/driver"
	"lode/engine/model"
)

// cardFindings looks at libraries and cards, and says which engine would be taken.
func cardFindings() []finding {
	libs := driver.Find(driver.Folders())
	// Then what is missing should be mended:
	wanted := driver.Present() || len(libs.Devices) > 0 || errors.Is(libs.Driver.Err, driver.ErrTooOld)
	all := []finding{
		libraryFinding("driver", libs.Driver, 1000, wanted),
		libraryFinding("cuBLASLt", libs.BLAS, 10000, wanted),
		libraryFinding("NVRTC", libs.NVRTC, 1000, false),
	}
	works := false
	for i, d := range libs.Devices {
		f := cardFinding(libs, i, d)
		works = works || f.State == isGood
		all = append(all, f)
	}
	text := "--engine auto would take cpu"
	if works {
		text = "--engine auto would take cuda for models that have kernels (experimental, docs/gpu.md), else cpu; without it cpu is taken"
	}
	return append(all, finding{"engine", isGood, text})
}

func libraryFinding(what string, l driver.Library, unit int, wanted bool) finding {
	switch {
	case l.Err == nil:
		return finding{what, isGood, fmt.Sprintf("%s, %s", driver.Version(l.Version, unit), l.Path)}
	case wanted:
		return finding{what, isBad, l.Err.Error()}
	}
	return finding{what, isAbsent, l.Err.Error()}
}

// cardFinding tries a card.
func cardFinding(libs *driver.Libraries, i int, d driver.Info) finding {
	f := finding{What: fmt.Sprintf("card %d", i), State: isBad}
	f.Text = fmt.Sprintf("%s, %s, compute capability %d.%d, %s", d.Name, bytesText(uint64(d.Memory)), d.Capability/10, d.Capability%10, plural(d.Processors, "multiprocessor"))
	if err := libs.Usable(i); err != nil {
		f.Text += ": " + err.Error()
		return f
	}
	free, err := tryCard(libs, i)
	if err != nil {
		f.Text += ": " + err.Error()
		return f
	}
	f.State = isGood
	f.Text += fmt.Sprintf(", %s free: it computes what the processor does", bytesText(uint64(free)))
	return f
}

// trial is what a card is tried on.
var trial = model.MLP{Input: []int{40}, Hidden: []int{70, 30}, Activation: model.GELU, Classes: 9}

// tryCard trains the trial on the card and on the processor and compares losses. It also
// returns what of the card's memory was free before.
func tryCard(libs *driver.Libraries, card int) (free int64, err error) {
	c, err := cuda.New(trial, cuda.Options{Libraries: libs, Card: card, Loads: []model.Load{{Rows: trialRows, Steps: 1, Gradient: true}}})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	p, err := cpu.New(trial, cpu.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for _, e := range []engine.Engine{c, p} {
		if err := model.Init(trial, [32]byte{1}, e.Params()); err != nil {
			return 0, err
		}
	}
	for step := range 5 {
		b := trialBatch(step)
		got, err := c.Step(b, engine.Hyper{Rate: 1e-2, WeightDecay: 0.1, ClipNorm: 1})
		if err != nil {
			return 0, err
		}
		want, err := p.Step(b, engine.Hyper{Rate: 1e-2, WeightDecay: 0.1, ClipNorm: 1})
		if err != nil {
			return 0, err
		}
		if !(math.Abs(got-want) < 1e-3) {
			return 0, fmt.Errorf("step %d has loss %v, on the processor %v: please report it, and take --engine torch or cpu", step, got, want)
		}
	}
	return c.Plan().Limit / 9 * 10, nil // the limit is nine tenths of it
}

const trialRows = 64

// trialBatch returns rows whose class decides what is seen.
func trialBatch(step int) engine.Batch {
	b := engine.Batch{Rows: trialRows, Inputs: engine.Array{Shape: trial.Input}}
	for i := range trialRows {
		class := (i*7 + step) % trial.Classes
		b.Targets.IDs = append(b.Targets.IDs, int32(class))
		for j := range trial.Input[0] {
			b.Inputs.Reals = append(b.Inputs.Reals, float32(math.Sin(float64(class*j+i))))
		}
	}
	return b
}
