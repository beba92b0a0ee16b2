package ledger

// This file holds weights: what validators think of those on their run.

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"lode/protocol"
	"lode/yuma"
	"lode/yuma/economy"
)

// SetWeights says what a validator, the signer's hotkey, thinks of others on a run,
// where that is said openly.
type SetWeights struct {
	_            struct{} `cbor:",toarray"`
	Run          Run
	UIDs, Values []uint16
	Version      uint64 // of the validator's software
}

// Kind implements [Body].
func (SetWeights) Kind() Kind { return 9 }

func (b SetWeights) apply(m *Machine, signer protocol.NodeID) error {
	p := m.rules(b.Run)
	if p.CommitReveal == 1 {
		return fmt.Errorf("ledger: run %d wants a commit first: %w", b.Run, ErrClosed)
	}
	uid, err := m.takeWeights(p, b, Hotkey(signer))
	if err != nil {
		return err
	}
	n := m.neuron(b.Run, uid)
	n.Updated = m.net.Height
	save(&m.store, neurons.key(b.Run.bytes(), uidBytes(uid)), n)
	return nil
}

// takeWeights checks and stores a row, whoever shows it how.
func (m *Machine) takeWeights(p RunParams, b SetWeights, h Hotkey) (uid int, err error) {
	r, err := m.run(b.Run)
	if err != nil {
		return 0, err
	}
	if uid, err = m.uidOf(b.Run, h); err != nil {
		return 0, err
	}
	n := m.neuron(b.Run, uid)
	rules := economy.WeightRules{
		MinTargets: int(p.MinWeights), MaxWeight: uint16(p.MaxWeight), Version: p.WeightsVersion,
		RateLimit: p.WeightsRate, StakeThreshold: p.StakeThreshold, CommitReveal: p.CommitReveal == 1,
	}
	who := economy.Setter{
		UID: uint16(uid), Stake: m.voting(b.Run, h).weight(m.rootWeight()), LastUpdate: n.Updated,
		Version: b.Version, Permit: n.Permit || p.CurrentPermits == 1, Owner: h == r.Hot,
	}
	if err := rules.Check(m.net.Height, int(r.Places), who, b.UIDs, b.Values); err != nil {
		return 0, fmt.Errorf("ledger: weights on run %d: %w", b.Run, err)
	}
	save(&m.store, weights.key(b.Run.bytes(), uidBytes(uid)), packRow(scaled(b.UIDs, b.Values)))
	m.tell(Event{What: "weights", Run: b.Run, Hot: h, Number: uint64(uid)})
	return uid, nil
}

func scaled(uids, values []uint16) []yuma.Entry {
	wide := make([]int64, len(values))
	for i, v := range values {
		wide[i] = int64(v)
	}
	up := make([]uint16, len(values))
	yuma.MaxUpscale(up, wide)
	row := make([]yuma.Entry, len(values))
	for i := range row {
		row[i] = yuma.Entry{UID: uids[i], Value: up[i]}
	}
	slices.SortFunc(row, func(a, b yuma.Entry) int { return cmp.Compare(a.UID, b.UID) })
	return row
}

// Commit is the digest of weights that are not shown yet.
type Commit struct {
	_      struct{} `cbor:",toarray"`
	Digest protocol.Digest
	Epoch  uint64 // number of the run's epochs before it
	Height uint64
}

// CommitWeights binds a validator to weights that it shows later.
type CommitWeights struct {
	_      struct{} `cbor:",toarray"`
	Run    Run
	Digest protocol.Digest // see [RevealWeights.Digest]
}

// Kind implements [Body].
func (CommitWeights) Kind() Kind { return 10 }

func (b CommitWeights) apply(m *Machine, signer protocol.NodeID) error {
	h := Hotkey(signer)
	r, err := m.run(b.Run)
	if err != nil {
		return err
	}
	uid, err := m.uidOf(b.Run, h)
	if err != nil {
		return err
	}
	p, n := m.rules(b.Run), m.neuron(b.Run, uid)
	open := m.open(b.Run, h, r, p)
	switch last := n.Updated; {
	case p.CommitReveal == 0:
		return fmt.Errorf("ledger: commits on run %d: %w", b.Run, ErrClosed)
	case last != 0 && m.net.Height-last < p.WeightsRate:
		return fmt.Errorf("ledger: commit on run %d: %w", b.Run, economy.ErrRate)
	case len(open) >= economy.MaxCommits:
		return fmt.Errorf("ledger: commit on run %d: %w", b.Run, ErrFull)
	}
	n.Updated = m.net.Height
	save(&m.store, neurons.key(b.Run.bytes(), uidBytes(uid)), n)
	save(&m.store, commits.key(b.Run.bytes(), h[:]), append(open, Commit{Digest: b.Digest, Epoch: r.Epochs, Height: m.net.Height}))
	m.tell(Event{What: "commit", Run: b.Run, Hot: h, Number: uint64(uid)})
	return nil
}

// open returns a hotkey's commits that have not expired, oldest first.
func (m *Machine) open(run Run, h Hotkey, r RunState, p RunParams) []Commit {
	all, _ := load[[]Commit](&m.store, commits.key(run.bytes(), h[:]))
	return slices.DeleteFunc(all, func(c Commit) bool {
		return economy.RevealPhase(c.Epoch, p.RevealPeriod, r.Epochs) == economy.Expired
	})
}

// RevealWeights shows committed weights, in the epoch that is for that. Older
// commits are void then.
type RevealWeights struct {
	_       struct{} `cbor:",toarray"`
	Weights SetWeights
	Salt    [16]byte
}

// Digest is what a hotkey commits to.
func (b RevealWeights) Digest(h Hotkey) protocol.Digest {
	return protocol.Hash("weights", h[:], protocol.Encode(b))
}

// Kind implements [Body].
func (RevealWeights) Kind() Kind { return 11 }

func (b RevealWeights) apply(m *Machine, signer protocol.NodeID) error {
	h, run := Hotkey(signer), b.Weights.Run
	r, err := m.run(run)
	if err != nil {
		return err
	}
	p, d := m.rules(run), b.Digest(h)
	all := m.open(run, h, r, p)
	i := slices.IndexFunc(all, func(c Commit) bool { return c.Digest == d })
	switch {
	case p.CommitReveal == 0:
		return fmt.Errorf("ledger: commits on run %d: %w", run, ErrClosed)
	case i < 0:
		return fmt.Errorf("ledger: commit to these weights on run %d: %w", run, ErrUnknown)
	case economy.RevealPhase(all[i].Epoch, p.RevealPeriod, r.Epochs) != economy.Open:
		return fmt.Errorf("ledger: weights on run %d: %w", run, ErrEarly)
	}
	if _, err := m.takeWeights(p, b.Weights, h); err != nil {
		return err
	}
	m.saveCommits(run, h, all[i+1:])
	return nil
}

func (m *Machine) saveCommits(run Run, h Hotkey, left []Commit) {
	k := commits.key(run.bytes(), h[:])
	if len(left) == 0 {
		m.store.remove(k)
		return
	}
	save(&m.store, k, left)
}

// A row of weights or bonds is kept as four bytes an entry, uid and value, both
// little-endian, ascending by uid.
func packRow(row []yuma.Entry) []byte {
	b := make([]byte, 0, 4*len(row))
	for _, e := range row {
		b = binary.LittleEndian.AppendUint16(b, e.UID)
		b = binary.LittleEndian.AppendUint16(b, e.Value)
	}
	return b
}

func unpackRow(b []byte) []yuma.Entry {
	row := make([]yuma.Entry, len(b)/4)
	for i := range row {
		row[i] = yuma.Entry{UID: binary.LittleEndian.Uint16(b[4*i:]), Value: binary.LittleEndian.Uint16(b[4*i+2:])}
	}
	return row
}
