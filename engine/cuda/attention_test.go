package cuda

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/engine/cuda/cudatest"
)

func (e *Engine) must(t *testing.T, f func() error) {
	t.Helper()
	if err := e.device.Do(f); err != nil {
		t.Fatal(err)
	}
}

// halfOf rounds to bf16.
func halfOf(x float32) uint16 {
	u := math.Float32bits(x)
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

func floatOf(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// words packs values as they lie on the card, into float32 words.
func words(vals []float64, half bool) (packed []float32) {
	for i, v := range vals {
		switch {
		case !half:
			packed = append(packed, float32(v))
		case i%2 == 0:
			packed = append(packed, math.Float32frombits(uint32(halfOf(float32(v)))))
		default:
			u := math.Float32bits(packed[i/2]) | uint32(halfOf(float32(v)))<<16
			packed[i/2] = math.Float32frombits(u)
		}
	}
	return packed
}

func (e *Engine) put(t *testing.T, b buffer, vals []float64) {
	t.Helper()
	e.must(t, func() error { return e.upload(b.at(0), words(vals, b.half)) })
}

func (e *Engine) get(t *testing.T, b buffer, n int) (vals []float64) {
	t.Helper()
	packed := make([]float32, (int64(n)*b.unit()+3)/4)
	e.must(t, func() error { return e.download(packed, b.at(0)) })
	if b.half {
		packed = unpacked(packed, n)
	}
	for _, v := range packed {
		vals = append(vals, float64(v))
	}
	return vals
}

// attending is a case of attention.
type attending struct{ rows, steps, heads, kv, hd int }

// loop computes attention and its gradients as its definition says, without rotation.
func (a attending) loop(qkv, dout []float64) (out, dqkv []float64) {
	dim, wide, scale := a.heads*a.hd, (a.heads+2*a.kv)*a.hd, 1/math.Sqrt(float64(a.hd))
	out, dqkv = make([]float64, a.rows*a.steps*dim), make([]float64, len(qkv))
	part := func(x []float64, row, at, wide, head int) []float64 {
		return x[(row*a.steps+at)*wide+head*a.hd:][:a.hd]
	}
	for row := range a.rows {
		for h := range a.heads {
			of := a.heads + h/(a.heads/a.kv)
			for q := range a.steps {
				p, d, sum, mean := make([]float64, q+1), make([]float64, q+1), 0.0, 0.0
				do := part(dout, row, q, dim, h)
				for k := range p {
					p[k] = math.Exp(scale * dotOf(part(qkv, row, q, wide, h), part(qkv, row, k, wide, of)))
					sum += p[k]
				}
				for k := range p {
					p[k] /= sum
					v := part(qkv, row, k, wide, of+a.kv)
					addTo(part(out, row, q, dim, h), p[k], v)
					addTo(part(dqkv, row, k, wide, of+a.kv), p[k], do)
					d[k] = dotOf(do, v)
					mean += p[k] * d[k]
				}
				for k := range p {
					s := scale * p[k] * (d[k] - mean)
					addTo(part(dqkv, row, q, wide, h), s, part(qkv, row, k, wide, of))
					addTo(part(dqkv, row, k, wide, of), s, part(qkv, row, q, wide, h))
				}
			}
		}
	}
	return out, dqkv
}

func dotOf(x, y []float64) (s float64) {
	for i, v := range x {
		s += v * y[i]
	}
	return s
}

func addTo(y []float64, a float64, x []float64) {
	for i, v := range x {
		y[i] += a * v
	}
}

// TestAttention holds both kinds of kernels to the loop, at lengths that no tile divides.
func TestAttention(t *testing.T) {
	cases := []attending{
		{1, 1, 1, 1, 2},
		{3, 2, 4, 1, 6},
		{1, 31, 2, 2, 8},
		{2, 33, 4, 2, 24},
		{1, 65, 3, 1, 18},
		{1, 127, 1, 1, 32},
		{1, 129, 2, 1, 64},
		{1, 67, 1, 1, 96},
		{2, 37, 2, 1, 128},
		{1, 97, 1, 1, 122},
		{1, 64, 2, 2, 16},
		{1, 35, 2, 1, 130},
		{2, 18, 4, 2, 256},
	}
	if testing.Short() {
		cases = cases[:5]
	}
	r := rand.New(rand.NewPCG(3, 3))
	for _, half := range []bool{false, true} {
		t.Run(fmt.Sprintf("bf16 %v", half), func(t *testing.T) {
			e, err := on(t, cudatest.Use(t, cudatest.Kernels(), fmt.Sprintf("order=%d", 1+r.IntN(99))), small, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range cases {
				a.check(t, e, r, half)
			}
		})
	}
}

func (a attending) check(t *testing.T, e *Engine, r *rand.Rand, half bool) {
	t.Helper()
	n, dim, wide := a.rows*a.steps, a.heads*a.hd, (a.heads+2*a.kv)*a.hd
	draw := func(n int, scale float64) []float64 {
		x := make([]float64, n)
		for i := range x {
			if x[i] = float64(float32(scale * r.NormFloat64())); half {
				x[i] = float64(floatOf(halfOf(float32(x[i]))))
			}
		}
		return x
	}
	qkv, dout := draw(n*wide, 1.5), draw(n*dim, 1)
	out, dqkv := a.loop(qkv, dout)

	memory := &arena{}
	number := func(n int) buffer { return memory.numbers(n, half) }
	x, y, dx, dy := number(n*wide), number(n*dim), number(n*wide), number(n*dim)
	sums, means := memory.floats(n*a.heads), memory.floats(n*a.heads)
	s := &attention{hd: a.hd, x: &value{grad: dx}, y: &value{data: y, grad: dy}, logSums: sums, means: &sharing{buffer: means}, turned: &value{data: x}, attentionKernels: kernelsFor(a.hd, half)}
	s.Query, s.KV = a.heads, a.kv
	p := &pass{Engine: e, rows: a.rows, steps: a.steps, n: n}
	e.must(t, func() error { return memory.allocate(e.device) })
	e.put(t, x, qkv)
	e.put(t, dy, dout)
	e.must(t, func() error {
		for i, name := range s.names {
			if err := e.kernels[name].AllowDynamic(max(s.shared[i], plainShared)); err != nil {
				return err
			}
		}
		if err := s.attend(p); err != nil {
			return err
		}
		return s.attendBack(p, dx)
	})
	tolerance := 2e-6
	if half {
		tolerance = 1e-2
	}
	for what, of := range map[string][2][]float64{"result": {e.get(t, y, n*dim), out}, "gradient": {e.get(t, dx, n*wide), dqkv}} {
		if far := distance(of[0], of[1]); !(far <= tolerance) {
			t.Errorf("%+v, bf16 %v: the %s is off by %.2g of its norm", a, half, what, far)
		}
	}
	e.must(t, func() error { return memory.free(e.device) })
}

// distance is the norm of the difference relative to that of want.
func distance(got, want []float64) float64 {
	diff := slices.Clone(got)
	addTo(diff, -1, want)
	return math.Sqrt(dotOf(diff, diff) / max(dotOf(want, want), 1e-30))
}

// TestGroup says where each token stands, as a plain search does.
func TestGroup(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, n := range []int{1, 2, 33, 500} {
		ids, counts, to := make([]int32, n), make([]int32, 37), make([]int32, numGroups(n))
		want := map[int32][]int32{}
		for i := range ids {
			ids[i] = int32(r.IntN(37))
			want[ids[i]] = append(want[ids[i]], int32(i))
		}
		group(to, ids, counts)
		if int(to[0]) != len(want) || int(to[1+to[0]]) != n {
			t.Fatalf("%d ids: %d groups of %d, want %d", n, to[0], to[1+to[0]], len(want))
		}
		for g, id := range slices.Sorted(maps.Keys(want)) {
			if got := to[n+2:][to[1+g]:to[2+g]]; !slices.Equal(got, want[id]) {
				t.Errorf("%d ids: token %d is at %v, want %v", n, id, got, want[id])
			}
		}
	}
}
