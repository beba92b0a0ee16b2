package ledger

// This file tests the ledger of volunteers where it differs from the other.

import (
	"bytes"
	"testing"
)

// band is a validator with stake from a treasury and two workers, after an epoch
// and a slash.
func band(t testing.TB) *Volunteer {
	t.Helper()
	v, err := NewVolunteer(3, []Grant{{Hotkey: key(9), Balance: 9 * Coin}})
	if err != nil {
		t.Fatal(err)
	}
	_ = v.Register(0, key(1), Validator, 5*Coin, key(9))
	_, _ = v.Register(0, key(3), Worker, 0, key(3)), v.Register(0, key(4), Worker, 0, key(4))
	if _, err := v.Epoch(3, []Row{rowOf(key(1), 2, 1)}, []Hotkey{key(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Slash(key(1), All/5); err != nil {
		t.Fatal(err)
	}
	return v
}

// Epochs report zero, whatever the rows say, and leave every account as it was.
func TestVolunteersAreNotPaid(t *testing.T) {
	v := band(t)
	before := v.Supply()
	for last := Round(4); last < 1<<20; last *= 7 {
		rep, err := v.Epoch(last, []Row{rowOf(key(1), 900, 1)}, []Hotkey{key(1)})
		if err != nil {
			t.Fatal(err)
		}
		if rep.Minted != 0 || rep.Owner != 0 || rep.Unpaid != 0 || len(rep.Lines) != 3 {
			t.Errorf("report %+v", rep)
		}
		for _, l := range rep.Lines {
			if l.Incentive != 0 || l.Dividend != 0 || l.Credited != 0 || l.Balance != 0 {
				t.Errorf("line %+v", l)
			}
		}
	}
	if v.Supply() != before || before != (Supply{Genesis: 9 * Coin, Burned: Coin}) {
		t.Errorf("supply %+v, then %+v", before, v.Supply())
	}
	if a, _ := v.Account(key(1)); a.Stake != 4*Coin {
		t.Errorf("left with %+v", a)
	}
}

// One ledger does not take the other's state, nor one that was spoiled.
func TestRestoreVolunteerRefuses(t *testing.T) {
	if _, err := RestoreVolunteer(rich(t).Snapshot()); err == nil {
		t.Error("the state of a ledger that pays: accepted")
	}
	if _, err := Restore(band(t).Snapshot()); err == nil {
		t.Error("the state of volunteers: accepted as one that pays")
	}
	for name, spoil := range map[string]func(*Volunteer){
		"bonds":            func(v *Volunteer) { v.neurons[0].bonds = rich(t).neurons[0].bonds },
		"pay":              func(v *Volunteer) { v.emitted, v.accounts[0].balance = 1, 1 },
		"something unpaid": func(v *Volunteer) { v.emitted, v.unpaid = 1, 1 },
		"too few places":   func(v *Volunteer) { v.room = 2 },
		"too many places":  func(v *Volunteer) { v.room = 1<<16 - 1 },
		"money gone":       func(v *Volunteer) { v.accounts[0].stake-- },
	} {
		v := band(t)
		spoil(v)
		if _, err := RestoreVolunteer(v.Snapshot()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzRestoreVolunteer(f *testing.F) {
	f.Add(band(f).Snapshot())
	empty, err := NewVolunteer(0, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(empty.Snapshot())
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := RestoreVolunteer(data)
		if err != nil {
			return
		}
		if !bytes.Equal(v.Snapshot(), data) {
			t.Fatal("two encodings of one state")
		}
		_ = v.Register(v.Next(), key(1), Validator, 1, key(9))
		_, _ = v.Epoch(v.Next(), []Row{{Validator: key(1)}}, []Hotkey{key(1)})
		if again, err := RestoreVolunteer(v.Snapshot()); err != nil || again.Root() != v.Root() {
			t.Fatalf("what came of it is no state: %v", err)
		}
	})
}
