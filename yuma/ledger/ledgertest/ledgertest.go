package ledgertest

// This file holds the subject of the test, and what it must do case by case.

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"lode/yuma/ledger"
)

// Ledger is what a run asks of a ledger.
type Ledger interface {
	places
	Account(h ledger.Hotkey) (ledger.Grant, bool)
	Epoch(r ledger.Round, rows []ledger.Row, active []ledger.Hotkey) (ledger.Report, error)
	Supply() ledger.Supply
	Root() [32]byte
}

type places interface {
	Register(r ledger.Round, h ledger.Hotkey, role ledger.Role, stake ledger.Amount, from ledger.Hotkey) error
	Replace(r ledger.Round, worker, h ledger.Hotkey, role ledger.Role, stake ledger.Amount, from ledger.Hotkey) error
}

// Abilities that a ledger may have; the test finds them by assertion.
type (
	transferrer interface {
		Transfer(from, to ledger.Hotkey, a ledger.Amount) error
	}
	slasher interface {
		Slash(h ledger.Hotkey, s ledger.Share) (ledger.Amount, error)
	}
	snapshotter interface{ Snapshot() []byte }
)

// Subject is the ledger that is tested.
type Subject struct {
	// New starts one before round 0, with places for so many members.
	New func(places int, genesis []ledger.Grant) (Ledger, error)
	// Restore reads what the ledger's Snapshot wrote; nil if it has none.
	Restore func(snapshot []byte) (Ledger, error)
}

// Run tests the subject.
func Run(t *testing.T, s Subject) {
	t.Run("genesis", s.genesis)
	t.Run("register", s.register)
	t.Run("replace", s.replace)
	t.Run("epoch", s.epoch)
	t.Run("any order", s.anyOrder)
	t.Run("refusals", s.refusals)
	t.Run("arguments", s.arguments)
	t.Run("walks", s.walks)
	if _, ok := s.small(t).(snapshotter); ok != (s.Restore != nil) {
		t.Fatalf("a Snapshot: %v, a Restore: %v", ok, s.Restore != nil)
	}
	if s.Restore != nil {
		t.Run("restore", s.restore)
	}
}

func key(b byte) ledger.Hotkey { return ledger.Hotkey{b} }

// small is two validators, two workers, and a worker who joins in round 8; key 1
// holds what nobody has staked.
func (s Subject) small(t *testing.T) Ledger {
	t.Helper()
	l, err := s.New(6, []ledger.Grant{{Hotkey: key(1), Balance: 70, Stake: 5}, {Hotkey: key(9), Stake: 30}})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		l.Register(0, key(1), ledger.Validator, 25, key(1)), l.Register(0, key(2), ledger.Validator, 20, key(1)),
		l.Register(0, key(3), ledger.Worker, 0, key(3)), l.Register(0, key(4), ledger.Worker, 0, key(77)),
		l.Register(8, key(5), ledger.Worker, 0, key(5)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// row scores key 3 and those after it.
func row(v ledger.Hotkey, scores ...int64) ledger.Row {
	r := ledger.Row{Validator: v}
	for i, x := range scores {
		r.Scores = append(r.Scores, ledger.Score{Worker: key(byte(3 + i)), Value: x})
	}
	return r
}

func (s Subject) genesis(t *testing.T) {
	l, err := s.New(1, []ledger.Grant{{Hotkey: key(2), Balance: 3, Stake: 4}, {Hotkey: key(1), Stake: 5}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.Supply(), (ledger.Supply{Genesis: 12}); got != want {
		t.Errorf("supply %+v, want %+v", got, want)
	}
	if a, known := l.Account(key(2)); !known || a != (ledger.Grant{Hotkey: key(2), Balance: 3, Stake: 4}) {
		t.Errorf("account %+v, %v", a, known)
	}
	if a, known := l.Account(key(3)); known || a != (ledger.Grant{Hotkey: key(3)}) {
		t.Errorf("a stranger's account is %+v, %v", a, known)
	}
	const half = 1 << 63
	for name, c := range map[string]struct {
		places int
		grants []ledger.Grant
		want   error
	}{
		"a key twice":       {9, []ledger.Grant{{Hotkey: key(1), Stake: 1}, {Hotkey: key(1), Balance: 1}}, ledger.ErrDuplicate},
		"one account's sum": {9, []ledger.Grant{{Hotkey: key(1), Balance: half, Stake: half}}, ledger.ErrParams},
		"the sum of all":    {9, []ledger.Grant{{Hotkey: key(1), Balance: half}, {Hotkey: key(2), Stake: half}}, ledger.ErrParams},
		"fewer than none":   {-1, nil, ledger.ErrParams},
		"too many places":   {1 << 20, nil, ledger.ErrParams},
	} {
		if _, err := s.New(c.places, c.grants); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func (s Subject) register(t *testing.T) {
	l := s.small(t)
	for h, want := range map[ledger.Hotkey]ledger.Grant{
		key(1): {Balance: 25, Stake: 30}, key(2): {Stake: 20}, key(3): {}, key(9): {Stake: 30},
	} {
		want.Hotkey = h
		if a, known := l.Account(h); !known || a != want {
			t.Errorf("account %+v, %v, want %+v", a, known, want)
		}
	}
	if _, known := l.Account(key(77)); known {
		t.Error("who paid no stake was given an account")
	}
}

// replace gives a newcomer a worker's place. The worker keeps its account, is not
// scored any more, and may come back where there is room.
func (s Subject) replace(t *testing.T) {
	l := s.small(t)
	before, _ := l.Account(key(3))
	if err := l.Replace(0, key(3), key(7), ledger.Validator, 11, key(1)); err != nil {
		t.Fatal(err)
	}
	if after, known := l.Account(key(3)); !known || after != before {
		t.Errorf("the worker's account is %+v, was %+v", after, before)
	}
	if a, _ := l.Account(key(7)); a != (ledger.Grant{Hotkey: key(7), Stake: 11}) {
		t.Errorf("the newcomer has %+v", a)
	}
	if _, err := l.Epoch(0, []ledger.Row{row(key(1), 1)}, []ledger.Hotkey{key(1)}); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("a score of who was replaced: %v", err)
	}
	if _, err := l.Epoch(0, []ledger.Row{{Validator: key(7)}}, []ledger.Hotkey{key(7)}); err != nil {
		t.Errorf("the newcomer votes: %v", err)
	}
	if err := l.Replace(1, key(4), key(3), ledger.Worker, 0, key(3)); err != nil {
		t.Errorf("the worker comes back in another's place: %v", err)
	}
	root := l.Root()
	for name, c := range map[string]struct {
		got, want error
	}{
		"a stranger":             {l.Replace(1, key(8), key(6), ledger.Worker, 0, key(6)), ledger.ErrUnknown},
		"who was replaced":       {l.Replace(1, key(4), key(6), ledger.Worker, 0, key(6)), ledger.ErrUnknown},
		"a validator":            {l.Replace(1, key(2), key(6), ledger.Worker, 0, key(6)), ledger.ErrRole},
		"by a member":            {l.Replace(1, key(3), key(5), ledger.Worker, 0, key(6)), ledger.ErrDuplicate},
		"by itself":              {l.Replace(1, key(3), key(3), ledger.Worker, 0, key(6)), ledger.ErrDuplicate},
		"in a past round":        {l.Replace(0, key(3), key(6), ledger.Worker, 0, key(6)), ledger.ErrRound},
		"without a role":         {l.Replace(1, key(3), key(6), 0, 0, key(6)), ledger.ErrRole},
		"with what is not there": {l.Replace(1, key(3), key(6), ledger.Validator, 1000, key(1)), ledger.ErrFunds},
	} {
		if !errors.Is(c.got, c.want) || l.Root() != root {
			t.Errorf("replace %s: %v, want %v", name, c.got, c.want)
		}
	}
}

func (s Subject) epoch(t *testing.T) {
	l := s.small(t)
	first := ledger.Round(0)
	for _, last := range []ledger.Round{0, 7, 8, 1000} {
		before := l.Root()
		rep, err := l.Epoch(last, []ledger.Row{row(key(1), 3, 1), row(key(2), 2, 2)}, []ledger.Hotkey{key(1), key(2)})
		if err != nil {
			t.Fatal(err)
		}
		if rep.First != first || rep.Last != last || len(rep.Lines) != 5 {
			t.Fatalf("rounds %d to %d with %d lines, want %d to %d with 5", rep.First, rep.Last, len(rep.Lines), first, last)
		}
		if l.Root() == before {
			t.Errorf("round %d: an epoch leaves the root as it was", last)
		}
		paid := rep.Owner + rep.Unpaid
		for i, n := range rep.Lines {
			a, _ := l.Account(n.Hotkey)
			if n.Hotkey != key(byte(i+1)) || n.Stake != a.Stake || n.Balance != a.Balance || (n.Role == ledger.Validator) != (i < 2) {
				t.Errorf("round %d: line %+v of account %+v", last, n, a)
			}
			paid += n.Credited
		}
		if paid != rep.Minted {
			t.Errorf("round %d: %d was minted, %d went somewhere", last, rep.Minted, paid)
		}
		first = last + 1
	}
}

// anyOrder: rows, scores and the active set are sets.
func (s Subject) anyOrder(t *testing.T) {
	a, b := s.small(t), s.small(t)
	rows, active := []ledger.Row{row(key(1), 5, 9), row(key(2), 8, 2)}, []ledger.Hotkey{key(1), key(2), key(4)}
	one, err := a.Epoch(2, rows, active)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(rows)
	slices.Reverse(rows[0].Scores)
	slices.Reverse(active)
	two, err := b.Epoch(2, rows, active)
	if err != nil || a.Root() != b.Root() || !reflect.DeepEqual(one, two) {
		t.Errorf("the order of rows decides: %+v, then %+v, %v", one, two, err)
	}
}

// refusals tries what must be refused, and compares roots.
func (s Subject) refusals(t *testing.T) {
	l := s.small(t)
	if _, err := l.Epoch(5, []ledger.Row{row(key(1), 1, 2)}, []ledger.Hotkey{key(1)}); err != nil {
		t.Fatal(err)
	}
	before := l.Root()
	register := func(r ledger.Round, h ledger.Hotkey, role ledger.Role, stake ledger.Amount, from ledger.Hotkey) error {
		return l.Register(r, h, role, stake, from)
	}
	epoch := func(r ledger.Round, active []ledger.Hotkey, rows ...ledger.Row) error {
		_, err := l.Epoch(r, rows, active)
		return err
	}
	scored := func(h ledger.Hotkey, values ...int64) ledger.Row {
		r := ledger.Row{Validator: key(1)}
		for _, v := range values {
			r.Scores = append(r.Scores, ledger.Score{Worker: h, Value: v})
		}
		return r
	}
	for name, c := range map[string]struct{ got, want error }{
		"register without a role":         {register(6, key(6), 0, 0, key(6)), ledger.ErrRole},
		"register in an unknown role":     {register(6, key(6), 77, 0, key(6)), ledger.ErrRole},
		"register twice":                  {register(6, key(3), ledger.Worker, 0, key(3)), ledger.ErrDuplicate},
		"register for an ended round":     {register(5, key(6), ledger.Worker, 0, key(6)), ledger.ErrRound},
		"register past the last round":    {register(1<<63, key(6), ledger.Worker, 0, key(6)), ledger.ErrRound},
		"stake that is not there":         {register(6, key(6), ledger.Validator, 1<<60, key(1)), ledger.ErrFunds},
		"stake that overflows":            {register(6, key(6), ledger.Validator, 1<<64-1, key(1)), ledger.ErrFunds},
		"a stranger's stake":              {register(6, key(6), ledger.Validator, 1, key(77)), ledger.ErrFunds},
		"stake out of stake":              {register(6, key(6), ledger.Validator, 1, key(9)), ledger.ErrFunds},
		"end a round twice":               {epoch(5, nil), ledger.ErrRound},
		"end an earlier round":            {epoch(0, nil), ledger.ErrRound},
		"end a round past the last":       {epoch(1<<63, nil), ledger.ErrRound},
		"a stranger is active":            {epoch(6, []ledger.Hotkey{key(6)}), ledger.ErrUnknown},
		"stake without a place is active": {epoch(6, []ledger.Hotkey{key(9)}), ledger.ErrUnknown},
		"active twice":                    {epoch(6, []ledger.Hotkey{key(1), key(1)}), ledger.ErrDuplicate},
		"active before it joins":          {epoch(6, []ledger.Hotkey{key(5)}), ledger.ErrUnknown},
		"a stranger's row":                {epoch(6, nil, row(key(6), 1)), ledger.ErrUnknown},
		"a worker's row":                  {epoch(6, nil, row(key(3), 1)), ledger.ErrRole},
		"two rows of one":                 {epoch(6, nil, row(key(1), 1), row(key(1), 2)), ledger.ErrDuplicate},
		"a score on a stranger":           {epoch(6, nil, scored(key(6), 1)), ledger.ErrUnknown},
		"a score on who joins later":      {epoch(6, nil, row(key(1), 1, 1, 1)), ledger.ErrUnknown},
		"a score on a validator":          {epoch(6, nil, scored(key(2), 1)), ledger.ErrRole},
		"a worker scored twice":           {epoch(6, nil, scored(key(3), 1, 2)), ledger.ErrDuplicate},
		"more scores than members":        {epoch(6, nil, scored(key(3), make([]int64, 1000)...)), ledger.ErrDuplicate},
		"a negative score":                {epoch(6, nil, row(key(1), 4, -1)), ledger.ErrScore},
		"a fault in the last row":         {epoch(6, []ledger.Hotkey{key(1)}, row(key(1), 4), row(key(2), -1)), ledger.ErrScore},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	if l.Root() != before {
		t.Fatal("refusals changed the root")
	}
	if err := l.Register(6, key(6), ledger.Worker, 0, key(6)); err != nil {
		t.Fatalf("the last place: %v", err)
	}
	full := l.Root()
	if err := l.Register(6, key(7), ledger.Worker, 0, key(7)); !errors.Is(err, ledger.ErrFull) || l.Root() != full {
		t.Errorf("register in a full ledger: %v", err)
	}
}

// arguments are not kept, and what comes back is the caller's.
func (s Subject) arguments(t *testing.T) {
	l := s.small(t)
	rows, active := []ledger.Row{row(key(1), 3, 1)}, []ledger.Hotkey{key(1)}
	rep, err := l.Epoch(0, rows, active)
	if err != nil {
		t.Fatal(err)
	}
	root := l.Root()
	rows[0].Scores[0].Value, rows[0].Validator, active[0] = 99, key(2), key(4)
	clear(rep.Lines)
	if l.Root() != root {
		t.Error("the root changes with a slice of the caller's")
	}
}

// restore: a state comes back from its bytes, and from nothing else.
func (s Subject) restore(t *testing.T) {
	l := s.small(t)
	if _, err := l.Epoch(3, []ledger.Row{row(key(1), 2, 1)}, []ledger.Hotkey{key(1)}); err != nil {
		t.Fatal(err)
	}
	good := l.(snapshotter).Snapshot()
	twin, err := s.Restore(good)
	if err != nil || twin.Root() != l.Root() {
		t.Fatalf("the root is another: %v", err)
	}
	for n := range good {
		if _, err := s.Restore(good[:n]); !errors.Is(err, ledger.ErrEncoding) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(good), err)
		}
	}
	if _, err := s.Restore(append(bytes.Clone(good), 0)); !errors.Is(err, ledger.ErrEncoding) {
		t.Errorf("a byte too many: %v", err)
	}
	for i := range good {
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			if other, err := s.Restore(bad); err == nil && !bytes.Equal(other.(snapshotter).Snapshot(), bad) {
				t.Errorf("byte %d ^ %#x: accepted as something else", i, flip)
			}
		}
	}
}
