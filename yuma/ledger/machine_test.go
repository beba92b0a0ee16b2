package ledger

// This file holds the operations one by one, refusals included.

import (
	"errors"
	"slices"
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
		m.Register(0, key(1), Validator, 25*Coin), m.Register(0, key(2), Validator, 30*Coin),
		m.Register(0, key(3), Worker, 0), m.Register(0, key(4), Worker, 0),
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

// TestEpochInAnyOrder: rows, scores and the active set are sets.
func TestEpochInAnyOrder(t *testing.T) {
	a, b := small(t), small(t)
	rows := []Row{rowOf(key(1), 5, 9), rowOf(key(2), 8, 2)}
	if _, err := a.Epoch(2, rows, validators()); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(rows)
	slices.Reverse(rows[0].Scores)
	if _, err := b.Epoch(2, rows, []Hotkey{key(2), key(1)}); err != nil {
		t.Fatal(err)
	}
	if a.Root() != b.Root() {
		t.Error("the order of rows decides")
	}
	c := small(t)
	if c.Root() == a.Root() {
		t.Error("an epoch leaves the root as it was")
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

// TestRefusalsChangeNothing tries what must be refused, and compares roots.
func TestRefusalsChangeNothing(t *testing.T) {
	m := small(t)
	if _, err := m.Epoch(5, both(1, 2), validators()); err != nil {
		t.Fatal(err)
	}
	if err := m.Register(8, key(5), Worker, 0); err != nil {
		t.Fatal(err)
	}
	before := m.Root()
	register := func(r Round, h Hotkey, role Role, stake Amount) func() error {
		return func() error { return m.Register(r, h, role, stake) }
	}
	epoch := func(r Round, active []Hotkey, rows ...Row) func() error {
		return func() error { _, err := m.Epoch(r, rows, active); return err }
	}
	twice := Row{key(1), []Score{{key(3), 1}, {key(3), 2}}}
	long := Row{key(1), make([]Score, 6)}
	for name, c := range map[string]struct {
		do   func() error
		want error
	}{
		"register without a role":         {register(6, key(6), 0, 0), ErrRole},
		"register twice":                  {register(6, key(3), Worker, 0), ErrDuplicate},
		"register for a paid round":       {register(5, key(6), Worker, 0), ErrRound},
		"register past the last round":    {register(maxRound+1, key(6), Worker, 0), ErrRound},
		"register with what is not there": {register(6, key(6), Validator, 1), ErrFunds},
		"transfer more than there is":     {func() error { return m.Transfer(key(2), key(1), 1<<63) }, ErrFunds},
		"transfer from a stranger":        {func() error { return m.Transfer(key(6), key(1), 1) }, ErrFunds},
		"slash a stranger":                {func() error { _, err := m.Slash(key(6), All); return err }, ErrUnknown},
		"pay a round twice":               {epoch(5, nil), ErrRound},
		"pay past the last round":         {epoch(maxRound, nil), ErrRound},
		"a stranger is active":            {epoch(6, []Hotkey{key(6)}), ErrUnknown},
		"active twice":                    {epoch(6, []Hotkey{key(1), key(1)}), ErrDuplicate},
		"active before it joins":          {epoch(6, []Hotkey{key(5)}), ErrUnknown},
		"a stranger's row":                {epoch(6, nil, rowOf(key(6), 1)), ErrUnknown},
		"a worker's row":                  {epoch(6, nil, rowOf(key(3), 1)), ErrRole},
		"two rows of one":                 {epoch(6, nil, rowOf(key(1), 1), rowOf(key(1), 2)), ErrDuplicate},
		"a score on a stranger":           {epoch(6, nil, Row{key(1), []Score{{key(6), 1}}}), ErrUnknown},
		"a score on who joins later":      {epoch(6, nil, rowOf(key(1), 1, 1, 1)), ErrUnknown},
		"a score on a validator":          {epoch(6, nil, Row{key(1), []Score{{key(2), 1}}}), ErrRole},
		"a worker scored twice":           {epoch(6, nil, twice), ErrDuplicate},
		"more scores than neurons":        {epoch(6, nil, long), ErrDuplicate},
		"a negative score":                {epoch(6, nil, rowOf(key(1), 4, -1)), ErrScore},
	} {
		if err := c.do(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if m.Root() != before {
			t.Fatalf("%s: refused, but the root changed", name)
		}
	}
	m.params.MaxNeurons = 5
	if err := m.Register(6, key(6), Worker, 0); !errors.Is(err, ErrFull) {
		t.Errorf("register in a full ledger: %v", err)
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
