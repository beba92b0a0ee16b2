package aggregation

// This file plays whole rounds whose every result is known in advance, to be found
// again on other processors (TestSameBitsEverywhere in the root).

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lode/gradient"
	"lode/gradient/kernel"
	"lode/gradient/vectortest"
	"lode/tensor"
)

// play is a run of a few rounds.
type play struct {
	name   string
	layout tensor.Layout
	num    int // of workers
	cfg    Config
}

// plays has each kind of arithmetic once. The wide layout has chunks enough for two
// cores to share in encoding, the next for several in merging.
func plays(tb testing.TB) []play {
	wide := layoutOf(tb,
		tensor.Spec{Name: "embed", Shape: []int{90, 1000}, Kind: tensor.Embedding},
		tensor.Spec{Name: "norm", Shape: []int{1000}},
		tensor.Spec{Name: "head", Shape: []int{110, tensor.ChunkLen}})
	middle := layoutOf(tb, tensor.Spec{Name: "w", Shape: []int{50, tensor.ChunkLen}}, tensor.Spec{Name: "b", Shape: []int{77}})
	topk := gradient.DefaultParams()
	topk.KEmbed = 16
	fine := gradient.Params{Codec: gradient.TopK, K: 128, Bits: 3, EMin: -40, EMax: -4}
	thin := nesterovConfig(fine)
	thin.StepKeep, thin.StepBits = 200, 24
	robust := DefaultConfig(gradient.Params{Codec: gradient.Dense, Bits: 32, EMin: -40, EMax: -4})
	robust.ClipNorms, robust.Mix, robust.Liars, robust.Rule = true, true, 1, GeometricMedian
	robust.Optimizer, robust.Momentum, robust.Second, robust.FloorExp = FedYogi, 9*One/10, 99*One/100, -10
	cosines := DefaultConfig(gradient.Params{Codec: gradient.DCT, K: 99, Bits: 4, EMin: -40, EMax: -4})
	cosines.Rule, cosines.Liars, cosines.Optimizer = Bulyan, 1, FedAdagrad
	signs := DefaultConfig(gradient.Params{Codec: gradient.Sign, Bits: 1, EMin: -40, EMax: -4})
	signs.Rule, signs.Optimizer, signs.Momentum = SignMajority, FedAvgM, One/2
	shared := DefaultConfig(gradient.Params{Codec: gradient.Shared, K: 300, KEmbed: 64, Bits: 2, EMin: -40, EMax: -4})
	shared.Rule, shared.Liars = TrimmedMean, 2
	weighted := DefaultConfig(topk)
	weighted.MaxSamples, weighted.Optimizer = 3, FedAdam
	weighted.Momentum, weighted.Second, weighted.FloorExp = 9*One/10, 99*One/100, -10
	return []play{
		{"mean", wide, 3, DefaultConfig(topk)},
		{"thin", middle, 5, thin},
		{"robust", model(tb), 7, robust},
		{"cosines", model(tb), 7, cosines},
		{"signs", model(tb), 7, signs},
		{"shared", model(tb), 7, shared},
		{"weighted", model(tb), 7, weighted},
	}
}

// played is what workers and merge leave to the next round.
type played struct {
	play
	theta     tensor.Flat
	residuals []tensor.Flat
	last      *Step
	state     Planes
	log       strings.Builder
}

func sumText(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

func floatBytes(v tensor.Flat) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func planeBytes(planes Planes) (b []byte) {
	for _, v := range slices.Concat(planes...) {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// encode returns what the workers send: each joins what it left out before with a
// change of the model, in float32, and keeps what it leaves out now.
func (r *played) encode(t *testing.T, seed uint64) []Contribution {
	if r.cfg.Params.Codec == gradient.Shared {
		var last gradient.Vector
		if r.last != nil {
			last = r.last
		}
		var err error
		if r.cfg.Params, err = r.cfg.Params.On(r.layout, last, [32]byte{byte(seed)}); err != nil {
			t.Fatal(err)
		}
	}
	n := r.layout.Len()
	updates, norms, sums := make([]*gradient.Update, len(r.residuals)), []gradient.Norm(nil), make([]tensor.Flat, len(r.residuals))
	for w, e := range r.residuals {
		now := heavyTail(seed+uint64(w), n)
		for i, v := range r.theta {
			now[i] = v - now[i]
		}
		sums[w] = make(tensor.Flat, n)
		kernel.Join(sums[w], e, r.theta, now, 0.9)
		u := encode(t, r.layout, r.cfg.Params, sums[w])
		back, err := gradient.ParseWire(r.layout, r.cfg.Params, u.Wire())
		if err != nil || string(back.Plain()) != string(u.Plain()) {
			t.Fatalf("%s: wire form: %v", r.name, err)
		}
		updates[w], norms = back, append(norms, u.NormSquared())
	}
	reference := gradient.LowerMedian(norms)
	cs := make([]Contribution, len(updates))
	for w, u := range updates {
		cs[w] = Contribution{Update: u, Clip: norms[w].ClipTo(reference), Samples: uint32(w), Stale: uint32(w % 2)}
		for c := range r.layout.Chunks() {
			u.SubtractFrom(c, cs[w].Clip, sums[w][c.Offset:c.Offset+c.Len])
		}
		r.residuals[w] = sums[w]
		fmt.Fprintf(&r.log, "%s update %s norm %x %x clip %x left %s\n",
			r.name, sumText(u.Plain()), norms[w].Hi, norms[w].Lo, uint64(cs[w].Clip), sumText(floatBytes(sums[w])))
	}
	return cs
}

// merge merges contributions in several orders of arrival, applies the step and
// reads it again as it travels.
func (r *played) merge(t *testing.T, cs []Contribution) {
	before := r.state
	var step *Step
	shuffle := rand.New(rand.NewPCG(1, 3))
	for arrival := range 3 {
		state := make(Planes, len(before))
		for i := range before {
			state[i] = slices.Clone(before[i])
		}
		s := mustMerge(t, r.layout, r.cfg, cs, state)
		if arrival > 0 && (string(s.Plain()) != string(step.Plain()) || string(planeBytes(state)) != string(planeBytes(r.state))) {
			t.Fatalf("%s: arrival %d gives another step", r.name, arrival)
		}
		step, r.state = s, state
		shuffle.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
	}
	step, err := ParseStepWire(r.layout, r.cfg, step.Wire())
	if err != nil {
		t.Fatal(err)
	}
	r.last = step
	if err := Apply(step, r.theta, r.theta); err != nil {
		t.Fatal(err)
	}
	root, err := tensor.Root(r.layout, r.theta)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&r.log, "%s step %s moves %d state %s model %s\n",
		r.name, sumText(step.Plain()), step.NumNonzero(), sumText(planeBytes(r.state)), sumText(root[:]))
}

// Updates, norms, clip factors, residuals, steps, states and models of whole rounds
// are what they were when the file was made, by go test -update.
func TestRounds(t *testing.T) {
	var got strings.Builder
	for _, p := range plays(t) {
		r := &played{play: p, theta: heavyTail(1, p.layout.Len()), state: planesOf(t, p.layout, p.cfg)}
		for range p.num {
			r.residuals = append(r.residuals, make(tensor.Flat, p.layout.Len()))
		}
		for i := range uint64(2) {
			r.merge(t, r.encode(t, 100*i+10))
		}
		for i, v := range r.theta {
			if x := math.Abs(float64(v)); x != 0 && x < 0x1p-126 {
				t.Errorf("%s: parameter %d is subnormal: %v", p.name, i, v)
			}
		}
		got.WriteString(r.log.String())
	}
	vectortest.Golden(t, *update, "rounds.txt", got.String())
}
