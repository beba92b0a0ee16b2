package ptx

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lode/engine/cuda/kernels"
)

// attending launches a kernel of attention on random values, two sequences of three tiles, and
// returns the memory it leaves.
func attending(k *Kernel, hd, tile, threads int, half bool) ([]byte, error) {
	const heads, kv = 2, 1
	steps := 2*tile + 6 // so that what is overwritten in turns is
	size := 4
	if half {
		size = 2
	}
	n, wide := 2*steps, (heads+2*kv)*hd
	var memory []byte
	r := rand.New(rand.NewPCG(5, 5))
	place := func(n, size int) uint64 {
		addr := uint64(at + len(memory))
		for range n {
			b := make([]byte, 4)
			setWord(b, f32(float32(r.NormFloat64())))
			memory = append(memory, b[4-size:]...)
		}
		memory = append(memory, make([]byte, -len(memory)&255)...)
		return addr
	}
	qkv, dout, out := place(n*wide, size), place(n*heads*hd, size), place(n*wide, size)
	sums, means := place(n*heads, 4), place(n*heads, 4)
	args := []uint64{out, sums, qkv}
	heaps := heads
	if strings.Contains(k.Name, "_keys_") {
		heaps = kv
	}
	if len(k.params.at) > 7 { // a gradient
		args = []uint64{out, dout, qkv, sums, means}
	}
	b := make([]byte, 8*len(args)+16)
	for i, a := range args {
		setWord(b[8*i:][:8], a)
	}
	for i, v := range []int{steps, heads, kv, hd} {
		setWord(b[8*len(args)+4*i:][:4], uint64(v))
	}
	err := k.Run(Launch{
		Grid: [3]int{2 * ((steps + tile - 1) / tile), heaps, 1}, Block: [3]int{threads, 1, 1}, Dynamic: 96 << 10,
		Args: b, Memory: Memory{{at, memory}}, Seed: 3,
	})
	return memory, err
}

// TestBarriersAreNeeded takes barriers and waits out of kernels, one at a time: each time
// there must be a race or another result. So it shows that races are found where they would be,
// and that no barrier is for nothing.
func TestBarriersAreNeeded(t *testing.T) {
	modules := map[bool]*Module{false: parse(t, kernels.PTX("attention")), true: parse(t, kernels.PTX("attention_half"))}
	for _, half := range []bool{false, true} {
		kind, tile, threads := "", 32, 256
		if half {
			kind, tile, threads = "_half", 64, 128
		}
		for _, of := range []string{"attention", "attention_keys", "attention_queries"} {
			k := modules[half].Kernels[fmt.Sprintf("%s%s_32", of, kind)]
			want, err := attending(k, 32, tile, threads, half)
			if err != nil {
				t.Errorf("%s: %v", k.Name, err)
				continue
			}
			for i := range k.code {
				text := k.code[i].text
				if !strings.HasPrefix(text, "bar.") && text != "cp.async.wait_group 1" { // 0 is at the end, for order
					continue
				}
				less := *k
				less.code = slices.Clone(k.code)
				less.code[i] = instr{text: text, guard: none, run: func(*warp, *instr, mask) *Fault { return nil }}
				if got, err := attending(&less, 32, tile, threads, half); err == nil && bytes.Equal(got, want) {
					t.Errorf("%s: without %s, instruction %d of %d, nothing is wrong", k.Name, text, i, len(k.code))
				}
			}
		}
	}
}
