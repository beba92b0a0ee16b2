package replica

// This file holds updates on their way: sealed into payloads, and opened again.

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/gradient"
	"lode/protocol"
	"lode/validator/score"
)

// Sealed is an update ready to be committed to and sent.
type Sealed struct {
	Payload []byte
	Plain   protocol.Digest
	Cipher  protocol.Digest
}

// Seal turns a worker's update of round n, computed from root, into a payload.
// The same update gives the same payload.
func (r *Rules) Seal(key ed25519.PrivateKey, n protocol.Round, root protocol.Digest, u *gradient.Update) Sealed {
	plain := protocol.Sum(u.Plain())
	h := protocol.Header{Run: r.Run, Round: n, Node: nodeID(key), StateRoot: root, Plain: plain}
	payload := protocol.Seal(protocol.PayloadKey(key, r.Run, n, plain), h, u.Wire())
	return Sealed{Payload: payload, Plain: plain, Cipher: protocol.Sum(payload)}
}

func nodeID(key ed25519.PrivateKey) protocol.NodeID {
	return protocol.NodeID(key.Public().(ed25519.PublicKey))
}

// Open takes a payload of round n, whose codec is given, apart again. Everything that
// can be wrong with it is a refusal with its own reason.
func (r *Rules) Open(codec gradient.Params, n protocol.Round, worker protocol.NodeID, c protocol.Commit, key [32]byte, payload []byte) (*gradient.Update, error) {
	if uint64(len(payload)) != c.Size || protocol.Sum(payload) != c.Cipher {
		return nil, protocol.Refuse(protocol.WrongContent, "payload is not what was committed")
	}
	h := protocol.Header{Run: r.Run, Round: n, Node: worker, StateRoot: c.StateRoot, Plain: c.Plain}
	content, err := protocol.Unseal(key, h, payload, gradient.MaxWireLen(r.Layout, codec))
	if err != nil {
		return nil, err
	}
	u, err := gradient.ParseWire(r.Layout, codec, content)
	if err != nil {
		return nil, protocol.Refuse(protocol.BadUpdate, "%v", err)
	}
	if protocol.Sum(u.Plain()) != c.Plain {
		return nil, protocol.Refuse(protocol.WrongContent, "update does not hash to the committed digest")
	}
	return u, nil
}

// Fetcher gets payloads by digest, verified, of at most so many bytes.
type Fetcher interface {
	Fetch(ctx context.Context, digest protocol.Digest, most int64) ([]byte, error)
}

// ReadPayload reads a payload of the given size that is at hand, at most so many
// bytes, and checks that it is the one of that digest.
func ReadPayload(r io.Reader, size int64, digest protocol.Digest, most int64) ([]byte, error) {
	if size > most {
		return nil, protocol.Refuse(protocol.TooLarge, "%d bytes, at most %d are allowed", size, most)
	}
	b, err := io.ReadAll(io.LimitReader(r, size))
	if err == nil && protocol.Sum(b) != digest {
		err = fmt.Errorf("payload %s is damaged", digest.Short())
	}
	return b, err
}

// Accepted fetches and opens the accepted updates of a finished round, whose codec is
// given, in the order of its outcomes, and puts them on a pile.
func (r *Rules) Accepted(ctx context.Context, from Fetcher, codec gradient.Params, s *round.Summary, on *Pile) ([]aggregation.Contribution, error) {
	var out []aggregation.Contribution
	for _, o := range s.Outcomes {
		if o.Verdict.Reason != protocol.OK {
			continue
		}
		payload, err := from.Fetch(ctx, o.Commit.Cipher, int64(r.MaxPayload(s.Round)))
		if err != nil {
			return nil, fmt.Errorf("update of %s in round %d: %w", o.Worker.Short(), s.Round, err)
		}
		u, err := r.Open(codec, s.Round, o.Worker, o.Commit, o.Key, payload)
		if err != nil {
			return nil, fmt.Errorf("update of %s in round %d: %w", o.Worker.Short(), s.Round, err)
		}
		at, err := on.Add(u)
		if err != nil {
			return nil, err
		}
		out = append(out, Contribution(at, o.Verdict, o.Commit))
	}
	return out, nil
}

// Contribution is an accepted update as it is merged: clipped as its verdict says,
// weighing what its commit names.
func Contribution(u aggregation.Source, v score.Verdict, c protocol.Commit) aggregation.Contribution {
	return aggregation.Contribution{Update: u, Clip: v.Clip, Samples: c.Samples}
}

// Step fetches a finished round's merged step.
func (r *Rules) Step(ctx context.Context, from Fetcher, rc protocol.Receipt) (*aggregation.Step, error) {
	payload, err := from.Fetch(ctx, rc.Payload, int64(r.MaxStep(rc.Round)))
	if err != nil {
		return nil, fmt.Errorf("merged step of round %d: %w", rc.Round, err)
	}
	if uint64(len(payload)) != rc.Size {
		return nil, fmt.Errorf("merged step of round %d has %d bytes, the receipt says %d", rc.Round, len(payload), rc.Size)
	}
	step, err := aggregation.ParseStepWire(r.Layout, r.Merge(rc.Round), payload)
	if err != nil {
		return nil, fmt.Errorf("merged step of round %d: %w", rc.Round, err)
	}
	if protocol.Sum(step.Plain()) != rc.Step {
		return nil, fmt.Errorf("merged step of round %d is not the receipt's", rc.Round)
	}
	return step, nil
}
