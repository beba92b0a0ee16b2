package ledger

// This file holds the way back from bytes to a state.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"lode/yuma"
)

// Bytes that one thing takes at least; counts are checked against them.
const (
	accountLen = 32 + 8 + 8
	neuronLen  = 32 + 1 + 8 + 2 // without bonds
	bondLen    = 4
)

// Restore reads what [Machine.Snapshot] wrote and refuses everything else: other
// formats, parameters out of range, lists out of order, and totals that do not
// balance. It keeps nothing of data and allocates no more than a few times its
// length.
func Restore(data []byte) (*Machine, error) {
	d := &decoder{rest: data}
	d.begins(magic)
	m := &Machine{params: d.params()}
	if d.failed {
		return nil, fmt.Errorf("ledger: restore: format or parameters: %w", ErrEncoding)
	}
	if err := m.params.Check(); err != nil {
		return nil, fmt.Errorf("ledger: restore: %w", err)
	}
	var err error
	if m.books, err = d.books(m.params.MaxNeurons, m.params.Cap); err != nil {
		return nil, fmt.Errorf("ledger: restore: %w", err)
	}
	return m, nil
}

// RestoreVolunteer reads what [Volunteer.Snapshot] wrote, as strictly as [Restore].
func RestoreVolunteer(data []byte) (*Volunteer, error) {
	d := &decoder{rest: data}
	d.begins(volunteerMagic)
	b, err := d.books(int(d.u16()), maxCap)
	if err != nil {
		return nil, fmt.Errorf("ledger: restore: %w", err)
	}
	bonded := slices.ContainsFunc(b.neurons, func(n neuron) bool { return len(n.bonds) > 0 })
	if b.room > yuma.MaxNeurons || b.emitted > 0 || b.unpaid > 0 || bonded {
		return nil, fmt.Errorf("ledger: restore: volunteers with too many places, pay or bonds: %w", ErrEncoding)
	}
	return &Volunteer{b}, nil
}

// audit checks what the operations keep true: the totals balance and are within
// limit, every neuron has an account and a key of its own, bonds are validators'
// and on workers that exist.
func (b *books) audit(limit Amount) error {
	if b.genesis > limit || b.emitted > limit-b.genesis {
		return fmt.Errorf("%d at genesis and %d emitted pass the cap: %w", b.genesis, b.emitted, ErrEncoding)
	}
	// What is left must shrink to nothing as every amount is taken off it.
	left := b.genesis + b.emitted
	for _, v := range []Amount{b.burned, b.unpaid} {
		if v > left {
			return fmt.Errorf("totals do not balance: %w", ErrEncoding)
		}
		left -= v
	}
	for _, a := range b.accounts {
		if a.balance > left || a.stake > left-a.balance {
			return fmt.Errorf("%s owns more than there is: %w", a.key, ErrEncoding)
		}
		left -= a.balance + a.stake
	}
	if left != 0 {
		return fmt.Errorf("%d units belong to nobody: %w", left, ErrEncoding)
	}
	return b.auditNeurons()
}

func (b *books) auditNeurons() error {
	if len(b.neurons) > b.room {
		return fmt.Errorf("%d neurons, room for %d: %w", len(b.neurons), b.room, ErrEncoding)
	}
	sorted := b.newLookup(0).sorted
	for k, i := range sorted {
		n := &b.neurons[i]
		_, found := b.find(n.key)
		switch {
		case !found || k > 0 && n.key == b.neurons[sorted[k-1]].key:
			return fmt.Errorf("neuron %s has no account or two places: %w", n.key, ErrEncoding)
		case n.role != Worker && n.role != Validator:
			return fmt.Errorf("neuron %s has role %d: %w", n.key, n.role, ErrEncoding)
		case n.joined > maxRound:
			return fmt.Errorf("neuron %s joins in round %d: %w", n.key, n.joined, ErrEncoding)
		case len(n.bonds) > 0 && n.role != Validator:
			return fmt.Errorf("worker %s has bonds: %w", n.key, ErrEncoding)
		}
		for _, e := range n.bonds {
			if int(e.UID) >= len(b.neurons) || b.neurons[e.UID].role != Worker {
				return fmt.Errorf("%s has a bond on %d: %w", n.key, e.UID, ErrEncoding)
			}
		}
	}
	return nil
}

// decoder reads the encoding; after the first failure it yields zeros.
type decoder struct {
	rest   []byte
	failed bool
}

// take returns the next n bytes, nil if there are fewer.
func (d *decoder) take(n int) []byte {
	if d.failed || len(d.rest) < n {
		d.failed = true
		return nil
	}
	out := d.rest[:n]
	d.rest = d.rest[n:]
	return out
}

func (d *decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if b := d.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) bool() bool {
	v := d.u8()
	d.failed = d.failed || v > 1
	return v == 1
}

func (d *decoder) key() (h Hotkey) {
	copy(h[:], d.take(len(h)))
	return h
}

// begins reads magic and format number.
func (d *decoder) begins(magic string) {
	got := d.take(len(magic) + 1)
	d.failed = d.failed || !bytes.Equal(got, append([]byte(magic), format))
}

// books reads what appendTo writes, to the end, and audits it.
func (d *decoder) books(room int, limit Amount) (books, error) {
	b := books{room: room, next: Round(d.u64())}
	for _, v := range []*Amount{&b.genesis, &b.emitted, &b.burned, &b.unpaid} {
		*v = Amount(d.u64())
	}
	b.accounts = d.accounts()
	b.neurons = d.neurons()
	if d.failed || len(d.rest) > 0 || b.next > maxRound {
		return books{}, fmt.Errorf("cut short, out of order or too long: %w", ErrEncoding)
	}
	return b, b.audit(limit)
}

// count checks that n things of at least size bytes can follow.
func (d *decoder) count(n, size int) int {
	if d.failed || n > len(d.rest)/size {
		d.failed = true
		return 0
	}
	return n
}

// params reads what appendParams writes; fields are evaluated in this order.
func (d *decoder) params() (p Params) {
	y := &p.Yuma
	y.Version = yuma.Version(d.u8())
	y.Kappa = d.u16()
	y.BondsPenalty = d.u16()
	y.BondsMovingAverage = d.u32()
	y.LiquidAlpha = d.bool()
	y.AlphaLow = d.u16()
	y.AlphaHigh = d.u16()
	y.Steepness = int16(d.u16())
	y.LiquidDecaysAbsent = d.bool()
	validators := d.u64()
	y.CurrentPermits = d.bool()
	y.StakeThreshold = d.u64()
	y.ActivityCutoff = d.u64()
	y.Tempo = d.u64()
	y.CommitReveal = d.bool()
	p.Owner = d.key()
	p.OwnerCut = Share(d.u16())
	p.Cap = Amount(d.u64())
	p.Emission = Amount(d.u64())
	p.MaxNeurons = int(d.u16())
	d.failed = d.failed || validators > yuma.MaxNeurons
	y.MaxValidators = int(validators)
	return p
}

func (d *decoder) accounts() []account {
	out := make([]account, 0, d.count(int(d.u32()), accountLen))
	for range cap(out) {
		a := account{d.key(), Amount(d.u64()), Amount(d.u64())}
		if k := len(out); k > 0 && bytes.Compare(out[k-1].key[:], a.key[:]) >= 0 {
			d.failed = true
		}
		out = append(out, a)
	}
	return out
}

func (d *decoder) neurons() []neuron {
	out := make([]neuron, 0, d.count(int(d.u16()), neuronLen))
	for range cap(out) {
		n := neuron{key: d.key(), role: Role(d.u8()), joined: Round(d.u64())}
		n.bonds = make([]yuma.Entry, d.count(int(d.u16()), bondLen))
		for k := range n.bonds {
			n.bonds[k] = yuma.Entry{UID: d.u16(), Value: d.u16()}
			ascends := k == 0 || n.bonds[k-1].UID < n.bonds[k].UID
			d.failed = d.failed || n.bonds[k].Value == 0 || !ascends
		}
		out = append(out, n)
	}
	return out
}
