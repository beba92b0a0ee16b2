package aggregation

// This file holds the vectors by which other implementations of merged steps
// (docs/update-format.md) are checked.

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"lode/gradient"
	"lode/gradient/column"
	"lode/gradient/vectortest"
	"lode/tensor"
)

// setting is what gives a step's bytes their meaning, as vectors have it.
type setting struct {
	Tensors []vectortest.Tensor `json:"tensors"`
	Rules   vectorRules         `json:"rules"`
}

type vectorRules struct {
	Bits int `json:"bits"`
	Unit int `json:"unit"`
	EMax int `json:"e_max"`
	Keep int `json:"keep"`
}

func settingOf(l tensor.Layout, cfg Config) setting {
	return setting{vectortest.Tensors(l), vectorRules{cfg.StepBits, cfg.Unit, cfg.StepEMax, cfg.StepKeep}}
}

// vector is a step and what it does to a model. Floats are the hexadecimal digits
// of their bits, eight for each; bytes are hexadecimal.
type vector struct {
	Name string `json:"name"`
	setting
	Plain  string `json:"plain"`
	Wire   string `json:"wire"`
	Digest string `json:"digest"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// refusal is bytes that are no step, and why.
type refusal struct {
	Name string `json:"name"`
	setting
	Form    string `json:"form"` // plain or wire
	Bytes   string `json:"bytes"`
	Refusal string `json:"refusal"` // malformed or not canonical
}

func refusalOf(tb testing.TB, err error) string {
	tb.Helper()
	switch {
	case errors.Is(err, gradient.ErrMalformed):
		return "malformed"
	case errors.Is(err, gradient.ErrNotCanonical):
		return "not canonical"
	}
	tb.Fatalf("bytes that must be refused: error %v", err)
	return ""
}

func newVector(tb testing.TB, name string, s *Step, cfg Config, model tensor.Flat) vector {
	tb.Helper()
	moved := make(tensor.Flat, len(model))
	if err := Apply(s, moved, model); err != nil {
		tb.Fatal(err)
	}
	return vector{
		name, settingOf(s.Layout(), cfg), hex.EncodeToString(s.Plain()), hex.EncodeToString(s.Wire()),
		vectortest.Digest(s.Plain()), vectortest.Floats(model), vectortest.Floats(moved),
	}
}

// vectors has a step of every width, of workers none, one and several, and one
// of two chunks.
func vectors(tb testing.TB) (all []vector) {
	l := layoutOf(tb,
		tensor.Spec{Name: "embed", Shape: []int{6, 11}, Kind: tensor.Embedding},
		tensor.Spec{Name: "frozen", Shape: []int{3, 3}, Kind: tensor.Frozen},
		tensor.Spec{Name: "norm", Shape: []int{9}},
		tensor.Spec{Name: "head", Shape: []int{3, 20}},
	)
	p := gradient.Params{Codec: gradient.TopK, K: 700, Bits: 3, EMin: -40, EMax: -4}
	add := func(l tensor.Layout, cfg Config, num int) {
		seed := uint64(cfg.StepBits)
		state, err := NewPlanes(l, cfg)
		if err != nil {
			tb.Fatal(err)
		}
		s := mustMerge(tb, l, cfg, contributions(tb, l, p, seed, num), state)
		name := fmt.Sprintf("%d bits, keep %d, %d workers, %d values", cfg.StepBits, cfg.StepKeep, num, l.Len())
		all = append(all, newVector(tb, name, s, cfg, heavyTail(seed+100, l.Len())))
	}
	for bits := minStepBits; bits <= maxStepBits; bits++ {
		cfg := DefaultConfig(p)
		cfg.StepBits = bits
		add(l, cfg, 3)
	}
	cfg := DefaultConfig(p)
	add(l, cfg, 0)
	add(l, cfg, 1)
	cfg.StepKeep = 700
	add(l, cfg, 3)
	cfg.StepKeep = 0
	cfg.StepEMax = -30 // saturates
	add(l, cfg, 2)
	p.K = 64
	add(layoutOf(tb, tensor.Spec{Name: "w", Shape: []int{2, 2050}}), DefaultConfig(p), 2)
	return all
}

// refusals breaks each rule alone: a chunk of 12 values, exponent, bitmap of two
// bytes, integers of two.
func refusals(tb testing.TB) (all []refusal) {
	l := layoutOf(tb, tensor.Spec{Name: "w", Shape: []int{3, 4}})
	cfg := DefaultConfig(gradient.DefaultParams())
	plain := func(name, b string) {
		_, err := ParseStepPlain(l, cfg, []byte(b))
		all = append(all, refusal{name, settingOf(l, cfg), "plain", hex.EncodeToString([]byte(b)), refusalOf(tb, err)})
	}
	plain("empty", "")
	plain("header alone", stepHeader)
	plain("another number of the format", "LGS\x02\xec\x01\x08\xff\x00\x01\xff")
	plain("a bitmap cut off", stepHeader+"\xec\x01")
	plain("short", stepHeader+"\xec\x01\x08\xff\x00\x01")
	plain("long", stepHeader+"\xec\x01\x08\xff\x00\x01\xff\x00")
	plain("a bit beyond the chunk", stepHeader+"\xec\x01\x18\xff\x00\x01\xff")
	plain("more bits than integers", stepHeader+"\xec\x03\x08\xff\x00\x01\xff")
	plain("fewer bits than integers", stepHeader+"\xec\x01\x00\xff\x00\x01\xff")
	plain("a zero", stepHeader+"\xec\x01\x08\xff\x00\x00\x00")
	plain("an integer too large", stepHeader+"\xec\x01\x08\x00\x01\x01\x00")
	plain("the lowest int16", stepHeader+"\xec\x01\x08\xff\x00\x00\x80")
	plain("integers not normalised", stepHeader+"\xec\x01\x08\x7f\x00\x01\x00")
	plain("exponent too high", stepHeader+"\x01\x01\x08\xff\x00\x01\xff")
	plain("exponent too low", stepHeader+"\xd7\x01\x08\xff\x00\x01\xff")
	plain("zeros with an exponent", stepHeader+"\xec\x00\x00")
	cfg.StepKeep = 100 // of 12 values one
	plain("two values move, one may", stepHeader+"\xec\x01\x08\xff\x00\x01\xff")
	cfg.StepKeep = 0
	free := l
	l = l.Freeze([]bool{true})
	plain("a frozen tensor moves", stepHeader+"\xec\x01\x08\xff\x00\x01\xff")
	l = free
	wire := func(name string, cols ...string) {
		packed := make([][]byte, len(cols))
		for i, c := range cols {
			packed[i] = []byte(c)
		}
		b := column.Pack([]byte(stepHeader), packed...)
		_, err := ParseStepWire(l, cfg, b)
		all = append(all, refusal{name, settingOf(l, cfg), "wire", hex.EncodeToString(b), refusalOf(tb, err)})
	}
	wire("no exponent", "", "\x01\x08", "\x02", "\xfe\xfe")
	wire("a bitmap too short", "\xec", "\x01", "\x00", "\xfe")
	wire("a sign missing", "\xec", "\x01\x08", "", "\xfe\xfe")
	wire("too many signs", "\xec", "\x01\x08", "\x02\x00", "\xfe\xfe")
	wire("unused sign bits", "\xec", "\x01\x08", "\x04", "\xfe\xfe")
	wire("a magnitude missing", "\xec", "\x01\x08", "\x02", "\xfe")
	wire("a magnitude too many", "\xec", "\x01\x08", "\x02", "\xfe\xfe\xfe")
	wire("a magnitude too large", "\xec", "\x01\x08", "\x02", "\xff\xfe")
	wire("magnitudes not normalised", "\xec", "\x01\x08", "\x02", "\x7e\x7e")
	wire("an exponent too high", "\x01", "\x01\x08", "\x02", "\xfe\xfe")
	wire("a bit beyond the chunk", "\xec", "\x01\x10", "\x02", "\xfe\xfe")
	wire("a column too many", "\xec", "\x01\x08", "\x02", "\xfe\xfe", "\x00")
	wire("a column missing", "\xec", "\x01\x08", "\x02")
	cfg.StepBits = 10
	wire("a magnitude of more bits than two bytes tell", "\xec", "\x01\x08", "\x02", "\xfe\xa7", "\x03\xfd")
	return all
}

// What is merged today is what the vectors say, but for the compressor's bytes.
func TestVectors(t *testing.T) {
	now := vectors(t)
	for i, want := range vectortest.Keep(t, *update, "steps.json", now) {
		l, cfg := want.open(t)
		s, err := ParseStepWire(l, cfg, vectortest.Bytes(t, want.Wire))
		if err != nil || hex.EncodeToString(s.Plain()) != want.Plain {
			t.Errorf("%s: wire form: error %v", want.Name, err)
		}
		got := now[i]
		got.Wire = want.Wire
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", want.Name, got, want)
		}
	}
}

func (s setting) open(tb testing.TB) (tensor.Layout, Config) {
	cfg := DefaultConfig(gradient.DefaultParams())
	cfg.StepBits, cfg.Unit, cfg.StepEMax, cfg.StepKeep = s.Rules.Bits, s.Rules.Unit, s.Rules.EMax, s.Rules.Keep
	return vectortest.Layout(tb, s.Tensors), cfg
}

func TestRefusals(t *testing.T) {
	now := refusals(t)
	if kept := vectortest.Keep(t, *update, "refusals.json", now); !reflect.DeepEqual(kept, now) {
		t.Errorf("what is refused is not what the vectors say: run go test -update")
	}
}
