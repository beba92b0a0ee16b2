package cuda

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/aggregation"
	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/enginetest"
	"lode/gradient"
	"lode/tensor"
)

// drawUpdates returns updates of everything that values can be.
func drawUpdates(t *testing.T, r *rand.Rand, l tensor.Layout, p gradient.Params, num int) (all []gradient.Vector) {
	t.Helper()
	names := slices.Sorted(maps.Keys(draws))
	for i := range num {
		a := make(tensor.Flat, l.Len())
		for c := range l.Chunks() {
			draw := draws[names[(i+c.Offset/1024)%len(names)]]
			for j := range c.Len {
				a[c.Offset+j] = draw(r)
			}
		}
		u, err := gradient.Encode(l, p, a)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, u); i%2 == 1 {
			if all[i], err = aggregation.Whole(u); err != nil { // as validators have them
				t.Fatal(err)
			}
		}
	}
	return all
}

// TestPlain: what is read in its plain form gives the bits of package gradient: products of many
// updates, in pieces and several at a time, among vectors that have no such form; and
// differences at any clip.
func TestPlain(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "order=6")
	e, err := on(t, card, wideMLP, Options{Frozen: []bool{false, false, false, true, false, false}, exchange: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(6, 1))
	puts(t, e, e.Params(), func(tensor.Chunk) float32 { return 0.1 * draws["normal"](r) })
	if _, err := e.Gradient(enginetest.Batch(r, wideMLP, 2, 1)); err != nil {
		t.Fatal(err)
	}
	grad := values(t, e, e.Grad())
	var vs []gradient.Vector
	for i, p := range settings {
		p.Codec, p.Bits = gradient.TopK, 1+i%4
		vs = append(vs, drawUpdates(t, r, e.layout, p, []int{18, 3, 1, 2, 3}[i])...)
		if i == 2 {
			vs = append(vs, drawIntegers(r, e.layout, 9))
		}
	}
	dct := gradient.Params{Codec: gradient.DCT, K: 64, Bits: 2, EMin: -40, EMax: -4}
	vs = append(vs, drawUpdates(t, r, e.layout, dct, 2)...)
	dots, err := e.Dots(vs)
	if err != nil {
		t.Fatal(err)
	}
	want := values(t, e, e.Params())
	for i, v := range vs {
		sum, err := gradient.Dot(v, grad)
		if err != nil || math.Float64bits(dots[i]) != math.Float64bits(sum) {
			t.Errorf("product %d is %v, want %v (%v)", i, dots[i], sum, err)
		}
		for _, clip := range []gradient.Clip{gradient.Unclipped, gradient.Unclipped / 3, 12345, 0} {
			if err := errors.Join(engine.Subtract(e.layout, e.Params(), v, clip), engine.Subtract(e.layout, want, v, clip)); err != nil {
				t.Fatal(err)
			}
		}
		same(t, fmt.Sprintf("parameters less vector %d", i), values(t, e, e.Params()), want)
	}
}

// TestPlainNotFinite: infinities matter where an update has a value, and only there.
func TestPlainNotFinite(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "")
	e, err := on(t, card, wideMLP, Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := make(tensor.Flat, e.layout.Len())
	a[100], a[5000] = 1, -1 // in chunks whose other values are zeros, at the lowest places
	u, err := gradient.Encode(e.layout, gradient.DefaultParams(), a)
	if err != nil {
		t.Fatal(err)
	}
	for at, bad := range map[int]bool{3: false, 100: true, 4096: false, 5000: true, 6000: false} {
		g := make(tensor.Flat, e.layout.Len())
		g[at], g[101] = float32(math.Inf(1)), 2
		if err := tensor.Copy(e.layout, e.grads, g); err != nil {
			t.Fatal(err)
		}
		dots, err := e.Dots([]gradient.Vector{u})
		if bad != errors.Is(err, gradient.ErrNotFinite) || !bad && (err != nil || dots[0] != 0) {
			t.Errorf("infinity at %d: %v, %v", at, dots, err)
		}
	}
}

// TestHeld: parameters are pulled to a vector of the engine with the bits that package engine
// finds, and to others by it.
func TestHeld(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "")
	e, err := on(t, card, wideMLP, Options{})
	if err != nil {
		t.Fatal(err)
	}
	start, _ := two(t, e)
	r := rand.New(rand.NewPCG(4, 1))
	from := puts(t, e, start, func(tensor.Chunk) float32 { return draws["normal"](r) })
	for _, to := range []tensor.Reader{start, from} {
		want := puts(t, e, e.Params(), func(tensor.Chunk) float32 { return draws["normal"](r) })
		for i, share := range []float32{0, 0.3, 1} {
			batches := func(yield func(engine.Batch, error) bool) { yield(engine.Batch{}, nil) }
			for _, err := range engine.Held(e, to, share, batches) {
				if err != nil {
					t.Fatal(err)
				}
			}
			for j, v := range want {
				want[j] = v - float32(share*(v-from[j]))
			}
			same(t, fmt.Sprintf("pull %d to %T", i, to), values(t, e, e.Params()), want)
		}
	}
}

// FuzzPlain: whatever plain form package gradient takes, the card reads the same of it.
func FuzzPlain(f *testing.F) {
	for i, name := range slices.Sorted(maps.Keys(draws)) {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		var b []byte
		for range 40 {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(draws[name](r)))
		}
		f.Add(b, uint16(1+500*i), uint8(i), uint32(30*i), uint8(1+i))
	}
	card := cudatest.Use(f, cudatest.Kernels(), "")
	e, err := on(f, card, wideMLP, Options{})
	if err != nil {
		f.Fatal(err)
	}
	g := make(tensor.Flat, e.layout.Len())
	for i := range g {
		g[i] = float32(i%97) - 48
	}
	if err := tensor.Copy(e.layout, e.grads, g); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, k uint16, bits uint8, at uint32, flip uint8) {
		p := gradient.Params{Codec: gradient.TopK, K: 1 + int(k)%tensor.ChunkLen, Bits: 1 + int(bits)%4, EMin: -40, EMax: -4}
		a := make(tensor.Flat, e.layout.Len())
		for i := range a {
			if j := 4 * (i * 7 % 4096); j+4 <= len(b) {
				a[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[j:]))
			}
		}
		u, err := gradient.Encode(e.layout, p, a)
		if err != nil {
			t.Skip(err)
		}
		all := []gradient.Vector{u}
		other := slices.Clone(u.Plain())
		other[int(at)%len(other)] ^= flip
		if u, err := gradient.ParsePlain(e.layout, p, other); err == nil {
			all = append(all, u)
		}
		dots, err := e.Dots(all)
		if err != nil {
			t.Fatal(err)
		}
		want := values(t, e, e.Params())
		for i, v := range all {
			if sum, err := gradient.Dot(v, g); err != nil || math.Float64bits(dots[i]) != math.Float64bits(sum) {
				t.Errorf("product %d is %v, want %v (%v)", i, dots[i], sum, err)
			}
			if err := errors.Join(engine.Subtract(e.layout, e.Params(), v, gradient.Unclipped), engine.Subtract(e.layout, want, v, gradient.Unclipped)); err != nil {
				t.Fatal(err)
			}
			same(t, "parameters", values(t, e, e.Params()), want)
		}
	})
}
