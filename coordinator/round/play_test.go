package round_test

// This file holds a play: a machine on a stage of nodes whose keys follow from
// their names, with every accepted event going through a real record to a
// replica.

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"lode/coordinator/round"
	"lode/engine/model"
	"lode/protocol"
	"lode/replica"
)

// start is the instant that plays count from.
const start protocol.Instant = 1_750_000_000_000_000_000

type play struct {
	man     protocol.Manifest
	machine *round.Machine
	chain   protocol.Chain
	record  [][]byte
	replica *round.Replica
	now     protocol.Instant

	names     map[protocol.NodeID]string
	preimages map[protocol.Digest]protocol.Digest
	sheets    map[string]protocol.Sheet // last one committed, by validator

	list   protocol.Digest // of the round in flight once it is closed
	listOf protocol.Round
	mute   bool                 // validators do not say their weights
	invite *protocol.InviteSeed // of the run
}

func keyOf(name string) ed25519.PrivateKey {
	seed := protocol.Hash("test key", []byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func idOf(name string) protocol.NodeID {
	return protocol.NodeID(keyOf(name).Public().(ed25519.PublicKey))
}

// testManifest returns the smallest manifest that is valid.
func testManifest() protocol.Manifest {
	return protocol.Manifest{
		Version: protocol.Version, Name: "play", Coordinator: idOf("coordinator"), Owner: idOf("owner"),
		Model:  protocol.Model{Config: string(model.Llama{Dim: 4, Layers: 1, Heads: 1, KVHeads: 1, FFN: 4, Vocab: 4, Context: 8, RopeTheta: 1e4, NormEps: 1e-5}.Config())},
		Data:   protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Bytes: 1 << 16, Piece: 64, HeldOut: protocol.Q16(0.1)},
		Train:  protocol.Train{InnerSteps: 1, Rows: 1, Steps: 8, Optimizer: "adamw", Rate: 0.1, Schedule: "constant"},
		Update: protocol.Update{Codec: "topk", Keep: 64, Bits: 2, Decay: protocol.Q16(0.95), MinExp: -40, MaxExp: -4, Boost: 1},
		Merge:  protocol.Merge{Rule: "mean", Optimizer: "sgd", Rate: protocol.Q16(1), StepBits: 8, Refuse: 4},
		Score: protocol.Score{
			Rows: 1, HeldOut: 1, Threshold: protocol.Q16(0.1), Window: 2, Project: 2, Overlap: protocol.Q16(0.5),
			Audit: 1, Examine: 0, WorkGate: 0, WorkMin: 2,
		},
		Timing:  protocol.Timing{Train: 60 * protocol.Second, Phase: 10 * protocol.Second, Grace: protocol.Second},
		Members: protocol.Members{MinWorkers: 2, MinValidators: 2, MaxMembers: 16, OpenWorkers: true},
		Economy: protocol.Economy{Ledger: protocol.LedgerYuma, Emission: 1_000_000_000, Cap: 21e15, Tempo: 2},
	}
}

func newPlay(man protocol.Manifest) (*play, error) {
	if err := man.Validate(); err != nil {
		return nil, err
	}
	p := &play{
		man: man, machine: round.New(man), replica: round.NewReplica(man), now: start,
		chain:     protocol.Chain{Run: man.ID(), Coordinator: man.Coordinator},
		names:     map[protocol.NodeID]string{},
		preimages: map[protocol.Digest]protocol.Digest{},
		sheets:    map[string]protocol.Sheet{},
	}
	return p, nil
}

// name returns the name of a node that was spoken of before.
func (p *play) name(n protocol.NodeID) string {
	if s, ok := p.names[n]; ok {
		return s
	}
	return n.Short()
}

func (p *play) id(name string) protocol.NodeID {
	n := idOf(name)
	p.names[n] = name
	return n
}

// fault is a broken invariant, as opposed to a refusal.
type fault string

func (f fault) Error() string { return string(f) }

// step gives the machine one event; an accepted one goes on through the record.
// A refusal comes back as it is, a broken invariant as a fault.
func (p *play) step(ev protocol.Event) ([]round.Effect, error) {
	effects, err := p.machine.Step(p.now, ev)
	if err != nil {
		if protocol.ReasonOf(err) == protocol.Internal {
			return nil, fault("a refusal without a reason: " + err.Error())
		}
		if !round.Same(p.machine, p.replica.Machine) {
			return nil, fault(fmt.Sprintf("refused event %T changed the machine: %v", ev, err))
		}
		return nil, err
	}
	effects = slices.Clone(effects)
	entry := p.chain.Append(keyOf("coordinator"), p.now, ev)
	p.record = append(p.record, protocol.Encode(entry))
	again, err := p.replica.Feed(p.record[len(p.record)-1])
	if err != nil {
		return nil, fault("the replica refuses what the machine took: " + err.Error())
	}
	if len(effects) != len(again) || len(effects) > 0 && !reflect.DeepEqual(effects, again) {
		return nil, fault("the replica finds other effects")
	}
	if !round.Same(p.machine, p.replica.Machine) {
		return nil, fault("the replica is in another state")
	}
	if err := p.invariants(effects); err != nil {
		return nil, err
	}
	more, err := p.toLedger()
	var f fault
	if err != nil && !errors.As(err, &f) {
		err = fault("the ledger refuses what is due: " + err.Error())
	}
	return append(effects, more...), err
}

// invariants are true after every event.
func (p *play) invariants(effects []round.Effect) error {
	m, r := p.machine, p.machine.Current()
	if err := p.money(); err != nil {
		return err
	}
	if !round.Counted(m) {
		return fault("the machine miscounts its workers")
	}
	phase, _ := m.Phase()
	if phase < round.Closing && r.List != (protocol.Digest{}) || phase >= round.Closing && r.List == (protocol.Digest{}) {
		return fault(fmt.Sprintf("list %s in phase %v", r.List.Short(), phase))
	}
	if p.listOf == r.Number && p.list != (protocol.Digest{}) && r.List != p.list {
		return fault("a closed list changed")
	}
	p.listOf, p.list = r.Number, r.List
	if len(r.Verdicts) != 0 && len(r.Verdicts) != len(r.Candidates) || len(r.Clips) != len(r.Candidates) {
		return fault("candidates, clips and verdicts differ in number")
	}
	for _, e := range effects {
		if done, ok := e.(round.Merged); ok {
			if err := p.merged(&done.Summary); err != nil {
				return err
			}
		}
	}
	placed := 0
	for _, x := range m.Members() {
		if x.Left && x.Present {
			return fault("who has no place is there")
		}
		if !x.Left {
			placed++
		}
		if kind, owes := m.Owes(x.Node); (owes && kind == protocol.KindJoin) != x.Left {
			return fault("who has a place owes a join, or who has none does not")
		}
	}
	if placed > int(p.man.Members.MaxMembers) {
		return fault("more members than places")
	}
	return nil
}

// money adds up the whole ledger.
func (p *play) money() error {
	if err := p.machine.Ledger().Audit(); err != nil {
		return fault(err.Error())
	}
	return nil
}

// toLedger says to the ledger what coordinator and validators do by themselves.
func (p *play) toLedger() (effects []round.Effect, err error) {
	tell := func(tx []byte) {
		if err == nil {
			var more []round.Effect
			more, err = p.step(protocol.Transaction{Tx: tx})
			effects = append(effects, more...)
		}
	}
	if p.mute {
		return effects, err
	}
	for _, s := range p.machine.Current().Seats {
		if tx := replica.Weights(p.machine, keyOf(p.names[s.Node])); tx != nil {
			tell(tx)
			break
		}
	}
	return effects, err
}

// merged checks a final round: what was accepted was listed, scored and keyed.
func (p *play) merged(s *round.Summary) error {
	seen := map[protocol.NodeID]bool{}
	for _, o := range s.Outcomes {
		if seen[o.Worker] || !slices.Contains(s.Workers, o.Worker) || o.Verdict.Worker != o.Worker {
			return fault("an outcome of nobody on the roster, or a second one")
		}
		seen[o.Worker] = true
		if ok := o.Verdict.Reason == protocol.OK; ok != (o.Verdict.Clip > 0) || ok && (!o.Revealed || o.Verdict.Score <= 0) {
			return fault(fmt.Sprintf("accepted without key, score or clip factor: %+v", o))
		}
	}
	if !slices.IsSortedFunc(s.Workers, func(a, b protocol.NodeID) int { return bytes.Compare(a[:], b[:]) }) {
		return fault("the roster is not sorted")
	}
	return nil
}

// say signs a body as name would in the present round.
func (p *play) say(name string, body protocol.Body) protocol.Message {
	p.id(name)
	r := p.machine.Current().Number
	if j, ok := body.(protocol.Join); ok {
		r = 0
		j.Enter = p.enter(name, j.Role)
		body = j
	}
	return protocol.Sign(keyOf(name), p.chain.Run, r, body)
}

// enter returns the transactions that name joins with.
func (p *play) enter(name string, role protocol.Role) [][]byte {
	e := replica.Entry{Node: keyOf(name), Role: role}
	if !slices.ContainsFunc(p.man.Members.Genesis, func(s protocol.Stake) bool { return s.Node == idOf(name) }) {
		e.Invite = p.invite
	}
	txs, err := replica.Enter(p.machine, e)
	if err != nil {
		panic(err)
	}
	return txs
}

// anchor returns the end of name's n-th hash chain.
func (p *play) anchor(name string, n int) protocol.Digest {
	d := protocol.Hash("test chain", []byte(name), protocol.Encode(n))
	for range 64 {
		link := protocol.Hash("beacon", d[:])
		p.preimages[link] = d
		d = link
	}
	return d
}

// preimage returns what the machine expects of a validator next.
func (p *play) preimage(name string) protocol.Digest {
	x, _ := p.machine.Member(idOf(name))
	return p.preimages[x.Anchor]
}

// commitOf returns an honest commit.
func (p *play) commitOf(name string) protocol.Commit {
	r := p.machine.Current()
	plain := protocol.Hash("test plain", []byte(name), protocol.Encode(r.Number))
	return protocol.Commit{
		StateRoot: r.Root, Seed: r.Seed, Plain: plain, Cipher: protocol.Hash("test cipher", plain[:]),
		Size: 100, Kept: 64, Tokens: 8, Loss: 1e9, Samples: min(p.man.Merge.MaxSamples, 20),
	}
}

// sheetOf returns an honest sheet: every candidate improves the loss by 1000.
func (p *play) sheetOf() protocol.Sheet {
	r := p.machine.Current()
	s := protocol.Sheet{Seed: r.Eval, Loss: 2e9, Rows: make([]protocol.Row, len(r.Candidates))}
	for i := range s.Rows {
		s.Rows[i].First = 1000
	}
	return s
}

// receiptOf returns the receipt of a merge that every honest validator computes.
func (p *play) receiptOf() protocol.Receipt {
	r := p.machine.Current()
	what := protocol.Encode(r.Verdicts)
	return protocol.Receipt{
		Version: protocol.Version, Run: p.machine.Run(),
		Round: r.Number, Parent: r.Parent, StateRoot: r.Root, List: r.List, Decision: r.Decision,
		Step: protocol.Hash("test step", what), Payload: protocol.Hash("test payload", what), Size: 50,
		Model: protocol.Hash("test model", r.Root[:], what),
	}
}

// honest returns what name owes now, said honestly; ok is false if it owes
// nothing. find gives the finding for one commit.
func (p *play) honest(name string, find func(e *round.Entry) protocol.Finding) (msg protocol.Message, ok bool) {
	r := p.machine.Current()
	kind, ok := p.machine.Owes(p.id(name))
	if !ok {
		return msg, false
	}
	switch kind {
	case protocol.KindCommit:
		return p.say(name, p.commitOf(name)), true
	case protocol.KindListSignature:
		return p.say(name, protocol.ListSignature{List: r.List}), true
	case protocol.KindReveal:
		return p.say(name, protocol.Reveal{Key: [32]byte{1}}), true
	case protocol.KindAttestation:
		a := protocol.Attestation{List: r.List, Preimage: p.preimage(name)}
		for i := range r.Entries {
			a.Findings = append(a.Findings, find(&r.Entries[i]))
		}
		return p.say(name, a), true
	case protocol.KindSheetCommit:
		s := p.sheetOf()
		p.sheets[name] = s
		return p.say(name, protocol.SheetCommit{Sheet: s.Digest(idOf(name))}), true
	case protocol.KindSheetReveal:
		return p.say(name, protocol.SheetReveal{Sheet: p.sheets[name]}), true
	case protocol.KindProposal:
		return p.say(name, protocol.Proposal{Receipt: p.receiptOf()}), true
	case protocol.KindCoSign:
		return p.say(name, protocol.CoSign{Receipt: r.Proposal.Digest(), Before: 2e9, After: 1e9, HeldOut: 3e9}), true
	}
	panic(fmt.Sprintf("no honest answer to a duty of kind %d", kind))
}

// opened is the finding of a validator for which everything revealed is well.
func opened(e *round.Entry) protocol.Finding {
	if !e.Revealed {
		return protocol.Finding{Reason: protocol.NotRevealed}
	}
	return protocol.Finding{NormLo: 100 * 100}
}
