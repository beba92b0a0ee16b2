package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/cuda/cudatest"
	"lode/engine/cuda/driver"
	"lode/engine/enginetest"
	"lode/engine/model"
)

// TestAttendNext holds the kernel to the softmax that it is.
func TestAttendNext(t *testing.T) {
	inBoth(t, func(l *numbers) {
		for _, a := range []struct{ seen, rows, heads, kv, hd int }{{1, 1, 1, 1, 2}, {3, 7, 4, 2, 6}, {33, 40, 3, 1, 34}, {300, 300, 2, 2, 130}, {257, 400, 4, 1, 256}} {
			var q, window, out, scores *buffer
			var qs, ws []float64
			row := 2 * a.kv * a.hd
			l.with(func() {
				q, qs = l.drawn(a.heads*a.hd, false)
				window, ws = l.drawn(a.rows*row, false)
				out, _ = l.drawn(a.heads*a.hd, false)
				scores, _ = l.drawn(a.heads*a.rows, true)
			}, func() {
				l.run(func() error {
					return l.blocks(q.kind("attend_next"), a.heads, out.arg(), scores.arg(), q.arg(), window.arg(),
						driver.Int(a.seen), driver.Int(a.rows), driver.Int(a.heads), driver.Int(a.kv), driver.Int(a.hd))
				})
				want := make([]float64, a.heads*a.hd)
				for h := range a.heads {
					of, sum, to := h/(a.heads/a.kv)*a.hd, 0.0, want[h*a.hd:][:a.hd]
					for i := range a.seen {
						e := math.Exp(dotOf(qs[h*a.hd:][:a.hd], ws[i*row+of:]) / math.Sqrt(float64(a.hd)))
						sum += e
						addTo(to, e, ws[i*row+a.kv*a.hd+of:][:a.hd])
					}
					addTo(to, 1/sum-1, append([]float64(nil), to...))
				}
				l.same(fmt.Sprintf("%+v", a), out, want)
			})
		}
	})
}

// TestTextGoesOn beyond what inputs may be, as the processor's does, in pieces; of two texts the newer
// goes on, and none beyond a loss.
func TestTextGoesOn(t *testing.T) {
	m := model.Llama{Dim: 24, Layers: 2, Heads: 4, KVHeads: 2, FFN: 20, Vocab: 11, Context: 9, RopeTheta: 100, NormEps: 1e-5, Tied: true}
	for half, tolerance := range map[bool]float64{false: 1e-5, true: 5e-2} {
		t.Run(fmt.Sprintf("bf16 %v", half), func(t *testing.T) {
			card := cudatest.Use(t, cudatest.Kernels(), "")
			e, err := on(t, card, m, Options{Half: half})
			if err != nil {
				t.Fatal(err)
			}
			p, err := cpu.New(m, cpu.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			var next [2]func([]int32) ([]float32, error)
			for i, c := range []interface {
				engine.Engine
				engine.Continuer
			}{e, p} {
				if err := model.Init(m, [32]byte{1}, c.Params()); err != nil {
					t.Fatal(err)
				}
				if next[i], err = c.Continue(); err != nil {
					t.Fatal(err)
				}
			}
			ids := enginetest.Batch(rand.New(rand.NewPCG(1, 1)), m, 3, 9).Inputs.IDs
			for _, n := range []int{1, 5, 1, 7, 2, 1, 9, 1} {
				var said [2][]float64
				for i := range next {
					out, err := next[i](ids[:n])
					if err != nil {
						t.Fatal(err)
					}
					for _, v := range out {
						said[i] = append(said[i], float64(v))
					}
				}
				if far := distance(said[0], said[1]); !(far <= tolerance) {
					t.Errorf("with %d left the logits are off by %.2g of their norm", len(ids), far)
				}
				ids = ids[n:]
			}
			newer, err := e.Continue()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := next[0]([]int32{1}); err == nil || !strings.Contains(err.Error(), "another was begun") {
				t.Errorf("an older text goes on: %v", err)
			}
			card.Configure("lose=1")
			if _, err := newer([]int32{1}); err == nil {
				t.Error("a lost card writes")
			}
			if err := e.Reopen(); err != nil {
				t.Fatal(err)
			}
			if _, err := newer([]int32{1}); err == nil || !strings.Contains(err.Error(), "the card was lost") {
				t.Errorf("a lost text goes on: %v", err)
			}
		})
	}
}
