package gradient

// This file tests what every codec promises.

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/tensor"
)

// codecsUnderTest has every codec, and top-k with few, many and all values.
var codecsUnderTest = []Params{
	DefaultParams(),
	{Codec: TopK, K: 1, Bits: 1, EMin: -40, EMax: -4},
	{Codec: TopK, K: 300, KEmbed: 64, Bits: 2, EMin: -40, EMax: -4},
	{Codec: TopK, K: 128, Bits: 3, EMin: -40, EMax: -4},
	{Codec: TopK, K: tensor.ChunkLen, Bits: 4, EMin: -30, EMax: 6},
	{Codec: Shared, K: 64, Bits: 2, EMin: -40, EMax: -4},
	{Codec: Shared, K: 700, KEmbed: tensor.ChunkLen, Bits: 4, EMin: -40, EMax: -4},
	{Codec: DCT, K: 64, Bits: 2, EMin: -40, EMax: -4},
	{Codec: DCT, K: 999, Bits: 1, EMin: -20, EMax: 10},
	{Codec: Sign, Bits: 1, EMin: -40, EMax: -4},
	{Codec: Dense, Bits: 8, EMin: -40, EMax: -4},
	{Codec: Dense, Bits: 16, EMin: -40, EMax: -4},
	{Codec: Dense, Bits: 32, EMin: -40, EMax: -4},
}

// codecsOn returns them for one layout.
func codecsOn(tb testing.TB, l tensor.Layout) []Params {
	all := slices.Clone(codecsUnderTest)
	for i, p := range all {
		all[i] = p.ready(tb, l)
	}
	return all
}

// ready returns p with places, where it needs them.
func (p Params) ready(tb testing.TB, l tensor.Layout) Params {
	if p.Codec != Shared {
		return p
	}
	return mustOn(tb, p, l, mustEncode(tb, l, DefaultParams(), heavyTail(99, l.Len())), 1)
}

func (p Params) name() string { return fmt.Sprintf("%s-%d-%d", p.Codec, p.K, p.Bits) }

func TestCodecs(t *testing.T) {
	for _, p := range codecsUnderTest {
		t.Run(p.name(), func(t *testing.T) { conform(t, p) })
	}
}

// conform fails t unless the codec of p holds what package codec says of codecs:
// both forms lead back to the same update, entries are sorted, bounded, of 24
// digits and the decoded values, the residual is exactly rounded, the norm is
// exact, error feedback makes an error smaller, zeros stay zeros, frozen tensors
// are left out, and what is not finite is refused.
func conform(t *testing.T, p Params) {
	l := layoutOf(t,
		tensor.Spec{Name: "embed", Shape: []int{70, 90}, Kind: tensor.Embedding},
		tensor.Spec{Name: "frozen", Shape: []int{70, 90}, Kind: tensor.Frozen},
		tensor.Spec{Name: "norm", Shape: []int{90}},
		tensor.Spec{Name: "conv", Shape: []int{3, 1, 5}},
		tensor.Spec{Name: "one", Shape: []int{1, 1}},
		tensor.Spec{Name: "head", Shape: []int{2, tensor.ChunkLen}},
	)
	p = p.ready(t, l)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 6 {
		a := heavyTail(uint64(i), l.Len())
		if i%2 == 1 {
			a = hostile(r, l.Len())
		}
		u := mustEncode(t, l, p, a)
		sameBothWays(t, u)
		checkEntries(t, u)
		checkResidual(t, u, a, []Clip{Unclipped, Unclipped / 3, 12345, 1, 0}[r.IntN(5)])
		if i%2 == 0 {
			checkContracts(t, u, a)
		}
	}
	sameBothWays(t, mustEncode(t, l, p, make(tensor.Flat, l.Len())))
	tiny := make(tensor.Flat, l.Len()) // levels between would coincide
	for i := 0; i < len(tiny); i += 97 {
		tiny[i] = float32(math.Ldexp(2, int(p.EMin)))
	}
	sameBothWays(t, mustEncode(t, l, p, tiny))
	if n := mustEncode(t, l, p, make(tensor.Flat, l.Len())).NormSquared(); n != (Norm{}) {
		t.Errorf("zeros have norm %v", n)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		a := heavyTail(1, l.Len())
		a[l.Len()-5000] = float32(bad)
		if _, err := Encode(l, p, a); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%v: got error %v", bad, err)
		}
	}
}

func sameBothWays(t *testing.T, u *Update) {
	t.Helper()
	l, p := u.Layout(), u.Params()
	wire := u.Wire()
	if len(u.Plain()) != PlainLen(l, p) || len(wire) > MaxWireLen(l, p) {
		t.Fatalf("plain %d of %d, wire %d of %d bytes", len(u.Plain()), PlainLen(l, p), len(wire), MaxWireLen(l, p))
	}
	v, err := ParseWire(l, p, wire)
	if err != nil || string(v.Plain()) != string(u.Plain()) {
		t.Fatalf("the wire form changes the update: %v", err)
	}
	if _, err := ParsePlain(l, p, u.Plain()); err != nil {
		t.Fatal(err)
	}
	if want := canonicalOf(u); p.Codec != DCT && string(want) != string(u.Plain()) {
		t.Fatal("the plain form is not the canonical one of what it decodes to")
	}
}

func checkEntries(t *testing.T, u *Update) {
	t.Helper()
	want := new(big.Int)
	for c := range u.Layout().Chunks() {
		vals := make([]float32, c.Len)
		if err := u.ReadChunk(c, vals); err != nil {
			t.Fatal(err)
		}
		entries, exp := u.Entries(nil, c)
		checkAdds(t, u, c, entries)
		if u.Layout().Spec(c.Tensor).Kind == tensor.Frozen && len(entries) > 0 {
			t.Fatal("an update names values of a frozen tensor")
		}
		last := -1
		for _, e := range entries {
			m := uint64(max(e.Value, -e.Value))
			switch {
			case int(e.Pos) <= last || int(e.Pos) >= c.Len:
				t.Fatalf("position %d after %d of %d", e.Pos, last, c.Len)
			case m == 0 || m >= 1<<44 || bits.Len64(m)-bits.TrailingZeros64(m) > 24:
				t.Fatalf("value %d", e.Value)
			case float64(vals[e.Pos]) != math.Ldexp(float64(e.Value), exp):
				t.Fatalf("position %d: entry %d·2^%d, decoded %v", e.Pos, e.Value, exp, vals[e.Pos])
			}
			last, vals[e.Pos] = int(e.Pos), 0
			x := big.NewInt(e.Value)
			want.Add(want, x.Mul(x, x))
		}
		for i, v := range vals {
			if v != 0 {
				t.Fatalf("position %d decodes to %v without an entry", i, v)
			}
		}
	}
	if got := bigOf(u.NormSquared()); got.Cmp(want) != 0 {
		t.Fatalf("squared norm %v, want %v", got, want)
	}
}

// thrice is the factor 3.
type thrice struct{}

func (thrice) Round(v int64) int64 { return 3 * v }
func (thrice) Scale() float64      { return 3 }

// checkAdds checks that AddTo adds what entries names to what is there.
func checkAdds(t *testing.T, u *Update, c tensor.Chunk, entries []Entry) {
	t.Helper()
	got := make([]int64, c.Len)
	for i := range got {
		got[i] = int64(i)
	}
	u.AddTo(got, c, thrice{})
	set := slices.Repeat([]int64{-7}, c.Len)
	u.SetTo(set, c, thrice{})
	for i, v := range set {
		if got[i] != int64(i)+v {
			t.Fatalf("position %d: %d is set, %d added", i, v, got[i]-int64(i))
		}
	}
	for _, e := range entries {
		got[e.Pos] -= thrice{}.Round(e.Value)
	}
	for i, v := range got {
		if v != int64(i) {
			t.Fatalf("position %d: %d is added too much", i, v-int64(i))
		}
	}
}

func checkResidual(t *testing.T, u *Update, a tensor.Flat, clip Clip) {
	t.Helper()
	e := append(tensor.Flat(nil), a...)
	for c := range u.Layout().Chunks() {
		u.SubtractFrom(c, clip, e[c.Offset:c.Offset+c.Len])
	}
	for i, v := range decode(t, u) {
		scaled := float32(float64(v) * math.Ldexp(float64(clip), -clipBits))
		if want := a[i] - scaled; e[i] != want {
			t.Fatalf("clip %d, value %d: %v − %v: got %v, want %v", clip, i, a[i], v, e[i], want)
		}
	}
}

// checkContracts checks that what is left is smaller than what was there: error
// feedback needs that (arXiv:1901.09847, assumption A).
func checkContracts(t *testing.T, u *Update, a tensor.Flat) {
	t.Helper()
	for c := range u.Layout().Chunks() {
		left := append([]float32(nil), a[c.Offset:c.Offset+c.Len]...)
		before := squares(left)
		u.SubtractFrom(c, Unclipped, left)
		frozen := u.Layout().Spec(c.Tensor).Kind == tensor.Frozen
		if after := squares(left); after >= before && !frozen {
			t.Fatalf("chunk of %d values: squared error %v of %v", c.Len, after, before)
		}
	}
}
