package validator

// This file holds what a validator has signed, so that it never signs two things
// where one is allowed, whatever record it is shown after a restart.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"lode/coordinator/round"
	"lode/protocol"
)

const vowFile = "validator.signed"

// vows is what was signed in the newest round, and where the record stood then.
type vows struct {
	_     struct{} `cbor:",toarray"`
	Run   protocol.RunID
	Next  uint64          // entries of the record that had been followed
	Head  protocol.Digest // of the last of them
	Round protocol.Round
	Said  []vow
}

// vow is one message's body, which stands for its (round, kind, attempt).
type vow struct {
	_       struct{} `cbor:",toarray"`
	Kind    protocol.Kind
	Attempt uint32 // of the proposal; 0 for what is said once a round
	Body    []byte
}

// swear makes a duty's answer durable before it leaves, and returns what may be
// signed: the answer, or what was said before in its place.
func (j *judge) swear(ctx context.Context, k task, answer func() (protocol.Body, error)) (protocol.Body, error) {
	if k.duty.round < j.vows.Round {
		return nil, fmt.Errorf("%w: this key has signed in round %d already", errStale, j.vows.Round)
	}
	attempt := uint32(0)
	if k.duty.kind == protocol.KindProposal || k.duty.kind == protocol.KindCoSign {
		attempt = k.duty.attempt
	}
	if k.duty.round == j.vows.Round {
		for _, v := range j.vows.Said {
			if v.Kind == k.duty.kind && v.Attempt == attempt {
				return protocol.DecodeBody(v.Kind, v.Body)
			}
		}
	}
	body, err := answer()
	if err != nil {
		return nil, err
	}
	next := vows{Run: j.cfg.Rules.Run, Next: k.at.Next, Head: k.at.Head, Round: k.duty.round}
	if k.duty.round == j.vows.Round {
		next.Said = slices.Clone(j.vows.Said)
	}
	next.Said = append(next.Said, vow{Kind: k.duty.kind, Attempt: attempt, Body: protocol.Encode(body)})
	b := protocol.Encode(next)
	if err := j.cfg.Files.Put(ctx, vowFile, bytes.NewReader(b), int64(len(b))); err != nil {
		return nil, fmt.Errorf("keep what is signed in round %d: %w", k.duty.round, err)
	}
	j.vows = next
	return body, nil
}

// loadVows takes up what an earlier process signed, and pins the record to the
// history it was signed for. A file that cannot be read ends the validator: to
// sign without it could be to sign twice.
func (j *judge) loadVows(ctx context.Context, rep *round.Replica) error {
	b, err := read(ctx, j.cfg.Files, vowFile, protocol.MaxMessageLen)
	if err != nil || b == nil {
		return err
	}
	var v vows
	err = protocol.Decode(b, &v)
	if err == nil && v.Run != j.cfg.Rules.Run {
		err = errors.New("another run's")
	}
	if err != nil {
		return fmt.Errorf("%s cannot be read, so what this key signed is not known: wait until the run is past this round, then remove the file: %w", vowFile, err)
	}
	if v.Next > j.cfg.Head {
		return fmt.Errorf("the coordinator's record has %d entries, but this validator signed after entry %d: the record was restored from an older copy or forked, and nothing more will be signed in it", j.cfg.Head, v.Next)
	}
	j.vows = v
	rep.Pin = round.Pin{Next: v.Next, Head: v.Head}
	return nil
}
