package main

// This file holds training on an NVIDIA card without Python.

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"lode/cmd/lode/internal/measure"
	"lode/engine"
	"lode/engine/cuda"
	"lode/engine/cuda/driver"
	"lode/engine/kernel"
	"lode/engine/model"
	"lode/replica"
)

// autoEngine is the choice of an engine by what works here.
const autoEngine = "auto"

// cardVectors is how many vectors those who train ask for: what is left out, and what
// becomes of it.
const cardVectors = 2

// cardFlags are what a user says of a card.
type cardFlags struct {
	cardMemory string // bytes, as people write them; empty: a share of what is free
	chosen     bool   // a card was taken by choice, and need not be
	passed     error  // why no card was taken by choice; nil: there was no choice, or one was
}

func (f *cardFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.cardMemory, "card-memory", "", fmt.Sprintf("with cuda: memory of the card that may be taken, such as 20GB (default: %d %% of what is free)", cuda.FreeShare))
}

// bytes returns what the flag says, 0 if nothing.
func (f *cardFlags) bytes() (int64, error) {
	return sizeOf("card-memory", f.cardMemory, "8GB or 20GiB")
}

// card returns the number of the card that --device names.
func (f *engineFlags) card() (int, error) {
	name := strings.TrimPrefix(strings.TrimPrefix(f.device, "cuda"), ":")
	if name == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(name, 10, 16)
	if err != nil {
		return 0, usagef("--device is %q; with --engine %s it is cuda, cuda:1 and so on", f.device, f.engine)
	}
	return int(n), nil
}

// checkCard refuses what a card cannot do.
func (f *engineFlags) checkCard() error {
	if _, err := f.cardFlags.bytes(); err != nil {
		return err
	}
	switch f.engine {
	case "cuda", autoEngine:
		_, err := f.card()
		return err
	}
	if f.cardMemory != "" {
		return usagef("--card-memory is for --engine cuda")
	}
	return nil
}

// settle turns the choice "auto" into an engine for m.
func (f *engineFlags) settle(m model.Model) {
	if f.engine != autoEngine {
		return
	}
	if why := f.cardFor(m); why != nil {
		f.pass(why)
		return
	}
	f.engine, f.chosen = "cuda", true
}

// pass takes the processor instead of a card, and its own precision where it has no unit for
// bf16: who chose auto wants to train.
func (f *engineFlags) pass(why error) {
	f.engine, f.device, f.chosen, f.passed = "cpu", "", false, why
	if f.precision == "bf16" && !kernel.HasMixed() {
		f.precision = "float32"
		f.passed = fmt.Errorf("%w; and this processor has no unit for bf16: it trains in float32", why)
	}
}

// outlives says of what ended a training whether it can go on without its card.
func (f *engineFlags) outlives(err error) bool { return f.chosen && errors.Is(err, engine.ErrLost) }

// advise says of the end of a training what would have gone on.
func (f *engineFlags) advise(err error) error {
	if f.engine == "cuda" && errors.Is(err, engine.ErrLost) {
		return fmt.Errorf("%w (its work is on disk; --engine auto goes on with the processor)", err)
	}
	return err
}

// openInstead goes on with the processor where a card that was chosen cannot be opened, or
// is lost.
func (f *engineFlags) openInstead(r *replica.Rules, p thrift, why error, log zerolog.Logger) (engine.Engine, error) {
	f.pass(why)
	p, err := f.plan(r, p.demand)
	if err != nil {
		return nil, err
	}
	log.Info().Msg(p.String())
	return f.open(r, p, log)
}

// cardFor says why no card here can train m, nil if one can.
func (f *engineFlags) cardFor(m model.Model) error {
	if err := cuda.Able(m); err != nil {
		return err
	}
	card, err := f.card()
	if err != nil {
		return err
	}
	return driver.Find(driver.Folders()).Usable(card)
}

func openCUDA(f *engineFlags, o opening) (engine.Engine, string, error) {
	card, err := f.card()
	if err != nil {
		return nil, "", err
	}
	most, err := f.cardFlags.bytes()
	if err != nil {
		return nil, "", err
	}
	e, err := cuda.New(o.model, cuda.Options{
		Card: card, MaxBytes: most, Loads: o.work.Loads, MicroRows: o.work.MicroRows,
		Half: f.precision == "bf16", Frozen: o.work.Frozen, NoDecay: o.noDecay, Muon: o.work.Muon, Vectors: cardVectors,
	})
	if err != nil {
		return nil, "", err
	}
	o.log.Warn().Msg("--engine cuda is experimental: docs/gpu.md says what has been run on a card; lode doctor tries yours")
	o.log.Info().Msg(e.Plan().String())
	return e, fmt.Sprintf("cuda:%d %s", card, e.Card().Name), nil
}

// cardMeter adds up this process and the card.
func cardMeter(e engine.Engine) measure.Meter {
	return measure.Meter{Peak: func() int64 { return ownPeak() + e.(*cuda.Engine).Plan().Total() }, CPU: ownCPU}
}

// shareCard returns what each of num processes may take of the card, 0 if none will work
// on one.
func (f *engineFlags) shareCard(num int64) (int64, error) {
	if f.engine != "cuda" && f.engine != autoEngine {
		return 0, nil
	}
	most, err := f.cardFlags.bytes()
	if err != nil || most > 0 {
		return most / num, err
	}
	card, err := f.card()
	if err != nil {
		return 0, err
	}
	libs := driver.Find(driver.Folders())
	err = libs.Usable(card)
	if err != nil && f.engine == autoEngine {
		return 0, nil // each process says why
	}
	if err != nil {
		return 0, fmt.Errorf("--engine cuda: %w", err)
	}
	free, err := freeOf(libs, card)
	return free / 100 * cuda.FreeShare / num, err
}

// freeOf returns the bytes that are free on a card.
func freeOf(libs *driver.Libraries, card int) (free int64, err error) {
	d, err := driver.Open(libs, card)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return free, d.Do(func() (err error) {
		free, _, err = d.Memory()
		return err
	})
}
