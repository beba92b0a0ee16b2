package main

// This file holds training on an NVIDIA card without Python.

import (
	"errors"
	"fmt"
	"math"
	"slices"
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
	c.Flags().StringVar(&f.cardMemory, "card-memory", "", fmt.Sprintf("with cuda: memory of each card that may be taken, such as 20GB (default: %d %% of what is free)", cuda.FreeShare))
}

// bytes returns what the flag says, 0 if nothing.
func (f *cardFlags) bytes() (int64, error) {
	return sizeOf("card-memory", f.cardMemory, "8GB or 20GiB")
}

// allCards is what --device names when it names all of them.
const allCards = "all"

// cards returns the numbers of the cards that --device names; all says that it is all there
// are.
func (f *engineFlags) cards() (numbers []int, all bool, err error) {
	name, numbered := strings.CutPrefix(f.device, "cuda:")
	wrong := usagef("--device is %q; with --engine %s it is cuda, cuda:1, cuda:0,1, cuda:0-3 or cuda:all", f.device, f.engine)
	switch {
	case f.device == "" || f.device == "cuda":
		return []int{0}, false, nil
	case !numbered:
		return nil, false, wrong
	case name == allCards:
		return nil, true, nil
	}
	for _, part := range strings.Split(name, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		lo, lerr := strconv.ParseUint(from, 10, 8)
		hi, herr := strconv.ParseUint(to, 10, 8)
		if lerr != nil || herr != nil || hi < lo {
			return nil, false, wrong
		}
		for n := int(lo); n <= int(hi); n++ {
			if slices.Contains(numbers, n) {
				return nil, false, usagef("--device is %q, which names card %d twice", f.device, n)
			}
			numbers = append(numbers, n)
		}
	}
	return numbers, false, nil
}

// usable returns the numbers of the cards that --device names, if all of them can be opened.
func (f *engineFlags) usable(libs *driver.Libraries) ([]int, error) {
	numbers, all, err := f.cards()
	if all {
		for i := range max(1, len(libs.Devices)) { // the first says why there is none
			numbers = append(numbers, i)
		}
	}
	for _, c := range numbers {
		if err == nil {
			err = libs.Usable(c)
		}
	}
	return numbers, err
}

// checkCard refuses what a card cannot do.
func (f *engineFlags) checkCard() error {
	if _, err := f.cardFlags.bytes(); err != nil {
		return err
	}
	switch f.engine {
	case "cuda", autoEngine:
		_, _, err := f.cards()
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
	_, err := f.usable(driver.Find(driver.Folders()))
	return err
}

// cardEngine is an engine on one card or on several.
type cardEngine interface {
	engine.Engine
	Plan() cuda.Plan
	Card() driver.Info
}

func openCUDA(f *engineFlags, o opening) (engine.Engine, string, error) {
	libs := driver.Find(driver.Folders())
	cards, err := f.usable(libs)
	if err != nil {
		return nil, "", err
	}
	most, err := f.cardFlags.bytes()
	if err != nil {
		return nil, "", err
	}
	e, err := openCards(o.model, cuda.Options{
		Libraries: libs, MaxBytes: most, Loads: o.work.Loads, MicroRows: o.work.MicroRows,
		Half: f.precision == "bf16", Frozen: o.work.Frozen, NoDecay: o.noDecay, Muon: o.work.Muon, Vectors: cardVectors,
	}, cards)
	if err != nil {
		return nil, "", err
	}
	o.log.Info().Msg(experimental)
	o.log.Info().Msg(e.Plan().String())
	if t, ok := e.(*cuda.Team); ok {
		o.log.Info().Str("by", t.Means()).Msg("cards add up their gradients")
	}
	numbers := strings.Trim(strings.ReplaceAll(fmt.Sprint(cards), " ", ","), "[]")
	return e, fmt.Sprintf("cuda:%s %s", numbers, e.Card().Name), nil
}

// experimental is said to who trains on a card.
const experimental = "--engine cuda is experimental: docs/gpu.md says what has been run on a card; lode doctor tries yours"

// openCards opens one card or several.
func openCards(m model.Model, opt cuda.Options, cards []int) (cardEngine, error) {
	if len(cards) > 1 {
		t, err := cuda.NewTeam(m, opt, cards)
		if err != nil {
			return nil, err
		}
		return t, nil
	}
	opt.Card = cards[0]
	e, err := cuda.New(m, opt)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// cardMeter adds up this process and the cards.
func cardMeter(e engine.Engine) measure.Meter {
	p := e.(cardEngine).Plan()
	return measure.Meter{Peak: func() int64 { return ownPeak() + int64(p.Cards)*p.Total() }, CPU: ownCPU}
}

// shareCard returns what each of num processes may take of each card, 0 if none will work
// on one.
func (f *engineFlags) shareCard(num int64) (int64, error) {
	if f.engine != "cuda" && f.engine != autoEngine {
		return 0, nil
	}
	most, err := f.cardFlags.bytes()
	if err != nil || most > 0 {
		return most / num, err
	}
	libs := driver.Find(driver.Folders())
	cards, err := f.usable(libs)
	if err != nil && f.engine == autoEngine {
		return 0, nil // each process says why
	}
	if err != nil {
		return 0, fmt.Errorf("--engine cuda: %w", err)
	}
	least := int64(math.MaxInt64)
	for _, c := range cards {
		free, err := freeOf(libs, c)
		if err != nil {
			return 0, err
		}
		least = min(least, free)
	}
	return least / 100 * cuda.FreeShare / num, nil
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
