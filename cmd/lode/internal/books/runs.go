package books

// This file holds runs and the places on them.

import (
	"context"

	"lode/protocol"
	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
)

// Run is a run that goes on.
type Run struct {
	Number ledger.Run        `json:"run"`
	ID     protocol.RunID    `json:"id"`
	Owner  ledger.Coldkey    `json:"owner"`
	Hot    ledger.Hotkey     `json:"hotkey"`
	Places uint16            `json:"places"`
	Price  ledger.Amount     `json:"price"` // of a place
	Stake  ledger.Amount     `json:"stake"` // units, of everybody
	Worth  ledger.Amount     `json:"worth"` // of that stake, in coin
	Epochs uint64            `json:"epochs"`
	Owed   ledger.Amount     `json:"owed"` // what the next epoch pays
	Params map[string]uint64 `json:"params"`
}

// Runs returns all runs, by number, and the state that has them.
func (b Books) Runs(ctx context.Context) (all []Run, s ask.State, err error) {
	err = b.Client.Still(ctx, func(c ask.Client) error {
		all = []Run{}
		var totals, rules []string
		var states []ledger.RunState
		s, err = list(ctx, c, ask.Key(ask.Runs), func(key string, r ledger.RunState) error {
			run := runAt(key)
			all = append(all, Run{
				Number: run, ID: r.ID, Owner: r.Owner, Hot: r.Hot, Places: r.Places, Price: r.Price, Epochs: r.Epochs,
				Owed: r.OwedOwner + r.OwedServers + r.OwedValidators + r.OwedRoot,
			})
			states = append(states, r)
			totals, rules = append(totals, ask.Key(ask.Totals, run)), append(rules, ask.Key(ask.Params, run))
			return nil
		})
		if err != nil {
			return err
		}
		stakes, err := loads[ledger.Amount](ctx, c, totals)
		if err != nil {
			return err
		}
		params, err := loads[ledger.RunParams](ctx, c, rules)
		for i, p := range params {
			all[i].Stake, all[i].Worth, all[i].Params = stakes[i], states[i].Worth(stakes[i]), settings(p.Settings())
		}
		return err
	})
	return all, s, err
}

func settings(all []ledger.Setting) map[string]uint64 {
	m := map[string]uint64{}
	for _, s := range all {
		m[s.Name] = s.Value
	}
	return m
}

// Place is one place on a run.
type Place struct {
	UID       uint16        `json:"uid"`
	Hot       ledger.Hotkey `json:"hotkey"`
	Permit    bool          `json:"permit"`
	Stake     ledger.Amount `json:"stake"`     // units, whoever staked it
	Incentive uint16        `json:"incentive"` // shares, of the last epoch
	Dividends uint16        `json:"dividends"`
	Trust     uint16        `json:"trust"`
	Emission  ledger.Amount `json:"emission"` // of the last epoch, units
	Updated   uint64        `json:"updated"`  // height of its last weights
}

// Places returns the places of a run, by uid, and the state that has them.
func (b Books) Places(ctx context.Context, run ledger.Run) (all []Place, s ask.State, err error) {
	err = b.Client.Still(ctx, func(c ask.Client) error {
		all = []Place{}
		stakes := map[ledger.Hotkey]ledger.Amount{}
		if _, err := list(ctx, c, ask.Key(ask.Pools, run), func(key string, p ledger.Pool) error {
			stakes[hotAt(key)] = p.Units
			return nil
		}); err != nil {
			return err
		}
		s, err = list(ctx, c, ask.Key(ask.Neurons, run), func(key string, n ledger.Neuron) error {
			all = append(all, Place{
				UID: uint16(number(key[5:])), Hot: n.Hot, Permit: n.Permit, Stake: stakes[n.Hot], Incentive: n.Incentive,
				Dividends: n.Dividends, Trust: n.Trust, Emission: n.Emission, Updated: n.Updated,
			})
			return nil
		})
		return err
	})
	return all, s, err
}
