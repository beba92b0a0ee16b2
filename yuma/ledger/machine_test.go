package ledger

// This file holds the operations of the ledger that pays one by one.

import (
	"errors"
	"testing"
)

// small is two validators and two workers, registered for round 0.
func small(t *testing.T) *Machine {
	t.Helper()
	m, err := New(DefaultParams(key(9)), []Grant{
		{Hotkey: key(1), Balance: 70 * Coin, Stake: 5 * Coin}, {Hotkey: key(2), Balance: 50 * Coin},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		m.Register(0, key(1), Validator, 25*Coin, key(1)), m.Register(0, key(2), Validator, 30*Coin, key(2)),
		m.Register(0, key(3), Worker, 0, key(3)), m.Register(0, key(4), Worker, 0, key(4)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func key(b ...byte) (h Hotkey) {
	copy(h[:], b)
	return h
}

func rowOf(v Hotkey, scores ...int64) Row {
	r := Row{Validator: v}
	for i, s := range scores {
		r.Scores = append(r.Scores, Score{key(byte(3 + i)), s})
	}
	return r
}

func both(scores ...int64) []Row { return []Row{rowOf(key(1), scores...), rowOf(key(2), scores...)} }

func validators() []Hotkey { return []Hotkey{key(1), key(2)} }

func TestRegisterStakesFromBalance(t *testing.T) {
	a, known := small(t).Account(key(1))
	if want := (Grant{key(1), 45 * Coin, 30 * Coin}); !known || a != want {
		t.Errorf("got %+v, want %+v", a, want)
	}
	if _, known := small(t).Account(key(77)); known {
		t.Error("a stranger has an account")
	}
}

func TestEpochPaysByScore(t *testing.T) {
	m := small(t)
	rep, err := m.Epoch(0, both(3, 1), validators())
	if err != nil {
		t.Fatal(err)
	}
	l := rep.Lines
	if l[2].Credited < 3*l[3].Credited-9 || l[2].Credited > 3*l[3].Credited+9 || l[3].Credited == 0 {
		t.Errorf("scores of 3 to 1 pay %d to %d", l[2].Credited, l[3].Credited)
	}
	if rep.Owner != 179995422 || rep.Minted != Coin || rep.Unpaid > 16 {
		t.Errorf("minted %d, owner %d, unpaid %d", rep.Minted, rep.Owner, rep.Unpaid)
	}
	if owner, _ := m.Account(key(9)); owner.Balance != rep.Owner {
		t.Errorf("the owner has %d of %d", owner.Balance, rep.Owner)
	}
	if l[0].Stake != 30*Coin || l[0].Balance != 45*Coin+l[0].Credited || l[0].Role != Validator {
		t.Errorf("line %+v", l[0])
	}
	if next, err := m.Epoch(4, both(3, 1), validators()); err != nil || next.First != 1 || next.Minted != 4*Coin {
		t.Errorf("rounds 1 to 4: %+v, %v", next, err)
	}
}

// TestEpochWithoutIncentive: both pots go to the active stake, else to all stake,
// else to nobody.
func TestEpochWithoutIncentive(t *testing.T) {
	for _, c := range []struct {
		name       string
		rows       []Row
		active     []Hotkey
		first, sec int // parts of a hundred of both pots
	}{
		{"no rows", nil, validators(), 50, 50},
		{"all scores zero", both(0, 0), validators(), 50, 50},
		{"one active", nil, validators()[:1], 100, 0},
		{"nobody active", nil, nil, 50, 50},
		{"rows of the inactive", both(1, 1), nil, 50, 50},
	} {
		rep, err := small(t).Epoch(0, c.rows, c.active)
		if err != nil {
			t.Fatal(err)
		}
		pots := rep.Minted - rep.Owner
		for i, part := range []int{c.first, c.sec, 0, 0} {
			if got, want := rep.Lines[i].Credited, pots*Amount(part)/100; got+4 < want || got > want {
				t.Errorf("%s: line %d got %d of %d, want %d", c.name, i, got, pots, want)
			}
		}
	}
	m, err := New(DefaultParams(Hotkey{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := m.Epoch(0, nil, nil)
	if err != nil || rep.Unpaid != Coin || m.Supply().Unpaid != Coin {
		t.Errorf("nobody at all: %+v, %v", rep, err)
	}
}

// TestInactiveStakeDoesNotVote: alone the small validator is the majority.
func TestInactiveStakeDoesNotVote(t *testing.T) {
	rows := []Row{rowOf(key(1), 1, 0), rowOf(key(2), 0, 1)}
	rep, err := small(t).Epoch(0, rows, []Hotkey{key(2)})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Lines[2].Credited != 0 || rep.Lines[3].Credited == 0 || rep.Lines[0].Credited != 0 {
		t.Errorf("lines %+v", rep.Lines)
	}
}

func TestSlashBurnsStake(t *testing.T) {
	m := small(t)
	burned, err := m.Slash(key(1), All/3)
	if err != nil || burned != 10*Coin {
		t.Fatalf("burned %d, %v", burned, err)
	}
	if s := m.Supply(); s.Burned != burned || s.Total() != 115*Coin {
		t.Errorf("supply %+v", s)
	}
	if burned, _ = m.Slash(key(1), All); burned != 20*Coin {
		t.Errorf("the rest is %d", burned)
	}
	if a, _ := m.Account(key(1)); a.Stake != 0 || a.Balance != 45*Coin {
		t.Errorf("left with %+v", a)
	}
}

func TestTransferMovesBalance(t *testing.T) {
	m := small(t)
	for _, c := range []struct{ from, to Hotkey }{{key(2), key(7)}, {key(2), key(0)}, {key(2), key(2)}} {
		if err := m.Transfer(c.from, c.to, 5*Coin); err != nil {
			t.Fatal(err)
		}
	}
	for h, want := range map[Hotkey]Amount{key(2): 10 * Coin, key(7): 5 * Coin, key(0): 5 * Coin} {
		if a, _ := m.Account(h); a.Balance != want {
			t.Errorf("%s has %d, want %d", h, a.Balance, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := DefaultParams(key(9))
	with := func(change func(*Params)) Params {
		p := good
		change(&p)
		return p
	}
	grant := Grant{Hotkey: key(1), Balance: 1}
	for name, c := range map[string]struct {
		p       Params
		genesis []Grant
		want    error
	}{
		"a key twice":         {good, []Grant{grant, grant}, ErrDuplicate},
		"more than the cap":   {good, []Grant{{key(1), good.Cap, 1}}, ErrParams},
		"overflow":            {good, []Grant{{key(1), 1<<64 - 1, 2}}, ErrParams},
		"too high a cap":      {with(func(p *Params) { p.Cap = maxCap + 1 }), nil, ErrParams},
		"too much per round":  {with(func(p *Params) { p.Emission = p.Cap + 1 }), nil, ErrParams},
		"a cut for nobody":    {with(func(p *Params) { p.Owner = Hotkey{} }), nil, ErrParams},
		"too many neurons":    {with(func(p *Params) { p.MaxNeurons = 1 << 16 }), nil, ErrParams},
		"too many permits":    {with(func(p *Params) { p.Yuma.MaxValidators = 1 << 16 }), nil, ErrParams},
		"bad consensus rules": {with(func(p *Params) { p.Yuma.AlphaLow = 65535 }), nil, ErrParams},
	} {
		if _, err := New(c.p, c.genesis); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Replacing drops the bonds on the place: a newcomer inherits no validator's trust.
func TestReplaceDropsBonds(t *testing.T) {
	m := small(t)
	if _, err := m.Epoch(0, both(3, 1), validators()); err != nil {
		t.Fatal(err)
	}
	i, _ := m.uid(key(3))
	on := func() (n int) {
		for _, x := range m.neurons {
			for _, e := range x.bonds {
				if int(e.UID) == i {
					n++
				}
			}
		}
		return n
	}
	if on() == 0 {
		t.Fatal("nobody has a bond on the worker")
	}
	if err := m.Replace(1, key(3), key(5), Worker, 0, key(5)); err != nil || on() != 0 {
		t.Errorf("%d bonds on the newcomer's place, error %v", on(), err)
	}
	if restored, err := Restore(m.Snapshot()); err != nil || restored.Root() != m.Root() {
		t.Errorf("restored: %v", err)
	}
}

// TestRoots holds the encoding of states: a run's decisions cover them, so a
// change makes every record of a run invalid.
func TestRoots(t *testing.T) {
	for name, c := range map[string]struct {
		got  [32]byte
		want string
	}{
		"registered": {small(t).Root(), "3c8cb5fa7a57af8e20343fe96e2ee22a70229e6ea6f6627fcc3f5dae9a0d5dd3"},
		"with bonds": {rich(t).Root(), "54ecd42272bb8af07c69cb40363183df2344b3d8042424ac4eae25fd1ef8d981"},
		"volunteers": {band(t).Root(), "5dec93cab6b4e267e02b1ccada1f20bb3af7d30679bb5db4b58483396e79f617"},
	} {
		if got := Hotkey(c.got).String(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
