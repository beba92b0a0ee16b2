package ledgertest

// This file holds what is true after every one of many random operations.

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/yuma/ledger"
)

// A walk drives a ledger through operations drawn from a seed, valid and not, and
// knows which of them must be refused.
type walk struct {
	rng     *rand.Rand
	l       Ledger
	genesis ledger.Amount
	places  int
	next    ledger.Round
	members map[ledger.Hotkey]member
	epochs  int
}

type member struct {
	role   ledger.Role
	joined ledger.Round
}

// numKeys is how many keys a walk speaks of; all money is on their accounts, or on
// that of an owner whom the ledger pays.
const numKeys = 24

func (s Subject) newWalk(t *testing.T, seed uint64) *walk {
	t.Helper()
	w := &walk{rng: rand.New(rand.NewPCG(seed, 47)), members: map[ledger.Hotkey]member{}}
	w.places = w.rng.IntN(numKeys)
	var genesis []ledger.Grant
	for i := range w.rng.IntN(8) {
		g := ledger.Grant{Hotkey: key(byte(i)), Balance: w.amount(), Stake: w.amount()}
		w.genesis += g.Balance + g.Stake
		genesis = append(genesis, g)
	}
	var err error
	if w.l, err = s.New(w.places, genesis); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *walk) anyKey() ledger.Hotkey { return key(byte(w.rng.IntN(numKeys))) }

func (w *walk) amount() ledger.Amount { return ledger.Amount(w.rng.Uint64N(1 << 16)) }

// step does one operation and says what is wrong with what came of it.
func (w *walk) step() error {
	before := w.l.Root()
	var got error
	var refused bool
	switch w.rng.IntN(7) {
	case 0, 1:
		got, refused = w.register()
	case 6:
		got, refused = w.replace()
	case 2:
		t, ok := w.l.(transferrer)
		if !ok {
			return nil
		}
		from, a := w.anyKey(), w.amount()
		held, _ := w.l.Account(from)
		got, refused = t.Transfer(from, w.anyKey(), a), a > held.Balance
	case 3:
		x, ok := w.l.(slasher)
		if !ok {
			return nil
		}
		h := w.anyKey()
		_, known := w.l.Account(h)
		_, got = x.Slash(h, ledger.Share(w.rng.Uint32()))
		refused = !known
	default:
		got, refused = w.epoch()
	}
	switch {
	case (got != nil) != refused:
		return errors.Join(errors.New("refused, or accepted, against the rules"), got)
	case got != nil && w.l.Root() != before:
		return errors.Join(errors.New("a refused operation changed the root"), got)
	}
	return w.balance()
}

func (w *walk) register() (got error, refused bool) {
	r := w.next + ledger.Round(w.rng.IntN(4))
	if refused = r == w.next && w.next > 0; refused {
		r--
	}
	h, from, role, stake := w.anyKey(), w.anyKey(), ledger.Role(w.rng.IntN(4)), w.amount()/8
	if role == ledger.Worker {
		stake = 0
	}
	held, _ := w.l.Account(from)
	_, taken := w.members[h]
	refused = refused || taken || len(w.members) >= w.places || stake > held.Balance || role != ledger.Worker && role != ledger.Validator
	if got = w.l.Register(r, h, role, stake, from); got == nil {
		w.members[h] = member{role, r}
	}
	return got, refused
}

func (w *walk) replace() (got error, refused bool) {
	worker, h, from := w.anyKey(), w.anyKey(), w.anyKey()
	old, found := w.members[worker]
	_, taken := w.members[h]
	refused = !found || old.role != ledger.Worker || taken
	if got = w.l.Replace(w.next, worker, h, ledger.Worker, 0, from); got == nil {
		delete(w.members, worker)
		w.members[h] = member{ledger.Worker, w.next}
	}
	return got, refused
}

// epoch lets some of the members vote, and at times somebody who must not.
func (w *walk) epoch() (got error, refused bool) {
	last := w.next + ledger.Round(w.rng.Uint64N(1<<w.rng.UintN(12)))
	var rows []ledger.Row
	var active []ledger.Hotkey
	here := func(h ledger.Hotkey, role ledger.Role) bool {
		m, ok := w.members[h]
		return ok && m.role == role && m.joined <= last
	}
	keys := slices.SortedFunc(maps.Keys(w.members), func(a, b ledger.Hotkey) int { return int(a[0]) - int(b[0]) })
	for _, h := range keys {
		if !here(h, ledger.Validator) || w.rng.IntN(5) == 0 {
			continue
		}
		active = append(active, h)
		r := ledger.Row{Validator: h}
		for _, x := range keys {
			if here(x, ledger.Worker) && w.rng.IntN(3) > 0 {
				r.Scores = append(r.Scores, ledger.Score{Worker: x, Value: int64(w.rng.Uint64() >> (1 + w.rng.UintN(63)))})
			}
		}
		rows = append(rows, r)
	}
	if w.rng.IntN(6) == 0 {
		h := w.anyKey()
		refused = !here(h, ledger.Validator) || slices.ContainsFunc(rows, func(r ledger.Row) bool { return r.Validator == h })
		rows = append(rows, ledger.Row{Validator: h})
	}
	if _, got = w.l.Epoch(last, rows, active); got == nil {
		w.next = last + 1
		w.epochs++
	}
	return got, refused
}

// balance adds up all accounts.
func (w *walk) balance() error {
	s := w.l.Supply()
	held := s.Unpaid
	for i := range numKeys {
		a, _ := w.l.Account(key(byte(i)))
		held += a.Balance + a.Stake
	}
	owner, _ := w.l.Account(Owner)
	if held += owner.Balance + owner.Stake; s.Genesis != w.genesis || held != s.Total() {
		return errors.New("the supply does not balance")
	}
	return nil
}

// Owner is whom a ledger that pays an owner must pay.
var Owner = ledger.Hotkey{0xff}

func (s Subject) walks(t *testing.T) {
	walks, steps := uint64(200), 40
	if testing.Short() {
		walks = 40
	}
	epochs := 0
	for seed := range walks {
		one, two := s.newWalk(t, seed), s.newWalk(t, seed)
		for i := range steps {
			if err := one.step(); err != nil {
				t.Fatalf("seed %d, step %d: %v: %+v", seed, i, err, one.l.Supply())
			}
			if s.Restore != nil && i == steps/2 {
				two.l = s.again(t, two.l)
			}
			if err := two.step(); err != nil || one.l.Root() != two.l.Root() {
				t.Fatalf("seed %d, step %d: the same operations gave another root: %v", seed, i, err)
			}
		}
		epochs += one.epochs
	}
	if epochs < int(walks) {
		t.Errorf("%d epochs: the walks do too little", epochs)
	}
}

// again saves a ledger and restores it.
func (s Subject) again(t *testing.T, l Ledger) Ledger {
	t.Helper()
	twin, err := s.Restore(l.(snapshotter).Snapshot())
	if err != nil || twin.Root() != l.Root() || twin.Supply() != l.Supply() {
		t.Fatalf("restored as another ledger: %v", err)
	}
	return twin
}
