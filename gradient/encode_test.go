package gradient

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"lode/tensor"
)

// decode returns the D decoded values.
func decode(tb testing.TB, u *Update) tensor.Flat {
	tb.Helper()
	v := make(tensor.Flat, u.Layout().Len())
	if err := tensor.Copy(u.Layout(), v, u); err != nil {
		tb.Fatal(err)
	}
	return v
}

func mustEncode(tb testing.TB, l tensor.Layout, p Params, a tensor.Reader) *Update {
	tb.Helper()
	u, err := Encode(l, p, a)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// hostile fills a model with values of every kind, a kind per stretch.
func hostile(r *rand.Rand, n int) tensor.Flat {
	v := make(tensor.Flat, n)
	for i := 0; i < n; {
		fill := fillers[r.IntN(len(fillers))]
		for stop := min(n, i+1+r.IntN(2*tensor.ChunkLen)); i < stop; i++ {
			v[i] = fill(r)
			if x := float64(v[i]); math.IsNaN(x) || math.IsInf(x, 0) {
				v[i] = 1
			}
		}
	}
	return v
}

// What is encoded parses back from both forms to the same bytes, and those
// bytes encode themselves: the decoded values encode to them again.
func TestRoundTrip(t *testing.T) {
	l := model(t)
	r := rand.New(rand.NewPCG(1, 1))
	for i, k := range []int{1, 7, 64, 128, 1000, 4095, 4096, 64, 64, 64} {
		p := Params{Codec: TopK, K: k, Bits: 2, EMin: -40, EMax: -4}
		a := hostile(r, l.Len())
		if i%2 == 0 {
			a = heavyTail(uint64(i), l.Len())
		}
		u := mustEncode(t, l, p, a)
		wire := u.Wire()
		if len(u.Plain()) != PlainLen(l, p) || len(wire) > MaxWireLen(l, p) {
			t.Fatalf("k %d: plain %d of %d, wire %d of %d bytes", k, len(u.Plain()), PlainLen(l, p), len(wire), MaxWireLen(l, p))
		}
		v, err := ParseWire(l, p, wire)
		if err != nil {
			t.Fatalf("k %d: %v", k, err)
		}
		if string(v.Plain()) != string(u.Plain()) {
			t.Fatalf("k %d: the wire form changes the update", k)
		}
		if _, err := ParsePlain(l, p, u.Plain()); err != nil {
			t.Fatalf("k %d: %v", k, err)
		}
	}
}

// Kept positions are those of the definition; kept values carry the sign of
// theirs; the rest are zero.
func TestEncodeKeepsTheLargest(t *testing.T) {
	l := model(t)
	a := heavyTail(7, l.Len())
	u := mustEncode(t, l, DefaultParams(), a)
	got := decode(t, u)
	for c := range l.Chunks() {
		if u.f.of[c.Tensor] == forVectors {
			continue
		}
		kept := map[int]bool{}
		for _, at := range slowTop(a[c.Offset:c.Offset+c.Len], topk{k: 64}.kept(c.Len)) {
			kept[c.Offset+int(at)] = true
		}
		for i := c.Offset; i < c.Offset+c.Len; i++ {
			if kept[i] != (got[i] != 0) || float64(got[i])*float64(a[i]) < 0 {
				t.Fatalf("tensor %d chunk %d value %d: %v decodes to %v, kept %v", c.Tensor, c.Index, i, a[i], got[i], kept[i])
			}
		}
	}
}

// Dense tensors are within half a unit of their largest value's 127th part.
func TestDenseError(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "norm", Shape: []int{5000}})
	a := sample(3, l.Len(), "gauss")
	got := decode(t, mustEncode(t, l, DefaultParams(), a))
	for c := range l.Chunks() {
		top := 0.0
		for _, v := range a[c.Offset : c.Offset+c.Len] {
			top = max(top, math.Abs(float64(v)))
		}
		for i := c.Offset; i < c.Offset+c.Len; i++ {
			if d := math.Abs(float64(a[i] - got[i])); d > top/127 {
				t.Fatalf("value %d: %v decodes to %v, largest is %v", i, a[i], got[i], top)
			}
		}
	}
}

// The fitted levels leave at most two and a half times the error of the best two
// levels, found by trying every split of the sorted magnitudes: their mantissas
// have 3 bits.
func TestFitIsNearTheBest(t *testing.T) {
	for kind := range draws {
		got, want := 0.0, 0.0
		l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{16, tensor.ChunkLen}})
		a := sample(11, l.Len(), kind)
		u := mustEncode(t, l, DefaultParams(), a)
		v := decode(t, u)
		for c := range l.Chunks() {
			var kept []float64
			for _, at := range slowTop(a[c.Offset:c.Offset+c.Len], 64) {
				x, y := float64(a[c.Offset+int(at)]), float64(v[c.Offset+int(at)])
				kept = append(kept, math.Abs(x))
				got += (x - y) * (x - y)
			}
			want += bestTwoLevels(kept)
		}
		t.Logf("%s: squared error %.3f of the best", kind, got/want)
		if got > want*5/2 {
			t.Errorf("%s: squared error %v, the best is %v", kind, got, want)
		}
	}
}

// bestTwoLevels returns the least squared error of two levels on xs.
func bestTwoLevels(xs []float64) float64 {
	best := math.Inf(1)
	for _, cut := range xs {
		var sum, square, n [2]float64
		for _, x := range xs {
			g := 0
			if x >= cut {
				g = 1
			}
			sum[g], square[g], n[g] = sum[g]+x, square[g]+x*x, n[g]+1
		}
		loss := 0.0
		for g := range n {
			if n[g] > 0 {
				loss += square[g] - sum[g]*sum[g]/n[g]
			}
		}
		best = min(best, loss)
	}
	return best
}

// Error feedback loses nothing: decoded and residual add up to what went in,
// exactly where the residual is exact, and within half a unit of a's last place
// anywhere; the residual is the rounded difference of exact rationals.
func TestResidualIsExactlyRounded(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{3, 1500}}, tensor.Spec{Name: "b", Shape: []int{500}})
	r := rand.New(rand.NewPCG(9, 9))
	for _, clip := range []Clip{Unclipped, Unclipped / 3, 12345, 1, 0} {
		a := heavyTail(r.Uint64(), l.Len())
		u := mustEncode(t, l, DefaultParams(), a)
		e := append(tensor.Flat(nil), a...)
		for c := range l.Chunks() {
			u.SubtractFrom(c, clip, e[c.Offset:c.Offset+c.Len])
		}
		for i, v := range decode(t, u) {
			f := new(big.Rat).SetFrac64(int64(clip), 1<<32)
			scaled, _ := f.Mul(f, ratOf(v)).Float32()
			want, _ := new(big.Rat).Sub(ratOf(a[i]), ratOf(scaled)).Float32()
			if e[i] != want {
				t.Fatalf("clip %d, value %d: %v − %v: got %v, want %v", clip, i, a[i], v, e[i], want)
			}
		}
	}
}

func ratOf(v float32) *big.Rat { return new(big.Rat).SetFloat64(float64(v)) }

func TestEncodeRefuses(t *testing.T) {
	l := model(t)
	for _, c := range []struct {
		at   int
		v    float64
		name string
	}{
		{5000, math.NaN(), "embed"},
		{9000 + 3, math.Inf(1), "norm"},
		{9090, math.Inf(-1), "conv"},
		{l.Len() - 1, math.NaN(), "flat"},
	} {
		a := heavyTail(1, l.Len())
		a[c.at] = float32(c.v)
		_, err := Encode(l, DefaultParams(), a)
		if !errors.Is(err, ErrNotFinite) {
			t.Errorf("value %d of %q: got error %v", c.at, c.name, err)
		}
		t.Log(err)
	}
	for _, p := range []Params{
		{},
		{Codec: "gzip", K: 1, Bits: 2},
		{Codec: TopK, K: 0, Bits: 2, EMin: -4, EMax: 4},
		{Codec: TopK, K: 4097, Bits: 2},
		{Codec: TopK, K: 1, KEmbed: -1, Bits: 2},
		{Codec: TopK, K: 1, Bits: 5},
		{Codec: TopK, K: 1, Bits: 2, EMin: 4, EMax: 3},
		{Codec: TopK, K: 1, Bits: 2, EMin: -101},
		{Codec: TopK, K: 1, Bits: 2, EMin: -20, EMax: 17},
		{Codec: TopK, K: 1, Bits: 2, EMax: 65},
		{Codec: DCT, K: 1, Bits: 2, EMin: 0, EMax: 3},
		{Codec: Sign, Bits: 2},
		{Codec: Dense, Bits: 12},
		{Codec: Dense, K: 64, Bits: 8},
	} {
		if _, err := Encode(l, p, make(tensor.Flat, l.Len())); !errors.Is(err, ErrParams) {
			t.Errorf("%+v: got error %v", p, err)
		}
	}
	if _, err := Encode(l, DefaultParams(), failing{}); !errors.Is(err, errRead) {
		t.Errorf("reader that fails: got error %v", err)
	}
}

var errRead = errors.New("cannot read")

type failing struct{}

func (failing) ReadChunk(tensor.Chunk, []float32) error { return errRead }

// Values beyond both ends of the exponents end at the ends.
func TestExponentsSaturate(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{2, 64}}, tensor.Spec{Name: "b", Shape: []int{3}})
	p := Params{Codec: TopK, K: 128, Bits: 2, EMin: -20, EMax: -10}
	for _, c := range []struct {
		v, w, b float32 // put in, decoded of a matrix, decoded of a bias
	}{
		{3e38, 224.0 / 1024, 127.0 / 1024},
		{-3e38, -224.0 / 1024, -127.0 / 1024},
		{1e-30, 0, 0},
		{0, 0, 0},
		{1.0 / (1 << 20), 1.0 / (1 << 20), 1.0 / (1 << 20)},
		{8.0 / (1 << 20), 8.0 / (1 << 20), 8.0 / (1 << 20)},
	} {
		a := make(tensor.Flat, l.Len())
		for i := range a {
			a[i] = c.v
		}
		u := mustEncode(t, l, p, a)
		if _, err := ParseWire(l, p, u.Wire()); err != nil {
			t.Errorf("%v: %v", c.v, err)
		}
		for i, got := range decode(t, u) {
			want := c.w
			if i >= 128 {
				want = c.b
			}
			if i < 4 && got != want || i >= 128 && got != want {
				t.Errorf("%v at %d: got %v, want %v", c.v, i, got, want)
			}
		}
	}
}

// The budget on the wire: 9.4 bits per kept value at k = 64 and fewer at 128,
// on heavy tails, scales of chunks included.
func TestWireBudget(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{256, tensor.ChunkLen}})
	for _, kind := range []string{"t3", "t5"} {
		last := 9.4
		for _, k := range []int{64, 128} {
			p := DefaultParams()
			p.K = k
			u := mustEncode(t, l, p, sample(5, l.Len(), kind))
			bits := 8 * float64(len(u.Wire())) / float64(u.NumKept())
			t.Logf("%s, k %d: %.3f bits per kept value", kind, k, bits)
			if bits > last {
				t.Errorf("%s, k %d: %.3f bits per kept value, budget %.3f", kind, k, bits, last)
			}
			last = bits
		}
	}
}

// An Encoder finds what Encode does, whatever it made before, and allocates nothing
// once it has made one update.
func TestEncoderAgain(t *testing.T) {
	l := layoutOf(t,
		tensor.Spec{Name: "w", Shape: []int{70, tensor.ChunkLen + 100}}, tensor.Spec{Name: "e", Shape: []int{5000}, Kind: tensor.Embedding},
		tensor.Spec{Name: "b", Shape: []int{300}}, tensor.Spec{Name: "f", Shape: []int{9}, Kind: tensor.Frozen})
	for _, p := range []Params{
		DefaultParams(),
		{Codec: TopK, K: 64, KEmbed: 9, Bits: 3, EMin: -40, EMax: -4},
		{Codec: DCT, K: 64, Bits: 2, EMin: -40, EMax: -4},
		{Codec: Sign, Bits: 1, EMin: -40, EMax: -4},
		{Codec: Dense, Bits: 8, EMin: -40, EMax: -4},
		{Codec: Dense, Bits: 32, EMin: -30, EMax: 0},
	} {
		e, err := NewEncoder(l, p)
		if err != nil {
			t.Fatal(err)
		}
		var wire []byte
		for seed := range uint64(3) {
			a := heavyTail(seed, l.Len())
			if seed == 1 {
				clear(a)
			}
			want := mustEncode(t, l, p, a)
			got, err := e.Encode(a)
			if err != nil {
				t.Fatal(err)
			}
			if wire = e.AppendWire(wire[:0]); !bytes.Equal(got.Plain(), want.Plain()) || !bytes.Equal(wire, want.Wire()) {
				t.Fatalf("%+v: update %d differs", p, seed)
			}
		}
		var a tensor.Reader = heavyTail(4, l.Len())
		if n := testing.AllocsPerRun(3, func() {
			if _, err := e.Encode(a); err != nil {
				t.Error(err)
			}
			wire = e.AppendWire(wire[:0])
		}); n != 0 {
			t.Errorf("%+v: %v allocations", p, n)
		}
	}
}
