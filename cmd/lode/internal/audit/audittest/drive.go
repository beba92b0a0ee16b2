package audittest

// This file holds the driver: it asks the machine what everybody owes and sends
// just that.

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"testing"

	"lode/aggregation"
	"lode/checkpoints"
	"lode/coordinator/round"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

type driver struct {
	*Run
	tb      testing.TB
	cfg     Config
	machine *round.Machine
	chain   protocol.Chain
	now     protocol.Instant
	model   *replica.Model

	updates map[protocol.NodeID]*gradient.Update // of this round
	merged  *replica.Merged
}

func (d *driver) must(err error) {
	d.tb.Helper()
	if err != nil {
		d.tb.Fatalf("round %d: %v", d.machine.Current().Number, err)
	}
}

// record lets the machine take an event and appends it to the record.
func (d *driver) record(ev protocol.Event) {
	d.tb.Helper()
	d.now += protocol.Instant(protocol.Millisecond)
	effects, err := d.machine.Step(d.now, ev)
	d.must(err)
	var final []round.Summary
	for _, e := range effects {
		if m, ok := e.(round.Merged); ok {
			final = append(final, m.Summary)
		}
	}
	d.Entries = append(d.Entries, protocol.Encode(d.chain.Append(d.Key, d.now, ev)))
	for _, s := range final {
		d.finish(s)
	}
}

func (d *driver) drive() {
	d.record(protocol.Genesis{Run: d.Rules.Run})
	var keys []ed25519.PrivateKey
	for i := range numWorkers {
		keys = append(keys, keyOf("worker", i))
	}
	for i := range numValidators {
		keys = append(keys, keyOf("validator", i))
	}
	for len(d.Final) < d.cfg.Rounds {
		idle := true
		for _, key := range keys {
			kind, ok := d.machine.Owes(idOf(key))
			if !ok || len(d.Final) == d.cfg.Rounds {
				continue
			}
			idle = false
			n := d.machine.Current().Number
			if kind == protocol.KindJoin {
				n = 0
			}
			if w := replica.Weights(d.machine, key); w != nil {
				d.record(protocol.Transaction{Tx: w})
			}
			d.record(protocol.Sign(key, d.Rules.Run, n, d.body(key, kind)))
		}
		if idle {
			phase, _ := d.machine.Phase()
			d.tb.Fatalf("nobody owes anything in round %d, %v", d.machine.Current().Number, phase)
		}
	}
}

func (d *driver) body(key ed25519.PrivateKey, kind protocol.Kind) protocol.Body {
	r := d.machine.Current()
	switch kind {
	case protocol.KindJoin:
		return d.join(key)
	case protocol.KindCommit:
		return d.commit(key, r)
	case protocol.KindListSignature:
		return protocol.ListSignature{List: r.List}
	case protocol.KindReveal:
		return protocol.Reveal{Key: protocol.PayloadKey(key, d.Rules.Run, r.Number, r.Entry(idOf(key)).Commit.Plain)}
	case protocol.KindAttestation:
		return d.attest(key, r)
	case protocol.KindSheetCommit:
		return protocol.SheetCommit{Sheet: sheet(r).Digest(idOf(key))}
	case protocol.KindSheetReveal:
		return protocol.SheetReveal{Sheet: sheet(r)}
	case protocol.KindProposal:
		return protocol.Proposal{Receipt: d.receipt(r)}
	case protocol.KindCoSign:
		return protocol.CoSign{Receipt: r.Proposal.Digest(), Before: 5e9, After: 4e9, HeldOut: 4e9}
	}
	panic(fmt.Sprintf("audittest: kind %d", kind))
}

// links is the length of a validator's hash chain.
const links = 64

// link returns the k-th preimage of a validator's anchor, the anchor for 0.
func link(key ed25519.PrivateKey, k int) protocol.Digest {
	d := protocol.Hash("test chain", key.Seed())
	for range links - k {
		d = protocol.Hash("beacon", d[:])
	}
	return d
}

func (d *driver) join(key ed25519.PrivateKey) protocol.Join {
	for i := range numValidators {
		if keyOf("validator", i).Equal(key) {
			return protocol.Join{Role: protocol.Validator, Name: fmt.Sprintf("validator %d", i), Anchor: link(key, 0)}
		}
	}
	enter, err := replica.Enter(d.machine, replica.Entry{Node: key, Role: protocol.Worker})
	d.must(err)
	return protocol.Join{Role: protocol.Worker, Name: "worker " + idOf(key).Short(), Enter: enter}
}

// commit makes an update of random numbers and keeps its payload.
func (d *driver) commit(key ed25519.PrivateKey, r *round.Round) protocol.Commit {
	if d.updates == nil {
		d.updates = map[protocol.NodeID]*gradient.Update{}
	}
	random := rand.New(rand.NewPCG(uint64(r.Number), uint64(key[0])<<8|uint64(key[1])))
	a := make(tensor.Flat, d.Rules.Layout.Len())
	for i := range a {
		a[i] = float32(random.NormFloat64() * 1e-3)
	}
	codec, err := d.model.Codec()
	d.must(err)
	u, err := gradient.Encode(d.Rules.Layout, codec, a)
	d.must(err)
	s := d.Rules.Seal(key, r.Number, r.Root, u)
	d.updates[idOf(key)], d.Payloads[s.Cipher] = u, s.Payload
	return protocol.Commit{
		StateRoot: r.Root, Seed: r.Seed, Plain: s.Plain, Cipher: s.Cipher, Size: uint64(len(s.Payload)),
		Kept: uint64(u.NumKept()), Tokens: 128, Loss: 5e9,
		Samples: uint32(1+random.IntN(maxSamples)) * min(d.Manifest.Merge.MaxSamples, 1),
	}
}

func (d *driver) attest(key ed25519.PrivateKey, r *round.Round) protocol.Attestation {
	a := protocol.Attestation{List: r.List, Preimage: link(key, int(r.Number)+1)}
	for i := range r.Entries {
		n := d.updates[r.Entries[i].Worker].NormSquared()
		f := protocol.Finding{NormHi: n.Hi, NormLo: n.Lo}
		if d.cfg.Attest != nil {
			d.cfg.Attest(r.Number, &f)
		}
		a.Findings = append(a.Findings, f)
	}
	return a
}

// sheet is every validator's opinion: in odd rounds the last candidate is of no
// use.
func sheet(r *round.Round) protocol.Sheet {
	s := protocol.Sheet{Seed: r.Eval, Loss: 5e9}
	for i := range r.Candidates {
		row := protocol.Row{First: protocol.NanoNats(1e6 * (i + 1))}
		if r.Number%2 == 1 && i == len(r.Candidates)-1 {
			row.First = -1e6
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

// receipt merges the round.
func (d *driver) receipt(r *round.Round) protocol.Receipt {
	var accepted []aggregation.Contribution
	for _, v := range r.Verdicts {
		if v.Reason == protocol.OK {
			accepted = append(accepted, replica.Contribution(d.updates[v.Worker], v, r.Entry(v.Worker).Commit))
		}
	}
	for i := range accepted {
		if d.cfg.Unweighed {
			accepted[i].Samples = 0
		}
	}
	var err error
	d.merged, err = d.model.Merge(accepted)
	d.must(err)
	wire := d.merged.Step.Wire()
	d.Payloads[protocol.Sum(wire)] = wire
	rc := protocol.Receipt{
		Version: protocol.Version, Run: d.Rules.Run,
		Round: r.Number, Parent: r.Parent, StateRoot: r.Root, List: r.List, Decision: r.Decision,
		Step: d.merged.Plain, Payload: protocol.Sum(wire), Size: uint64(len(wire)),
		Model: d.merged.Model, Outer: d.merged.State,
	}
	if d.cfg.Forge != nil {
		d.cfg.Forge(&rc)
	}
	return rc
}

// finish moves the model on, whatever the receipt says, and writes checkpoints.
func (d *driver) finish(s round.Summary) {
	d.Final = append(d.Final, s)
	own := s.Receipt
	own.Step, own.Model, own.Outer = d.merged.Plain, d.merged.Model, d.merged.State
	d.must(d.model.Adopt(d.merged, own))
	d.updates, d.merged = nil, nil
	if d.cfg.Store == nil || d.model.Next%d.cfg.Every != 0 {
		return
	}
	draft := checkpoints.Draft{
		Run: d.Rules.Run, Round: uint64(d.model.Next), StateRoot: s.Root, Layout: d.Rules.Layout, Model: d.model.Params,
		Config: d.Rules.Model.Config(), Sign: checkpoints.SignWith(d.Key), Info: map[string]string{"name": d.Manifest.Name},
	}
	if n := len(d.Saved); n > 0 {
		draft.Parent = d.Saved[n-1].Digest()
	}
	for i, plane := range d.model.Outer {
		draft.State = append(draft.State, checkpoints.Ints{
			Name: fmt.Sprintf("outer.%d", i), Shape: []int{len(plane)},
			Read: func(offset int, dst []int64) error { copy(dst, plane[offset:]); return nil },
		})
	}
	m, err := checkpoints.Write(d.tb.Context(), d.cfg.Store, draft)
	d.must(err)
	d.keep(m)
	if d.cfg.Unnamed {
		return
	}
	d.record(protocol.Published{Round: d.model.Next, Manifest: protocol.Sum(m.Encode())})
}

// keep makes the files of a checkpoint payloads, as a coordinator serves them.
func (d *driver) keep(m checkpoints.Manifest) {
	for _, old := range d.Saved {
		delete(d.Payloads, protocol.Sum(old.Encode()))
		for _, f := range old.Files {
			delete(d.Payloads, f.SHA256)
		}
	}
	d.Saved = append(d.Saved, m)
	d.Payloads[protocol.Sum(m.Encode())] = m.Encode()
	for _, f := range m.Files {
		r, _, err := d.cfg.Store.Get(d.tb.Context(), m.Path(f.Name), 0)
		d.must(err)
		var b bytes.Buffer
		_, err = b.ReadFrom(r)
		d.must(err)
		d.must(r.Close())
		d.Payloads[f.SHA256] = b.Bytes()
	}
}
