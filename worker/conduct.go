package worker

// This file holds conducts: workers that cheat, for runs that show that cheating
// does not pay.

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/tensor"
)

// Conduct is how a worker deviates from the protocol.
type Conduct interface {
	// Steps returns how many of h inner steps are really taken.
	Steps(h int) int
	// Forge may fill in something else to compress, or a commit of its own.
	Forge(ctx context.Context, t *trainer, s *sent) error
}

var conducts = []string{"honest", "noise", "freerider", "copycat", "inflate", "boast"}

// Conducts returns the names that [NewConduct] knows, honest first.
func Conducts() []string { return append([]string(nil), conducts...) }

// NewConduct returns a conduct by name; nil for "honest".
func NewConduct(name string) (Conduct, error) {
	switch name {
	case "", "honest":
		return nil, nil
	case "noise":
		return noise{}, nil
	case "freerider":
		return freerider{}, nil
	case "copycat":
		return copycat{}, nil
	case "inflate":
		return inflate{}, nil
	case "boast":
		return boast{}, nil
	}
	return nil, fmt.Errorf("no conduct %q (there are %v)", name, conducts)
}

// honest returns what an honest worker would have compressed.
func (t *trainer) honest() (tensor.Flat, error) {
	a := make(tensor.Flat, t.cfg.Rules.Layout.Len())
	return a, tensor.Copy(t.cfg.Rules.Layout, a, t.residual)
}

// all takes every step.
type all struct{}

func (all) Steps(h int) int { return h }

// noise sends its update with the values of every chunk shuffled and their signs
// drawn anew: random, with the norm of honest work.
type noise struct{ all }

func (noise) Forge(_ context.Context, t *trainer, s *sent) error {
	rng := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(t.me[:]), uint64(s.task.round)))
	var err error
	if s.forged, err = t.honest(); err != nil {
		return err
	}
	for c := range t.cfg.Rules.Layout.Chunks() {
		vals := s.forged[c.Offset : c.Offset+c.Len]
		rng.Shuffle(len(vals), func(i, j int) { vals[i], vals[j] = vals[j], vals[i] })
		for i := range vals {
			if rng.Uint32()&1 == 0 {
				vals[i] = -vals[i]
			}
		}
	}
	return nil
}

// freerider takes a fifth of the steps and claims them all.
type freerider struct{}

func (freerider) Steps(h int) int                              { return max(1, h/5) }
func (freerider) Forge(context.Context, *trainer, *sent) error { return nil }

// inflate sends its honest work times 3 and times 100 in turn.
type inflate struct{ all }

func (inflate) Forge(_ context.Context, t *trainer, s *sent) error {
	factor := float32(3)
	if s.task.round%2 == 1 {
		factor = 100
	}
	var err error
	s.forged, err = t.honest()
	for i := range s.forged {
		s.forged[i] *= factor
	}
	return err
}

// boast does its work and claims as many samples as count.
type boast struct{ all }

func (boast) Forge(_ context.Context, t *trainer, s *sent) error {
	s.commit.Samples = t.cfg.Rules.Manifest.Merge.MaxSamples
	return nil
}

// copycat sends, in turn, the last merged step, the best update of the round
// before, and somebody else's ciphertext.
type copycat struct{}

func (copycat) Steps(int) int { return 1 }

func (copycat) Forge(ctx context.Context, t *trainer, s *sent) error {
	last := t.newest
	if last == nil || last.Round+1 != s.task.round {
		return nil
	}
	switch s.task.round % 3 {
	case 0:
		return t.copyStep(ctx, last, s)
	case 1:
		return t.copyBest(ctx, last, s)
	}
	c, ok := t.seen.others(ctx, s.task.round)
	if !ok {
		return fmt.Errorf("nobody to copy from in round %d", s.task.round)
	}
	s.commit, s.sealed.Cipher, s.sealed.Plain = c, c.Cipher, c.Plain
	return nil
}

func (t *trainer) copyStep(ctx context.Context, last *round.Summary, s *sent) error {
	step, err := t.cfg.Rules.Step(ctx, t.cfg.Link, last.Receipt)
	if err != nil {
		return err
	}
	s.forged = make(tensor.Flat, t.cfg.Rules.Layout.Len())
	for c := range t.cfg.Rules.Layout.Chunks() {
		vals := s.forged[c.Offset : c.Offset+c.Len]
		step.SubtractFrom(c, vals)
		for i := range vals {
			vals[i] = -vals[i]
		}
	}
	return nil
}

func (t *trainer) copyBest(ctx context.Context, last *round.Summary, s *sent) error {
	var best *round.Outcome
	for i := range last.Outcomes {
		o := &last.Outcomes[i]
		if o.Worker != t.me && o.Verdict.Reason == protocol.OK && (best == nil || o.Verdict.Score > best.Verdict.Score) {
			best = o
		}
	}
	if best == nil {
		return nil
	}
	codec, err := t.cfg.Rules.CodecAfter(last.Round, nil)
	if err != nil { // places of a round that is over
		return t.copyStep(ctx, last, s)
	}
	payload, err := t.cfg.Link.Fetch(ctx, best.Commit.Cipher, int64(t.cfg.Rules.MaxPayload(last.Round)))
	if err != nil {
		return err
	}
	u, err := t.cfg.Rules.Open(codec, last.Round, best.Worker, best.Commit, best.Key, payload)
	if err != nil {
		return err
	}
	s.forged = make(tensor.Flat, t.cfg.Rules.Layout.Len())
	return tensor.Copy(t.cfg.Rules.Layout, s.forged, u)
}
