package coordinator_test

// This file holds members that send what the record says they owe, without
// training anything.

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"lode/coordinator"
	"lode/coordinator/round"
	"lode/engine/model"
	"lode/protocol"
	"lode/replica"
)

func keyOf(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, 31), n))
}

func idOf(k ed25519.PrivateKey) protocol.NodeID {
	return protocol.NodeID(k.Public().(ed25519.PublicKey))
}

// Keys by role; the manifest names the first and the last.
var (
	coordinatorKey = keyOf(200)
	workerKeys     = []ed25519.PrivateKey{keyOf(1), keyOf(2)}
	validatorKeys  = []ed25519.PrivateKey{keyOf(101), keyOf(102), keyOf(103)}
)

func rules(t testing.TB) *replica.Rules {
	t.Helper()
	man := protocol.Manifest{
		Version: protocol.Version, Name: "puppets", Coordinator: idOf(coordinatorKey), Owner: idOf(keyOf(201)), Seed: protocol.Digest{7},
		Model:   protocol.Model{Config: string(model.Llama{Dim: 16, Layers: 1, Heads: 2, KVHeads: 1, FFN: 32, Vocab: 256, Context: 16, Tied: true, RopeTheta: 1e4, NormEps: 1e-5}.Config())},
		Data:    protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Bytes: 1 << 16, Piece: 256, HeldOut: protocol.Q16(0.1)},
		Train:   protocol.Train{InnerSteps: 2, Rows: 1, Steps: 8, Optimizer: "adamw", Rate: 0.01, Warmup: 1, Schedule: "constant", Beta1: 0.9, Beta2: 0.95, ClipNorm: 1},
		Update:  protocol.Update{Codec: "topk", Keep: 64, Bits: 2, Decay: protocol.Q16(0.95), MinExp: -40, MaxExp: -4, Boost: 1},
		Merge:   protocol.Merge{Rule: "mean", Optimizer: "sgd", Rate: protocol.Q16(1), StepBits: 8, Refuse: 4},
		Score:   protocol.Score{Rows: 1, HeldOut: 1, Threshold: protocol.Q16(0.1), Window: 2, Project: 1, Overlap: protocol.Q16(0.6), Audit: 1, Examine: 2, WorkGate: 1 << 15, WorkMin: 1},
		Timing:  protocol.Timing{Train: 60 * protocol.Second, Phase: 30 * protocol.Second, Grace: protocol.Second},
		Members: protocol.Members{MinWorkers: 2, MinValidators: 3, MaxMembers: 16, OpenWorkers: true},
		Economy: protocol.Economy{Ledger: protocol.LedgerYuma, Emission: 1e9, Cap: 21e15, Tempo: 1},
	}
	for _, k := range validatorKeys {
		man.Members.Genesis = append(man.Members.Genesis, protocol.Stake{Node: idOf(k), Stake: 1000})
	}
	r, err := replica.NewRules(man)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// place is where members find the coordinator that keeps the record now.
type place struct {
	mu      sync.Mutex
	now     *coordinator.Coordinator
	life    context.Context // of it
	changed chan struct{}
}

func (p *place) move(c *coordinator.Coordinator, life context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.life = c, life
	if p.changed != nil {
		close(p.changed)
	}
	p.changed = make(chan struct{})
}

// next returns the coordinator that is not old, nil once ctx ended.
func (p *place) next(ctx context.Context, old *coordinator.Coordinator) (*coordinator.Coordinator, context.Context) {
	for {
		p.mu.Lock()
		now, life, changed := p.now, p.life, p.changed
		p.mu.Unlock()
		if now != nil && now != old {
			return now, life
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// puppet is a member.
type puppet struct {
	key   ed25519.PrivateKey
	rules *replica.Rules
	at    *place
	chain []protocol.Digest // of a validator: anchor, then preimages

	mu   sync.Mutex
	told []protocol.Digest // messages that Submit said yes to
}

func newPuppet(r *replica.Rules, at *place, key ed25519.PrivateKey, validates bool) *puppet {
	p := &puppet{key: key, rules: r, at: at}
	if validates {
		d := protocol.Hash("last link", key.Seed())
		for range 1 << 12 {
			p.chain = append(p.chain, d)
			d = protocol.Hash("beacon", d[:])
		}
		slices.Reverse(p.chain)
	}
	return p
}

var errEnough = errors.New("enough rounds")

// run plays along until so many rounds are final, with whichever coordinator
// there is.
func (p *puppet) run(ctx context.Context, rounds uint64) error {
	rep := round.NewReplica(p.rules.Manifest)
	for c, life := p.at.next(ctx, nil); c != nil; c, life = p.at.next(ctx, c) {
		if _, err := c.Arrive(life, idOf(p.key)); err != nil {
			continue
		}
		err := p.follow(life, c, rep, rounds)
		if err != nil && life.Err() == nil {
			return err
		}
	}
	return ctx.Err()
}

func (p *puppet) follow(ctx context.Context, c *coordinator.Coordinator, rep *round.Replica, rounds uint64) error {
	type owed struct {
		round   protocol.Round
		seed    protocol.Digest
		kind    protocol.Kind
		attempt uint32
	}
	var asked owed
	look := func([]round.Summary) error {
		m := rep.Machine
		if m.Counts().Rounds >= rounds {
			return errEnough
		}
		cur := m.Current()
		kind, ok := m.Owes(idOf(p.key))
		if o := (owed{cur.Number, cur.Seed, kind, cur.Attempt}); !ok || o == asked {
			return nil
		} else {
			asked = o
		}
		if w := replica.Weights(m, p.key); w != nil {
			if err := c.Submit(ctx, idOf(p.key), w); err != nil && protocol.ReasonOf(err) == protocol.Internal {
				return err
			}
		}
		n, body := p.answer(m, kind)
		msg := protocol.Sign(p.key, p.rules.Run, n, body)
		err := c.Submit(ctx, idOf(p.key), protocol.Encode(msg))
		switch protocol.ReasonOf(err) {
		case protocol.OK:
			p.mu.Lock()
			p.told = append(p.told, msg.Digest())
			p.mu.Unlock()
		case protocol.Duplicate, protocol.Busy, protocol.WrongRound, protocol.WrongPhase, protocol.NotProposer:
		default:
			return err
		}
		return nil
	}
	// What the last coordinator did not answer is still owed.
	if err := look(nil); err != nil {
		return err
	}
	return replica.Follow(ctx, c, rep, look)
}

// answer returns what the member owes.
func (p *puppet) answer(m *round.Machine, kind protocol.Kind) (protocol.Round, protocol.Body) {
	cur, me := m.Current(), idOf(p.key)
	tag := func(label string) protocol.Digest { return protocol.Hash(label, me[:], protocol.Encode(cur.Number)) }
	switch kind {
	case protocol.KindJoin:
		if p.chain == nil {
			enter, err := replica.Enter(m, replica.Entry{Node: p.key, Role: protocol.Worker})
			if err != nil {
				panic(err)
			}
			return 0, protocol.Join{Role: protocol.Worker, Name: "puppet", Enter: enter}
		}
		return 0, protocol.Join{Role: protocol.Validator, Name: "puppet", Anchor: p.chain[0]}
	case protocol.KindCommit:
		return cur.Number, protocol.Commit{StateRoot: cur.Root, Seed: cur.Seed, Plain: tag("plain"), Cipher: tag("cipher"), Size: 100, Kept: 10, Tokens: 16, Loss: 1}
	case protocol.KindReveal:
		return cur.Number, protocol.Reveal{Key: tag("key")}
	case protocol.KindListSignature:
		return cur.Number, protocol.ListSignature{List: cur.List}
	case protocol.KindAttestation:
		x, _ := m.Member(me)
		findings := make([]protocol.Finding, len(cur.Entries))
		for i := range findings {
			findings[i].NormLo = 1 << 30
		}
		return cur.Number, protocol.Attestation{List: cur.List, Preimage: p.chain[x.Revealed+1], Findings: findings}
	case protocol.KindSheetCommit:
		return cur.Number, protocol.SheetCommit{Sheet: p.sheet(cur).Digest(me)}
	case protocol.KindSheetReveal:
		return cur.Number, protocol.SheetReveal{Sheet: p.sheet(cur)}
	case protocol.KindProposal:
		return cur.Number, protocol.Proposal{Receipt: protocol.Receipt{
			Version: protocol.Version, Run: m.Run(),
			Round: cur.Number, Parent: cur.Parent, StateRoot: cur.Root, List: cur.List, Decision: cur.Decision, Size: 10,
		}}
	}
	return cur.Number, protocol.CoSign{Receipt: cur.Proposal.Digest(), Before: 3, After: 2, HeldOut: 2}
}

func (p *puppet) sheet(cur *round.Round) protocol.Sheet {
	s := protocol.Sheet{Seed: cur.Eval, Loss: 3, Rows: make([]protocol.Row, len(cur.Candidates))}
	for i := range s.Rows {
		s.Rows[i] = protocol.Row{First: 1e6, Audited: slices.Contains(cur.Audit, i), Examined: slices.Contains(cur.Examine, i)}
		if s.Rows[i].Audited {
			s.Rows[i].Paired = 1e6
		}
		if s.Rows[i].Examined {
			s.Rows[i].Work = 1e6
		}
	}
	return s
}

// withDeadline bounds a test that would otherwise wait for ever.
func withDeadline(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
