package aggregation

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"lode/gradient"
	"lode/gradient/column"
	"lode/gradient/vectortest"
	"lode/tensor"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

// Steps of every width travel and come back as they were.
func TestStepRoundTrip(t *testing.T) {
	l := model(t)
	p := gradient.DefaultParams()
	for _, bits := range []int{2, 8, 9, 15, 16, 17, 24} {
		cfg := nesterovConfig(p)
		cfg.StepBits = bits
		state := planesOf(t, l, cfg)
		for w := range 3 {
			s := mustMerge(t, l, cfg, contributions(t, l, p, uint64(w), w), state)
			wire := s.Wire()
			if len(wire) > MaxStepWireLen(l, cfg) || len(s.Plain()) > MaxStepPlainLen(l, cfg) {
				t.Fatalf("%d bits: wire %d of %d, plain %d of %d", bits, len(wire), MaxStepWireLen(l, cfg), len(s.Plain()), MaxStepPlainLen(l, cfg))
			}
			back, err := ParseStepWire(l, cfg, wire)
			if err != nil || string(back.Plain()) != string(s.Plain()) {
				t.Fatalf("%d bits, %d workers: error %v", bits, w, err)
			}
		}
	}
}

// Applying is one exactly rounded subtraction, in place or not.
func TestApplyIsExactlyRounded(t *testing.T) {
	l := model(t)
	p := gradient.DefaultParams()
	cfg := DefaultConfig(p)
	cfg.StepBits = 24
	s := mustMerge(t, l, cfg, contributions(t, l, p, 3, 3), nil)
	theta := heavyTail(9, l.Len())
	got := make(tensor.Flat, l.Len())
	if err := Apply(s, got, theta); err != nil {
		t.Fatal(err)
	}
	want := append(tensor.Flat(nil), theta...)
	for c := range l.Chunks() {
		entries, exp := s.Entries(nil, c)
		for _, e := range entries {
			x := new(big.Rat).SetFloat64(float64(theta[c.Offset+int(e.Pos)]))
			x.Sub(x, mul(big.NewInt(e.Value), pow2(exp)))
			want[c.Offset+int(e.Pos)], _ = x.Float32()
		}
	}
	if err := Apply(s, theta, theta); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] || theta[i] != want[i] {
			t.Fatalf("value %d: got %v and %v in place, want %v", i, got[i], theta[i], want[i])
		}
	}
}

// No normal parameter becomes subnormal, at the lowest exponent there is.
func TestApplyMakesNoSubnormals(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{1, 8}})
	cfg := DefaultConfig(gradient.Params{Codec: gradient.TopK, K: 64, Bits: 2, EMin: -60, EMax: -24})
	cfg.Unit = maxUnit
	plain := []byte(stepHeader + "\xc4\xff") // exponent −60, all eight move
	for q := range int16(8) {
		plain = appendInteger(plain, int32(q)+1, 2)
	}
	s, err := ParseStepPlain(l, cfg, plain)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		theta := make([]float32, 8)
		for i := range theta {
			near := math.Ldexp(float64(i+1), -60) // cancels best
			theta[i] = math.Float32frombits(math.Float32bits(float32(near)) + r.Uint32N(9) - 4)
			if r.IntN(2) == 0 {
				theta[i] = math.Float32frombits(1<<23 + r.Uint32N(1<<24))
			}
		}
		s.SubtractFrom(tensor.Chunk{Len: 8}, theta)
		for i, v := range theta {
			if v != 0 && math.Abs(float64(v)) < 0x1p-126 {
				t.Fatalf("value %d becomes %v", i, v)
			}
		}
	}
}

// Steps are vectors: dot products and overlap with updates work on them.
func TestStepIsAVector(t *testing.T) {
	l := model(t)
	p := gradient.DefaultParams()
	u := encode(t, l, p, heavyTail(5, l.Len()))
	s := mustMerge(t, l, DefaultConfig(p), []Contribution{{Update: u, Clip: gradient.Unclipped}}, nil)
	us, err := gradient.DotVectors(u, s)
	uu, err2 := gradient.DotVectors(u, u)
	if err != nil || err2 != nil || math.Abs(us-uu) > 1e-3*uu { // one worker, 8 bits
		t.Errorf("⟨u, s⟩ = %v, ⟨u, u⟩ = %v (%v, %v)", us, uu, err, err2)
	}
	if same, err := gradient.Overlap(s, u); err != nil || same != math.MaxUint16 {
		t.Errorf("overlap %d, error %v", same, err)
	}
	if got, err := gradient.Dot(s, heavyTail(5, l.Len())); err != nil || got <= 0 {
		t.Errorf("⟨s, a⟩ = %v, error %v", got, err)
	}
}

// Each rule of the canonical form, broken alone: one chunk of 12 values, header
// 0–3, exponent 4, bitmap 5–6, integers 7–10.
func TestParseStepIsStrict(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{3, 4}})
	cfg := DefaultConfig(gradient.DefaultParams())
	good := stepHeader + "\xec\x01\x08" + "\xff\x00" + "\x01\xff"
	if _, err := ParseStepPlain(l, cfg, []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, plain string }{
		{"empty", ""},
		{"header alone", stepHeader},
		{"other format", "LGS\x02" + good[4:]},
		{"short", good[:len(good)-1]},
		{"long", good + "\x00"},
		{"bit beyond the chunk", stepHeader + "\xec\x01\x18\xff\x00\x01\xff"},
		{"more bits than integers", stepHeader + "\xec\x03\x08\xff\x00\x01\xff"},
		{"fewer bits than integers", stepHeader + "\xec\x01\x00\xff\x00\x01\xff"},
		{"a zero", stepHeader + "\xec\x01\x08\xff\x00\x00\x00"},
		{"too large", stepHeader + "\xec\x01\x08\x00\x01\x01\x00"},
		{"far too large", stepHeader + "\xec\x01\x08\xff\x00\x00\x80"},
		{"not normalised", stepHeader + "\xec\x01\x08\x7f\x00\x01\x00"},
		{"exponent too high", stepHeader + "\x01\x01\x08\xff\x00\x01\xff"},
		{"exponent too low", stepHeader + "\xd7\x01\x08\xff\x00\x01\xff"},
		{"zeros with exponent", stepHeader + "\xec\x00\x00"},
	} {
		_, err := ParseStepPlain(l, cfg, []byte(c.plain))
		if !errors.Is(err, gradient.ErrMalformed) && !errors.Is(err, gradient.ErrNotCanonical) {
			t.Errorf("%s: got error %v", c.name, err)
		}
	}
}

func TestParseStepWireIsStrict(t *testing.T) {
	l := model(t)
	p := gradient.DefaultParams()
	cfg := DefaultConfig(p)
	wire := mustMerge(t, l, cfg, contributions(t, l, p, 1, 2), nil).Wire()
	for n := 0; n < len(wire); n += 7 {
		if _, err := ParseStepWire(l, cfg, wire[:n]); !errors.Is(err, gradient.ErrMalformed) {
			t.Fatalf("first %d of %d bytes: got error %v", n, len(wire), err)
		}
	}
	if _, err := ParseStepWire(l, cfg, append(wire[:len(wire):len(wire)], 0)); !errors.Is(err, gradient.ErrMalformed) {
		t.Errorf("one byte more: got error %v", err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		b := []byte(string(wire))
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		checkParsed(t, l, cfg, b)
	}
}

// checkParsed checks what must hold for any input.
func checkParsed(t *testing.T, l tensor.Layout, cfg Config, wire []byte) {
	t.Helper()
	s, err := ParseStepWire(l, cfg, wire)
	if err != nil {
		if !errors.Is(err, gradient.ErrMalformed) && !errors.Is(err, gradient.ErrNotCanonical) {
			t.Fatalf("error without a sentinel: %v", err)
		}
		return
	}
	back, err := ParseStepWire(l, cfg, s.Wire())
	if err != nil || string(back.Plain()) != string(s.Plain()) {
		t.Fatalf("second trip: %v", err)
	}
}

// Golden vectors: digests of steps and states over three rounds, the same on
// every machine. Made by go test -update.
func TestGolden(t *testing.T) {
	l := model(t)
	p := gradient.DefaultParams()
	var got strings.Builder
	configs := append([]Config{DefaultConfig(p), nesterovConfig(p)}, optimizerConfigs(p)...)
	for _, cfg := range append(configs, ruleConfigs(p)...) {
		state := planesOf(t, l, cfg)
		for w := 1; w <= 7; w += 2 {
			s := mustMerge(t, l, cfg, contributions(t, l, p, uint64(w), w), state)
			fmt.Fprintf(&got, "%s %s %d %x %x\n", nameOf(cfg), cfg.Optimizer, w, sha256.Sum256(s.Plain()), sha256.Sum256(fmt.Append(nil, state)))
		}
	}
	vectortest.Golden(t, *update, "golden.txt", got.String())
}

// Planes of 9 to 15 bits can say what two bytes of a plain form cannot: a large
// magnitude must not come back as a small one of the other sign.
func TestPlanesWithinStepBits(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{1, 16}})
	cfg := DefaultConfig(gradient.DefaultParams())
	for _, c := range []struct {
		bits   int
		lo, hi byte // of |q| − 1
		ok     bool
	}{{10, 0xff, 0x03, false}, {10, 0xfe, 0x03, true}, {10, 0xa7, 0xfd, false}, {15, 0xff, 0x7f, false}, {15, 0xfe, 0x7f, true}} {
		cfg.StepBits = c.bits
		wire := column.Pack([]byte(stepHeader), []byte{0xfc}, []byte{1, 0}, []byte{0}, []byte{c.lo}, []byte{c.hi})
		s, err := ParseStepWire(l, cfg, wire)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, gradient.ErrMalformed) {
			t.Errorf("%d bits, magnitude %d: %v, error %v", c.bits, int(c.hi)<<8+int(c.lo)+1, s, err)
		}
	}
}
