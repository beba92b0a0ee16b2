package replica

// This file derives from a manifest what each round is done with.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"path"

	"lode/aggregation"
	"lode/engine"
	"lode/engine/model"
	"lode/gradient"
	"lode/protocol"
	"lode/tensor"
)

// Engines take every batch that a manifest may ask for, and every config is read.
const (
	_ = uint(engine.MaxIDs - protocol.MaxBatch)
	_ = uint(model.MaxConfig - protocol.MaxConfig)
)

// Rules are a manifest's rules in the terms of the packages that follow them.
type Rules struct {
	Manifest protocol.Manifest
	Run      protocol.RunID
	Model    model.Model
	Layout   tensor.Layout // says what is frozen
	Frozen   []bool        // the same, for engines: of each tensor; nil: all are trained
	NoDecay  []bool        // of each tensor, for engines: weight decay leaves it alone; nil: of no matrix
	// Initial reads the parameters that the run begins with, where the manifest names
	// them; who knows them sets it, and sees to it that it serves all goroutines that
	// share the rules. nil: they follow from the seed, or are not at hand.
	Initial tensor.Reader
}

// NewRules checks the manifest and derives its rules.
func NewRules(man protocol.Manifest) (*Rules, error) {
	if err := man.Validate(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	r := &Rules{Manifest: man, Run: man.ID()}
	var err error
	if r.Model, err = architecture(man); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if r.Layout, err = model.Layout(r.Model); err != nil {
		return nil, fmt.Errorf("manifest: model: %w", err)
	}
	var fault error
	r.Frozen, err = matched(r.Layout, "train.only", man.Train.Only)
	r.NoDecay, fault = matched(r.Layout, "train.no_decay", man.Train.NoDecay)
	if err = errors.Join(err, fault); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	for t, trained := range r.Frozen {
		r.Frozen[t] = !trained
	}
	r.Layout = r.Layout.Freeze(r.Frozen)
	if err := r.checkMerge(); err != nil {
		return nil, fmt.Errorf("manifest: merge: %w", err)
	}
	return r, nil
}

// matched says of each tensor whether one of the field's patterns is one of its
// name; nil if there are no patterns. A pattern of no name is a fault.
func matched(l tensor.Layout, field string, patterns []string) ([]bool, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	out := make([]bool, l.NumTensors())
	var errs []error
	for i, p := range patterns {
		found := false
		for t := range out {
			if ok, err := path.Match(p, l.Spec(t).Name); ok && err == nil {
				out[t], found = true, true
			}
		}
		if !found {
			errs = append(errs, &protocol.FieldError{Field: fmt.Sprintf("%s[%d]", field, i), Fault: fmt.Sprintf("%.40q is no tensor's name", p)})
		}
	}
	return out, errors.Join(errs...)
}

// Fit reports whether the engine is one of these rules: of their parameters, and
// training those that they do.
func (r *Rules) Fit(e engine.Engine) error {
	l := e.Layout()
	if !gradient.SameLayout(l, r.Layout) {
		return fmt.Errorf("the engine has %d parameters in %d tensors, the run's model %d in %d; or they differ in shape, or in what is trained",
			l.Len(), l.NumTensors(), r.Layout.Len(), r.Layout.NumTensors())
	}
	return nil
}

// checkMerge checks what goes with the merge's rule. A round may accept fewer
// updates than it has workers; then the rule bears fewer liars.
func (r *Rules) checkMerge() error {
	cfg := r.Merge(0)
	if err := cfg.Validate(); err != nil {
		return err
	}
	members := r.Manifest.Members
	if need, have := cfg.NeedsWorkers(), members.Taken(int(members.MinWorkers)); need > have {
		return fmt.Errorf("rule %q bears %d liars among %d workers or more, but a round may begin with %d (members.min_workers, members.fraction)", cfg.Rule, cfg.Liars, need, have)
	}
	return nil
}

// Codec returns the parameters of round n's updates; [Rules.CodecAfter] with the
// places that workers share.
func (r *Rules) Codec(n protocol.Round) gradient.Params {
	u := r.Manifest.Update
	boost := r.boost(n)
	return gradient.Params{
		Codec: u.Codec, K: boost * int(u.Keep), KEmbed: boost * int(u.KeepEmbed), Bits: int(u.Bits),
		EMin: int8(u.MinExp), EMax: int8(u.MaxExp),
	}
}

// CodecAfter returns the parameters of round n's updates, ready for use. Where
// workers share places, these follow from step, the merged step of the round before,
// nil before the first, and from a seed of run and round.
func (r *Rules) CodecAfter(n protocol.Round, step *aggregation.Step) (gradient.Params, error) {
	p := r.Codec(n)
	if !r.Shares() {
		return p, nil
	}
	var last gradient.Vector
	switch {
	case step != nil:
		last = step
	case n > 0:
		return p, fmt.Errorf("%w: round %d", ErrNoPlaces, n)
	}
	return p.On(r.Layout, last, protocol.Hash("places", r.Run[:], binary.LittleEndian.AppendUint64(nil, uint64(n))))
}

// Shares tells whether workers share the places that they send.
func (r *Rules) Shares() bool { return r.Manifest.Update.Codec == gradient.Shared }

// ErrNoPlaces says that updates cannot be made or read because the places that they
// share are not known.
var ErrNoPlaces = errors.New("the places that updates share follow from the merged step before, which is not at hand")

// boost returns by how much more is kept in round n.
func (r *Rules) boost(n protocol.Round) int {
	if u := r.Manifest.Update; n < protocol.Round(u.DenseStart) {
		return int(u.Boost)
	}
	return 1
}

// Merge returns the settings of round n's merge.
func (r *Rules) Merge(n protocol.Round) aggregation.Config {
	g := r.Manifest.Merge
	cfg := aggregation.DefaultConfig(r.Codec(n))
	cfg.ClipNorms, cfg.Mix, cfg.Bucket = g.ClipNorms, g.Mix, int(g.Bucket)
	cfg.Seed = protocol.Hash("buckets", r.Run[:], binary.LittleEndian.AppendUint64(nil, uint64(n)))
	cfg.Rule, cfg.Liars, cfg.Senders = g.Rule, int(g.Liars), g.Senders
	cfg.Optimizer, cfg.Rate, cfg.Momentum, cfg.Second, cfg.FloorExp = g.Optimizer, g.Rate, g.Momentum, g.Second, int(g.FloorExp)
	cfg.MaxSamples = g.MaxSamples
	cfg.StepBits, cfg.StepKeep = int(g.StepBits), min(r.boost(n)*int(g.StepKeep), tensor.ChunkLen)
	return cfg
}

// MaxPayload returns the largest payload a worker may send in round n, bytes.
func (r *Rules) MaxPayload(n protocol.Round) int {
	return gradient.MaxWireLen(r.Layout, r.Codec(n)) + protocol.SealOverhead
}

// MaxStep returns the largest payload of round n's merged step, bytes.
func (r *Rules) MaxStep(n protocol.Round) int {
	return aggregation.MaxStepWireLen(r.Layout, r.Merge(n))
}

// Schedule returns how the rate of inner steps runs over rounds.
func (r *Rules) Schedule() engine.Schedule {
	t := r.Manifest.Train
	return engine.Schedule{
		Shape: t.Schedule, Warmup: int(t.Warmup), Length: int(t.Rounds),
		Final: float64(t.FinalRate) / 65536, Decay: float64(t.DecayShare) / 65536,
	}
}

// Held yields the batches of round n and holds the parameters back, as train.proximal
// says, to those that the round began with, once a step was taken on each.
func (r *Rules) Held(e engine.Engine, n protocol.Round, start tensor.Reader, batches iter.Seq2[engine.Batch, error]) iter.Seq2[engine.Batch, error] {
	mu := r.Manifest.Train.Proximal
	if mu == 0 {
		return batches
	}
	pull := float64(float64(r.Hyper(n).Rate) * mu)
	return engine.Held(e, start, float32(pull/(1+pull)), batches)
}

// Hyper returns the settings of the inner steps of round n.
func (r *Rules) Hyper(n protocol.Round) engine.Hyper {
	t := r.Manifest.Train
	rate := float64(t.Rate * r.Schedule().At(int(min(n, math.MaxInt32))))
	return engine.Hyper{
		Rate: float32(rate), Beta1: float32(t.Beta1), Beta2: float32(t.Beta2),
		WeightDecay: float32(t.WeightDecay), ClipNorm: float32(t.ClipNorm), Muon: t.Optimizer == protocol.Muon,
	}
}
