package books

// This file holds whom one can stake on.

import (
	"context"

	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
)

// Delegate is a hotkey with an owner: anybody may stake on it.
type Delegate struct {
	Hot    ledger.Hotkey  `json:"hotkey"`
	Owner  ledger.Coldkey `json:"owner"`
	Take   uint16         `json:"take"`   // share it keeps of what others' stake earns
	Raised uint64         `json:"raised"` // height of the last raise of the take
	Stakes []Pool         `json:"stakes"`
}

// Pool is the stake on a hotkey, whoever staked it.
type Pool struct {
	Run   ledger.Run    `json:"run"`
	Units ledger.Amount `json:"units"`
}

// Delegates returns all hotkeys, by key, and the state that has them.
func (b Books) Delegates(ctx context.Context) (all []Delegate, s ask.State, err error) {
	err = b.Client.Still(ctx, func(c ask.Client) error {
		all = []Delegate{}
		at := map[ledger.Hotkey]int{}
		s, err = list(ctx, c, ask.Key(ask.Identities), func(key string, id ledger.Identity) error {
			h := ledger.Hotkey([]byte(key[1:]))
			at[h] = len(all)
			all = append(all, Delegate{Hot: h, Owner: id.Owner, Take: id.Take, Raised: id.Raised, Stakes: []Pool{}})
			return nil
		})
		if err != nil {
			return err
		}
		_, err := list(ctx, c, ask.Key(ask.Pools), func(key string, p ledger.Pool) error {
			if i, ok := at[hotAt(key)]; ok {
				all[i].Stakes = append(all[i].Stakes, Pool{runAt(key), p.Units})
			}
			return nil
		})
		return err
	})
	return all, s, err
}
