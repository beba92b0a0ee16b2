package ledger

// This file holds what is true after every operation: the supply balances, the
// bytes restore the state, and a twin that was restored midway ends the same.

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"lode/yuma"
)

// walk drives a ledger through random operations, valid and not, from a seed.
type walk struct {
	rng    *rand.Rand
	m      *Machine
	epochs int
	paid   Amount
}

func newWalk(t *testing.T, seed uint64) *walk {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 31))
	p := DefaultParams(key(byte(rng.IntN(3) * 7)))
	p.Cap = Amount(1<<20 + rng.Uint64N(1<<44))
	p.Emission = Amount(rng.Uint64N(uint64(p.Cap)/16 + 1))
	p.MaxNeurons = rng.IntN(24)
	p.Yuma.Version = yuma.Version(rng.IntN(2))
	p.Yuma.LiquidAlpha = rng.IntN(2) == 0
	p.Yuma.MaxValidators = rng.IntN(8)
	p.Yuma.StakeThreshold = rng.Uint64N(1000)
	var genesis []Grant
	for i := range rng.IntN(8) {
		genesis = append(genesis, Grant{key(byte(i)), Amount(rng.Uint64N(1 << 16)), Amount(rng.Uint64N(1 << 16))})
	}
	m, err := New(p, genesis)
	if err != nil {
		t.Fatal(err)
	}
	return &walk{rng: rng, m: m}
}

func (w *walk) anyKey() Hotkey { return key(byte(w.rng.IntN(24))) }

func (w *walk) step() {
	switch w.rng.IntN(8) {
	case 0, 1:
		r := w.m.Next() + Round(w.rng.IntN(3))
		_ = w.m.Register(r, w.anyKey(), Role(w.rng.IntN(3)), Amount(w.rng.Uint64N(1<<14)), w.anyKey())
	case 2:
		_, _ = w.m.Slash(w.anyKey(), Share(w.rng.Uint32()>>w.rng.UintN(32)))
	case 7:
		r := w.m.Next() + Round(w.rng.IntN(3))
		_ = w.m.Replace(r, w.anyKey(), w.anyKey(), Role(w.rng.IntN(3)), Amount(w.rng.Uint64N(1<<14)), w.anyKey())
	case 3:
		_ = w.m.Transfer(w.anyKey(), w.anyKey(), Amount(w.rng.Uint64()>>w.rng.UintN(64)))
	default:
		w.epoch()
	}
}

func (w *walk) epoch() {
	last := w.m.Next() + Round(w.rng.Uint64N(1<<w.rng.UintN(12)))
	var rows []Row
	var active []Hotkey
	for _, n := range w.m.neurons {
		if n.joined > last || w.rng.IntN(5) == 0 {
			continue
		}
		active = append(active, n.key)
		if n.role != Validator {
			continue
		}
		row := Row{Validator: n.key}
		for _, x := range w.m.neurons {
			if x.role == Worker && x.joined <= last && w.rng.IntN(3) > 0 {
				row.Scores = append(row.Scores, Score{x.key, int64(w.rng.Uint64() >> (1 + w.rng.UintN(63)))})
			}
		}
		rows = append(rows, row)
	}
	if w.rng.IntN(10) == 0 {
		active = append(active, w.anyKey()) // often refused
	}
	rep, err := w.m.Epoch(last, rows, active)
	if err != nil {
		return
	}
	w.epochs++
	for _, l := range rep.Lines {
		w.paid += l.Credited
	}
}

// supplyBalances recounts everything from the accounts.
func supplyBalances(m *Machine) bool {
	total := m.unpaid
	for _, a := range m.accounts {
		total += a.balance + a.stake
	}
	return total == m.Supply().Total() && m.genesis+m.emitted <= m.params.Cap
}

func TestSupplyAlwaysBalances(t *testing.T) {
	walks := uint64(300)
	if testing.Short() {
		walks = 50
	}
	epochs, paid := 0, Amount(0)
	for seed := range walks {
		w := newWalk(t, seed)
		for range 40 {
			w.step()
			if !supplyBalances(w.m) {
				t.Fatalf("seed %d: %+v does not balance", seed, w.m.Supply())
			}
		}
		epochs, paid = epochs+w.epochs, paid+w.paid
	}
	if epochs < int(walks) || paid == 0 {
		t.Errorf("%d epochs paid %d: the walks do too little", epochs, paid)
	}
	t.Logf("%d epochs", epochs)
}

func TestRestoredTwinStaysEqual(t *testing.T) {
	for seed := range uint64(60) {
		w := newWalk(t, seed)
		for range 15 {
			w.step()
		}
		data := w.m.Snapshot()
		twin, err := Restore(data)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !bytes.Equal(twin.Snapshot(), data) || twin.Root() != w.m.Root() {
			t.Fatalf("seed %d: restored differs", seed)
		}
		// The same choices drive both: the generator is copied by its state.
		state := *rand.NewPCG(seed, 99)
		a, b := state, state
		one, two := &walk{rng: rand.New(&a), m: w.m}, &walk{rng: rand.New(&b), m: twin}
		for range 15 {
			one.step()
			two.step()
			if one.m.Root() != two.m.Root() {
				t.Fatalf("seed %d: the twin went another way", seed)
			}
		}
	}
}

// rich is a state with accounts, neurons of both roles and bonds.
func rich(t testing.TB) *Machine {
	t.Helper()
	m, err := New(DefaultParams(key(9)), []Grant{{Hotkey: key(1), Balance: 9 * Coin}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = m.Register(0, key(1), Validator, 5*Coin, key(1)), m.Register(0, key(3), Worker, 0, key(3))
	_ = m.Register(0, key(4), Worker, 0, key(4))
	if _, err := m.Epoch(3, []Row{rowOf(key(1), 2, 1)}, []Hotkey{key(1)}); err != nil {
		t.Fatal(err)
	}
	if len(m.neurons[0].bonds) != 2 {
		t.Fatalf("bonds %v", m.neurons[0].bonds)
	}
	return m
}

// TestRestoreRefuses cuts, lengthens and disorders a state. Every cut and every
// changed byte must be refused or be another valid state of that encoding.
func TestRestoreRefuses(t *testing.T) {
	good := rich(t).Snapshot()
	for n := range good {
		if _, err := Restore(good[:n]); err == nil {
			t.Errorf("cut to %d of %d bytes: accepted", n, len(good))
		}
	}
	if _, err := Restore(append(bytes.Clone(good), 0)); err == nil {
		t.Error("a byte too many: accepted")
	}
	for i := range good {
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			if m, err := Restore(bad); err == nil && !bytes.Equal(m.Snapshot(), bad) {
				t.Errorf("byte %d ^ %#x: accepted as something else", i, flip)
			}
		}
	}
	for name, spoil := range map[string]func(*Machine){
		"accounts out of order": func(m *Machine) { m.accounts[0], m.accounts[1] = m.accounts[1], m.accounts[0] },
		"a bond on a validator": func(m *Machine) { m.neurons[0].bonds[0].UID = 0 },
		"bonds out of order":    func(m *Machine) { b := m.neurons[0].bonds; b[0], b[1] = b[1], b[0] },
		"a bond twice":          func(m *Machine) { m.neurons[0].bonds[0] = m.neurons[0].bonds[1] },
		"a bond of zero":        func(m *Machine) { m.neurons[0].bonds[0].Value = 0 },
		"a bond of a worker":    func(m *Machine) { m.neurons[1].bonds = m.neurons[0].bonds },
		"a role unknown":        func(m *Machine) { m.neurons[1].role = 7 },
		"a neuron twice":        func(m *Machine) { m.neurons[2].key = m.neurons[1].key },
		"a neuron no account":   func(m *Machine) { m.neurons[2].key = key(200) },
		"money from nowhere":    func(m *Machine) { m.accounts[0].balance++ },
		"money gone":            func(m *Machine) { m.accounts[0].stake-- },
		"more than the cap":     func(m *Machine) { m.params.Cap, m.params.Emission = Coin, 1 },
		"more than places":      func(m *Machine) { m.params.MaxNeurons = 2 },
		"a round too far":       func(m *Machine) { m.next = maxRound + 1 },
		"more burned than is":   func(m *Machine) { m.burned = 1 << 63 },
	} {
		m := rich(t)
		spoil(m)
		if _, err := Restore(m.Snapshot()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzRestore(f *testing.F) {
	f.Add(rich(f).Snapshot())
	empty, err := New(Params{}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(empty.Snapshot())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Restore(data)
		if err != nil {
			return
		}
		if !bytes.Equal(m.Snapshot(), data) {
			t.Fatal("two encodings of one state")
		}
		if !supplyBalances(m) {
			t.Fatal("restored a supply that does not balance")
		}
		w := &walk{rng: rand.New(rand.NewPCG(1, 1)), m: m}
		for range 4 {
			w.step()
		}
		if !supplyBalances(m) {
			t.Fatal("the supply no longer balances")
		}
	})
}
