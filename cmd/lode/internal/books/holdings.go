package books

// This file holds what one account has.

import (
	"context"

	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
)

// Holdings are all that one account has.
type Holdings struct {
	Address ledger.Coldkey `json:"address"`
	Balance ledger.Amount  `json:"balance"`
	Nonce   uint64         `json:"nonce"`
	Stakes  []Stake        `json:"stakes"`
	Leaving []Leaving      `json:"leaving"`
	Height  uint64         `json:"height"`
	Root    string         `json:"root"`
}

// Stake is one position.
type Stake struct {
	Run   ledger.Run    `json:"run"` // 0 is root
	Hot   ledger.Hotkey `json:"hotkey"`
	Units ledger.Amount `json:"units"`
	Worth ledger.Amount `json:"worth"` // in coin, at the present price
}

// Leaving is coin that was unstaked.
type Leaving struct {
	Run    ledger.Run    `json:"run"`
	Hot    ledger.Hotkey `json:"hotkey"`
	Amount ledger.Amount `json:"amount"`
	Free   uint64        `json:"free"` // height from which it may be withdrawn
}

// Account returns an account, zero if there is none, with the state that has it.
func (b Books) Account(ctx context.Context, c ledger.Coldkey) (ledger.Account, ask.State, error) {
	k := ask.Key(ask.Accounts, c)
	s, err := b.Client.Get(ctx, k)
	if err != nil {
		return ledger.Account{}, s, err
	}
	a, _, err := ask.Load[ledger.Account](s, k)
	return a, s, err
}

// Holdings returns what an account has. It reads all stakes there are.
func (b Books) Holdings(ctx context.Context, cold ledger.Coldkey) (h Holdings, err error) {
	err = b.Client.Still(ctx, func(c ask.Client) error {
		now := Books{c}
		a, s, err := now.Account(ctx, cold)
		if err != nil {
			return err
		}
		h = Holdings{
			Address: cold, Balance: a.Balance, Nonce: a.Nonce, Height: s.Network.Height, Root: s.Root.String(),
			Stakes: []Stake{}, Leaving: []Leaving{},
		}
		if h.Stakes, err = now.stakes(ctx, cold); err != nil {
			return err
		}
		h.Leaving, err = now.leaving(ctx, cold)
		return err
	})
	return h, err
}

func (b Books) stakes(ctx context.Context, cold ledger.Coldkey) ([]Stake, error) {
	stakes, shares, keys := []Stake{}, []uint64{}, []string{}
	_, err := list(ctx, b.Client, ask.Key(ask.Positions), func(key string, n uint64) error {
		if coldAt(key) == cold {
			stakes, shares = append(stakes, Stake{Run: runAt(key), Hot: hotAt(key)}), append(shares, n)
			keys = append(keys, ask.Key(ask.Pools, runAt(key), hotAt(key)))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	pools, err := loads[ledger.Pool](ctx, b.Client, keys)
	if err != nil {
		return nil, err
	}
	runs := map[ledger.Run]ledger.RunState{}
	for i, p := range pools {
		s := &stakes[i]
		s.Units = p.Worth(shares[i])
		r, known := runs[s.Run]
		if !known {
			if r, err = b.runState(ctx, s.Run); err != nil {
				return nil, err
			}
			runs[s.Run] = r
		}
		s.Worth = r.Worth(s.Units)
	}
	return stakes, nil
}

// runState returns a run that goes on, a zero one for root and for a run that does not.
func (b Books) runState(ctx context.Context, run ledger.Run) (ledger.RunState, error) {
	all, err := loads[ledger.RunState](ctx, b.Client, []string{ask.Key(ask.Runs, run)})
	if err != nil {
		return ledger.RunState{}, err
	}
	return all[0], nil
}

func (b Books) leaving(ctx context.Context, cold ledger.Coldkey) ([]Leaving, error) {
	all, shares, keys := []Leaving{}, []uint64{}, []string{}
	_, err := list(ctx, b.Client, ask.Key(ask.Leavings), func(key string, l ledger.Leaving) error {
		if coldAt(key) == cold {
			all, shares = append(all, Leaving{Run: runAt(key), Hot: hotAt(key), Free: l.Free}), append(shares, l.Shares)
			keys = append(keys, ask.Key(ask.LeavingPools, runAt(key), hotAt(key)))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	pools, err := loads[ledger.Pool](ctx, b.Client, keys)
	for i, p := range pools {
		all[i].Amount = p.Worth(shares[i])
	}
	return all, err
}
