package aggregation

// This file fuzzes the decoders of steps. Inputs are bytes under one of many
// settings, whose number comes first. Seeds are the vectors of testdata, what must be
// refused among them.

import (
	"bytes"
	"errors"
	"testing"

	"lode/gradient"
	"lode/gradient/column/columntest"
	"lode/gradient/vectortest"
	"lode/tensor"
)

// fuzzed is the settings that inputs are read under, in the order of the vectors.
type fuzzed struct{ vectortest.Settings[setting] }

func (f fuzzed) at(tb testing.TB, i uint8) (tensor.Layout, Config) {
	return f.Settings[int(i)%len(f.Settings)].open(tb)
}

// seed adds what the vectors hold of one form and returns their settings.
func seed(f *testing.F, form string) (all fuzzed) {
	add := func(s setting, text string) { f.Add(all.Add(s), vectortest.Bytes(f, text)) }
	for _, r := range vectortest.Read[refusal](f, "refusals.json") {
		if r.Form == form {
			add(r.setting, r.Bytes)
		}
	}
	for _, v := range vectortest.Read[vector](f, "steps.json") {
		add(v.setting, map[string]string{"plain": v.Plain, "wire": v.Wire}[form])
	}
	return all
}

// What arrives decodes to something canonical that travels unchanged or is refused
// with a sentinel, and takes no more memory than the setting says, whatever it claims.
func FuzzParseStepWire(f *testing.F) {
	settings := seed(f, "wire")
	f.Fuzz(func(t *testing.T, i uint8, wire []byte) {
		l, cfg := settings.at(t, i)
		bound := MaxStepPlainLen(l, cfg) + MaxStepWireLen(l, cfg) + columntest.Slack
		if n, yes := columntest.Exceeds(bound, func() { _, _ = ParseStepWire(l, cfg, wire) }); yes {
			t.Fatalf("%d bytes allocated for %d, at most %d", n, len(wire), bound)
		}
		checkParsed(t, l, cfg, wire)
	})
}

func FuzzParseStepPlain(f *testing.F) {
	settings := seed(f, "plain")
	f.Fuzz(func(t *testing.T, i uint8, plain []byte) {
		l, cfg := settings.at(t, i)
		s, err := ParseStepPlain(l, cfg, plain)
		if err != nil {
			if !errors.Is(err, gradient.ErrMalformed) && !errors.Is(err, gradient.ErrNotCanonical) {
				t.Fatalf("error without a sentinel: %v", err)
			}
			return
		}
		if again := stepOf(s, cfg); !bytes.Equal(s.Plain(), plain) || !bytes.Equal(again, plain) {
			t.Fatalf("plain form %x became %x and %x", plain, s.Plain(), again)
		}
		checkParsed(t, l, cfg, s.Wire())
	})
}

// stepOf builds the plain form of a step from nothing but its integers and what they
// are worth: the twin of all rules about canonical form.
func stepOf(s *Step, cfg Config) []byte {
	plain := []byte(stepHeader)
	for c := range s.Layout().Chunks() {
		entries, exp := s.Entries(nil, c)
		top := int64(0)
		for _, e := range entries {
			top = max(top, e.Value, -e.Value)
		}
		grow := 0 // the lowest exponent under which the largest integer fits
		for top != 0 && top<<(grow+1) < 1<<cfg.StepBits && exp-grow > -cfg.Unit {
			grow++
		}
		bitmap, integers := make([]byte, bitmapLen(c.Len)), []byte(nil)
		for _, e := range entries {
			bitmap[e.Pos/8] |= 1 << (e.Pos % 8)
			integers = appendInteger(integers, int32(e.Value<<grow), widthOf(cfg.StepBits))
		}
		if len(entries) == 0 {
			exp = 0
		}
		plain = append(append(append(plain, byte(int8(exp-grow))), bitmap...), integers...)
	}
	return plain
}
