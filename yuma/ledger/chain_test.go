package ledger

// This file holds what the tests of this package share: people with keys, and a
// ledger that they act on.

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"lode/protocol"
)

// person is a key.
func person(name string) ed25519.PrivateKey {
	seed := protocol.Hash("test person", []byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func pub(name string) (k protocol.NodeID) {
	copy(k[:], person(name).Public().(ed25519.PublicKey))
	return k
}

func cold(name string) Coldkey { return Coldkey(pub(name)) }

// world is a ledger with a test that watches over it.
type world struct {
	*Machine
	t testing.TB
}

// rich is what each of the first people owns.
const rich = 100_000 * Coin

var (
	owners     = []string{"ann", "bob", "cid"}
	validators = []string{"v1", "v2", "v3"} // hotkeys of ann
	workers    = []string{"w1", "w2"}       // hotkeys of bob
	runID      = protocol.RunID{1}
)

// quick are rules under which things happen within a few blocks.
func quick() (NetworkParams, RunParams) {
	p, r := DefaultNetworkParams(), DefaultRunParams()
	p.Unbond, p.MinLock, p.LockInterval, p.RunImmunity, p.RunRate = 5, 1000*uint64(Coin), 100, 50, 3
	p.ChildCooldown, p.ChildRate, p.TakeRate, p.VoteSpan, p.VoteDelay = 2, 2, 10, 6, 4
	r.Tempo, r.WeightsRate, r.CommitReveal, r.Immunity, r.MinFree = 5, 0, 0, 10, 1
	return p, r
}

func newWorld(t testing.TB, market bool, tune ...func(*Genesis)) world {
	t.Helper()
	p, r := quick()
	g := Genesis{Name: "test", Params: p, Cap: 21_000_000 * Coin, Market: market}
	for _, o := range owners {
		g.Grants = append(g.Grants, Grant{Cold: cold(o), Balance: rich})
	}
	first := FirstRun{ID: runID, Owner: cold("cid"), Hot: pub("own"), Params: r}
	if market {
		first.Pool = 1000 * Coin
	}
	g.Runs = []FirstRun{first}
	g.Seats = []Seat{{Hot: pub("own"), Cold: cold("cid"), Run: 1}}
	for i, v := range validators {
		g.Seats = append(g.Seats, Seat{Hot: pub(v), Cold: cold("ann"), Run: 1, Stake: Amount(100*(i+1)) * Coin, Place: true})
	}
	for _, w := range workers {
		g.Seats = append(g.Seats, Seat{Hot: pub(w), Cold: cold("bob"), Run: 1, Place: true})
	}
	for _, f := range tune {
		f(&g)
	}
	m, err := New(g)
	if err != nil {
		t.Fatal(err)
	}
	return world{m, t}
}

// tx is what somebody signs now.
func (w world) tx(who string, body Body) Tx {
	a, _ := w.Account(cold(who))
	return Sign(person(who), w.net.ID, a.Nonce, 0, body)
}

// do applies what must be taken.
func (w world) do(who string, body Body) []Event {
	w.t.Helper()
	tx, root := w.tx(who, body), w.Root()
	if err := w.Check(tx); err != nil || w.Root() != root {
		w.t.Fatalf("%T of %s cannot be applied: %v", body, who, err)
	}
	ev, err := w.Apply(tx)
	if err != nil {
		w.t.Fatalf("%T of %s: %v", body, who, err)
	}
	w.audit()
	return ev
}

// not applies what must be refused, and changes nothing.
func (w world) not(want error, who string, body Body) {
	w.t.Helper()
	w.refuse(want, w.tx(who, body))
}

func (w world) refuse(want error, t Tx) {
	w.t.Helper()
	before, net := w.Root(), w.net
	if err := w.Check(t); !errors.Is(err, want) {
		w.t.Fatalf("kind %d could be applied: %v, want %v", t.Type, err, want)
	}
	if _, err := w.Apply(t); !errors.Is(err, want) {
		w.t.Fatalf("kind %d: %v, want %v", t.Type, err, want)
	}
	if w.Root() != before || w.net != net {
		w.t.Fatalf("kind %d was refused and changed something", t.Type)
	}
}

// pass lets blocks without transactions go by.
func (w world) pass(blocks int) (all []Event) {
	w.t.Helper()
	for range blocks {
		_, due, err := w.Seal(w.net.Time+protocol.Instant(protocol.Second), protocol.Digest{7}, false)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, due...)
		w.audit()
	}
	return all
}

// audit adds up everything.
func (w world) audit() {
	w.t.Helper()
	if err := w.Audit(); err != nil {
		w.t.Fatal(err)
	}
}

func (w world) balance(who string) Amount {
	a, _ := w.Account(cold(who))
	return a.Balance
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// unsigned does what a transaction asks without a look at its signature.
func (m *Machine) unsigned(t Tx, body Body) ([]Event, error) {
	return m.step(func() error { return m.perform(t, body) })
}
