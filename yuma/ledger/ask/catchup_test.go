package ask

import (
	"errors"
	"testing"

	"lode/protocol"
	"lode/yuma/ledger"
)

// busy is a shop with blocks, a snapshot after some of them, and a block still open.
func busy(t *testing.T, blocks int, snapshots ...uint64) (*shop, ledger.Genesis) {
	t.Helper()
	s := newShop(t, 3)
	g := s.genesis
	s.states = map[uint64][]byte{}
	for n := range uint64(blocks) {
		if _, err := s.Apply(ledger.Sign(person(1), s.Network().ID, n, 0, ledger.Transfer{To: cold(2), Amount: ledger.Coin})); err != nil {
			t.Fatal(err)
		}
		b, _, err := s.Seal(protocol.Instant(n), protocol.Digest{byte(n)}, false)
		if err != nil {
			t.Fatal(err)
		}
		s.blocks = append(s.blocks, b)
		for _, h := range snapshots {
			if h == n+1 {
				s.states[h] = s.Snapshot()
			}
		}
	}
	return s, g
}

func open1(t *testing.T, s *shop, n uint64) {
	t.Helper()
	if _, err := s.Apply(ledger.Sign(person(1), s.Network().ID, n, 0, ledger.Transfer{To: cold(2), Amount: 1})); err != nil {
		t.Fatal(err)
	}
}

// Who catches up is where the last block ended, from genesis or from a snapshot, whether
// a block is open or not.
func TestCatchUp(t *testing.T) {
	for name, c := range map[string]struct {
		blocks    int
		snapshots []uint64
		open      bool
		begins    uint64
	}{
		"nothing yet":             {0, nil, false, 0},
		"an open block alone":     {0, nil, true, 0},
		"from genesis":            {300, nil, false, 0},
		"from a snapshot":         {30, []uint64{10, 20}, false, 20},
		"while a block is open":   {30, []uint64{10, 20}, true, 20},
		"the last is a snapshot":  {20, []uint64{10, 20}, false, 10},
		"so is it, a block later": {20, []uint64{10, 20}, true, 10},
	} {
		s, g := busy(t, c.blocks, c.snapshots...)
		want := s.Root()
		if c.open {
			open1(t, s, uint64(c.blocks))
		}
		first := uint64(0)
		m, err := s.client().CatchUp(t.Context(), g, func(height, _ uint64) {
			if first == 0 {
				first = height
			}
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.Root() != want || c.blocks > 0 && first != c.begins+1 {
			t.Errorf("%s: root %s, want %s; it began with block %d", name, m.Root().Short(), want.Short(), first)
		}
	}
}

// A snapshot that no header names, blocks of another ledger and ones that are missing are
// not believed.
func TestCatchUpRefuses(t *testing.T) {
	for name, spoil := range map[string]func(s *shop){
		"another state":    func(s *shop) { s.states[10] = s.Snapshot() },
		"a cut snapshot":   func(s *shop) { s.states[10] = s.states[10][:99] },
		"a changed block":  func(s *shop) { s.blocks[15].Header.Beacon[0]++ },
		"a missing block":  func(s *shop) { s.blocks = s.blocks[:18] },
		"without a tx":     func(s *shop) { s.blocks[15].Txs = nil },
		"another snapshot": func(s *shop) { s.states[10][len(s.states[10])-1]++ },
	} {
		s, g := busy(t, 20, 10)
		spoil(s)
		if _, err := s.client().CatchUp(t.Context(), g, func(_, _ uint64) {}); !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, _ := busy(t, 2)
	if _, err := s.client().CatchUp(t.Context(), ledger.DefaultGenesis("other"), nil); !errors.Is(err, ErrAnswer) {
		t.Errorf("another genesis: %v", err)
	}
}
