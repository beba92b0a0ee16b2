package cuda

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/model"
	"lode/gradient"
	"lode/tensor"
)

// wideMLP has matrices of several chunks, the last of them short, and vectors.
var wideMLP = model.MLP{Input: []int{70}, Hidden: []int{130, 63}, Activation: model.ReLU, Classes: 3}

// draws are values that updates are made of: of every size, equal ones, and those at the
// ends of what float32 has.
var draws = map[string]func(*rand.Rand) float32{
	"normal": func(r *rand.Rand) float32 { return float32(1e-3 * r.NormFloat64()) },
	"tails": func(r *rand.Rand) float32 {
		return float32(1e-4 * math.Exp(3*r.NormFloat64()) * float64(1-2*r.IntN(2)))
	},
	"few":     func(r *rand.Rand) float32 { return float32(r.IntN(7)-3) * 0.01 },
	"sparse":  func(r *rand.Rand) float32 { return float32(max(0, r.IntN(100)-97)) * (r.Float32() - 0.5) },
	"zeros":   func(r *rand.Rand) float32 { return 0 },
	"equal":   func(r *rand.Rand) float32 { return float32(1-2*r.IntN(2)) * 0.37 },
	"tiny":    func(r *rand.Rand) float32 { return math.Float32frombits(r.Uint32() & 0x807fffff) },
	"bits":    func(r *rand.Rand) float32 { return math.Float32frombits(r.Uint32() & 0xbfffffff) },
	"largest": func(r *rand.Rand) float32 { return math.Float32frombits(0x7d000000 | r.Uint32()&0x807fffff) },
}

// settings are parameters whose bounds matter, and do not.
var settings = []gradient.Params{
	{K: 64, EMin: -40, EMax: -4},
	{K: 1, EMin: -40, EMax: -4},
	{K: 700, EMin: -20, EMax: -18},
	{K: 4096, EMin: -30, EMax: 5},
	{K: 33, EMin: -100, EMax: -70},
}

// puts has values in a vector.
func puts(t *testing.T, e *Engine, v tensor.Writer, draw func(tensor.Chunk) float32) tensor.Flat {
	t.Helper()
	f := make(tensor.Flat, e.layout.Len())
	for c := range e.layout.Chunks() {
		for i := range c.Len {
			f[c.Offset+i] = draw(c)
		}
	}
	if err := tensor.Copy(e.layout, v, f); err != nil {
		t.Fatal(err)
	}
	return f
}

func values(t *testing.T, e *Engine, v tensor.Reader) tensor.Flat {
	t.Helper()
	f := make(tensor.Flat, e.layout.Len())
	if err := tensor.Copy(e.layout, f, v); err != nil {
		t.Fatal(err)
	}
	return f
}

func two(t *testing.T, e *Engine) (a, b engine.Vector) {
	t.Helper()
	var err error
	for _, v := range []*engine.Vector{&a, &b} {
		if *v, err = e.NewVector(); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

// same compares bits.
func same(t *testing.T, what string, got, want tensor.Flat) {
	t.Helper()
	for i, v := range want {
		if math.Float32bits(got[i]) != math.Float32bits(v) {
			t.Fatalf("%s: value %d is %v (%x), want %v (%x)", what, i, got[i], math.Float32bits(got[i]), v, math.Float32bits(v))
		}
	}
}

// TestCompress makes the updates of the host's encoder, byte for byte.
func TestCompress(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "order=4")
	frozen := []bool{false, false, false, true, false, false}
	e, err := on(t, card, wideMLP, Options{Frozen: frozen})
	if err != nil {
		t.Fatal(err)
	}
	residual, start := two(t, e)
	names := slices.Sorted(maps.Keys(draws))
	r := rand.New(rand.NewPCG(3, 1))
	for i, p := range settings {
		for bits := 1; bits <= 4; bits++ {
			p.Codec, p.Bits = gradient.TopK, bits
			what := fmt.Sprintf("setting %d, %d bits", i, bits)
			first := r.IntN(len(names))
			draw := func(by float32) func(tensor.Chunk) float32 {
				return func(c tensor.Chunk) float32 {
					return by * draws[names[(first+c.Offset/1024)%len(names)]](r)
				}
			}
			f := engine.Feedback{Decay: 0.5 + r.Float32()/2, Residual: residual, Start: start, Into: residual}
			a, from, now := puts(t, e, residual, draw(1)), puts(t, e, start, draw(0.25)), puts(t, e, e.Params(), draw(0.25))
			for i := range a {
				a[i] = float32(f.Decay*a[i]) + float32(from[i]-now[i])
			}
			want, err := gradient.Encode(e.layout, p, a)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			got, err := e.Compress(p, f)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			same(t, what, values(t, e, residual), a)
			if string(got.Plain()) != string(want.Plain()) {
				t.Fatalf("%s, %s first: another update: %s", what, names[first], differs(e.layout, got, want))
			}
		}
	}
}

// differs names the first chunk that two updates have differently.
func differs(l tensor.Layout, got, want *gradient.Update) string {
	for c := range l.Chunks() {
		g, _ := got.Entries(nil, c)
		w, _ := want.Entries(nil, c)
		if fmt.Sprint(g) != fmt.Sprint(w) {
			return fmt.Sprintf("tensor %d chunk %d: %.300s, want %.300s", c.Tensor, c.Index, fmt.Sprint(g), fmt.Sprint(w))
		}
	}
	return "nowhere in what it says"
}

// TestCompressInParts makes an update that is longer than what is fetched at a time.
func TestCompressInParts(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "")
	e, err := on(t, card, model.MLP{Input: []int{800}, Hidden: []int{650}, Activation: model.ReLU, Classes: 3}, Options{exchange: 1 << 18})
	if err != nil {
		t.Fatal(err)
	}
	p := gradient.Params{Codec: gradient.TopK, K: 4096, Bits: 1, EMin: -40, EMax: -4}
	if n := gradient.PlainLen(e.layout, p); n <= 4<<18 {
		t.Fatalf("only %d bytes", n)
	}
	residual, start := two(t, e)
	r := rand.New(rand.NewPCG(1, 1))
	a := puts(t, e, residual, func(tensor.Chunk) float32 { return draws["tails"](r) })
	want, err := gradient.Encode(e.layout, p, a)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Compress(p, engine.Feedback{Decay: 1, Residual: residual, Start: start, Into: start})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a", values(t, e, start), a)
	if string(got.Plain()) != string(want.Plain()) {
		t.Fatalf("another update: %s", differs(e.layout, got, want))
	}
}

// TestCompressRefuses what is not finite by name, and leaves other codecs and vectors to
// the host, whose result is the same.
func TestCompressRefuses(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "")
	e, err := on(t, card, wideMLP, Options{})
	if err != nil {
		t.Fatal(err)
	}
	residual, start := two(t, e)
	topk := gradient.DefaultParams()
	f := engine.Feedback{Decay: 1, Residual: residual, Start: start, Into: start}
	last := e.layout.Offset(1) + 5 // within a vector
	for _, at := range []int{last, 4100} {
		bad := []float32{float32(math.Inf(-1))}
		if err := residual.WriteChunk(tensor.Chunk{Offset: at, Len: 1}, bad); err != nil {
			t.Fatal(err)
		}
		_, err := e.Compress(topk, f)
		if says := fmt.Sprintf("%q value %d is -Inf", e.layout.Spec(min(1, at/last)).Name, at%last+5*(at/last)); !errors.Is(err, gradient.ErrNotFinite) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want a word of %s", err, says)
		}
	}
	a := puts(t, e, residual, func(tensor.Chunk) float32 { return 0.25 })
	puts(t, e, start, func(tensor.Chunk) float32 { return 0 })
	dct := gradient.Params{Codec: gradient.DCT, K: 64, Bits: 2, EMin: -40, EMax: -4}
	foreign := f
	foreign.Start = make(tensor.Flat, e.layout.Len())
	foreign.Into = residual
	for what, ask := range map[string]struct {
		p gradient.Params
		f engine.Feedback
	}{"another codec": {dct, f}, "another's vector": {topk, foreign}} {
		if _, err := e.Compress(ask.p, ask.f); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
		want, err := gradient.Encode(e.layout, ask.p, a)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := engine.Compress(e, ask.p, ask.f); err != nil || string(got.Plain()) != string(want.Plain()) {
			t.Errorf("%s: another update, error %v", what, err)
		}
	}
}
