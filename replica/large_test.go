package replica_test

// This file merges many updates of a large model, as a validator does.

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"lode/aggregation"
	"lode/engine/model"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// noise is values about 2⁻¹⁴ whose magnitude doubles with half the chance, made as
// they are read.
type noise struct{}

func (noise) ReadChunk(c tensor.Chunk, dst []float32) error {
	r := rand.New(rand.NewPCG(uint64(c.Offset), 1))
	for i := range dst {
		bits := r.Uint64()
		scale := 110 + uint32(min(14, bits>>60&3+bits>>58&3+bits>>56&3))
		dst[i] = math.Float32frombits(uint32(bits)&0x807fffff | scale<<23)
	}
	return nil
}

// turned returns the plain form of an update in which the full chunks of each tensor
// of l stand in another order: a worker's whose support has little in common with the
// first one's.
func turned(plain []byte, l tensor.Layout, p gradient.Params, worker int) []byte {
	out, at := slices.Clone(plain), 4
	for t := range l.NumTensors() {
		one, err := tensor.NewLayout(l.Spec(t))
		if err != nil {
			panic(err)
		}
		full, err := tensor.NewLayout(tensor.Spec{Name: "chunk", Shape: []int{1, tensor.ChunkLen}})
		if err != nil {
			panic(err)
		}
		chunk := gradient.PlainLen(full, p) - 4
		if n := l.Spec(t).Len() / tensor.ChunkLen; n > 0 && !gradient.IsVector(l.Spec(t)) {
			body, by := out[at:at+n*chunk], worker*37%n*chunk
			copy(body, slices.Concat(body[by:], body[:by]))
		}
		at += gradient.PlainLen(one, p) - 4
	}
	return out
}

// peak returns the most memory that this process ever held, in bytes; 0 where the
// system does not say.
func peak() float64 {
	b, _ := os.ReadFile("/proc/self/status")
	_, after, _ := bytes.Cut(b, []byte("VmHWM:"))
	if fields := bytes.Fields(after); len(fields) > 0 {
		kib, _ := strconv.ParseFloat(string(fields[0]), 64)
		return kib * 1024
	}
	return 0
}

// BenchmarkLargeMerge merges 200 updates of a model of 100 million parameters, k = 64,
// that lie on a pile, up to the new model's root. Run it alone: it reports the peak of
// the process.
func BenchmarkLargeMerge(b *testing.B) {
	man := manifest()
	man.Model = protocol.Model{Config: string(model.Llama{Dim: 768, Layers: 12, Heads: 12, KVHeads: 12, FFN: 2048, Vocab: 20480, Context: 128, RopeTheta: 1e4, NormEps: 1e-5, Tied: true}.Config())}
	man.Update.Keep, man.Update.Boost, man.Update.DenseStart = 64, 1, 0
	plain(&man)
	r, err := replica.NewRules(man)
	if err != nil {
		b.Fatal(err)
	}
	m, err := replica.NewModel(r)
	if err != nil {
		b.Fatal(err)
	}
	pile := replica.NewPile(replica.ScratchIn(b.TempDir()))
	defer pile.Close()
	p := r.Codec(0)
	first, err := gradient.Encode(r.Layout, p, noise{})
	if err != nil {
		b.Fatal(err)
	}
	var accepted []aggregation.Contribution
	for w := range 200 {
		u, err := gradient.ParsePlain(r.Layout, p, turned(first.Plain(), r.Layout, p, w))
		if err != nil {
			b.Fatal(err)
		}
		at, err := pile.Add(u)
		if err != nil {
			b.Fatal(err)
		}
		accepted = append(accepted, aggregation.Contribution{Update: at, Clip: gradient.Unclipped / 4 * 3})
	}
	moved := 0
	for b.Loop() {
		out, err := m.Merge(accepted)
		if err != nil {
			b.Fatal(err)
		}
		moved = out.Step.NumNonzero()
	}
	b.ReportMetric(peak(), "peak-bytes")
	b.ReportMetric(float64(r.Layout.Len()), "parameters")
	b.ReportMetric(float64(moved), "moved")
}
