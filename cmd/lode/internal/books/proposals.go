package books

// This file holds what is voted on.

import (
	"context"
	"fmt"

	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
)

// Proposal is a change that is voted on, or waits to be made.
type Proposal struct {
	Number  uint64        `json:"proposal"`
	Hot     ledger.Hotkey `json:"hotkey"` // who proposed it
	Run     ledger.Run    `json:"run"`    // 0 is the network
	Changes []Change      `json:"changes"`
	Passed  bool          `json:"passed"`
	// Due is the height at which votes are counted or, if it passed, it is made.
	Due uint64        `json:"due"`
	Yes ledger.Amount `json:"yes"` // stake of the votes so far, when they were cast
	No  ledger.Amount `json:"no"`
}

// Change is one parameter's.
type Change struct {
	Name string `json:"name"`
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// Proposals returns all proposals, by number, and the state that has them.
func (b Books) Proposals(ctx context.Context) (all []Proposal, s ask.State, err error) {
	err = b.Client.Still(ctx, func(c ask.Client) error {
		now := Books{c}
		all = []Proposal{}
		at := map[uint64]int{}
		var raw []ledger.Proposal
		s, err = list(ctx, c, ask.Key(ask.Proposals), func(key string, p ledger.Proposal) error {
			n := number(key[1:])
			at[n] = len(all)
			all = append(all, Proposal{Number: n, Hot: p.Hot, Run: p.Run, Passed: p.Passed, Due: p.Due})
			raw = append(raw, p)
			return nil
		})
		if err != nil {
			return err
		}
		for i, p := range raw {
			settings, err := now.settings(ctx, s, p.Run)
			if err != nil {
				return err
			}
			all[i].Changes = changes(settings, p.Changes)
		}
		_, err := list(ctx, c, ask.Key(ask.Votes), func(key string, v ledger.Vote) error {
			i, ok := at[number(key[1:9])]
			switch {
			case ok && v.Yes:
				all[i].Yes += v.Stake
			case ok:
				all[i].No += v.Stake
			}
			return nil
		})
		return err
	})
	return all, s, err
}

func changes(settings []ledger.Setting, raw []ledger.Change) (all []Change) {
	for _, c := range raw {
		x := Change{Name: fmt.Sprintf("parameter %d", c.Param), To: c.Value}
		if int(c.Param) < len(settings) {
			x.Name, x.From = settings[c.Param].Name, settings[c.Param].Value
		}
		all = append(all, x)
	}
	return all
}

// Settings returns the parameters of a run or, for root, of the network.
func (b Books) Settings(ctx context.Context, run ledger.Run) (all []ledger.Setting, err error) {
	err = b.Client.Still(ctx, func(c ask.Client) error {
		s, err := c.Get(ctx)
		if err != nil {
			return err
		}
		all, err = Books{c}.settings(ctx, s, run)
		return err
	})
	return all, err
}

func (b Books) settings(ctx context.Context, s ask.State, run ledger.Run) ([]ledger.Setting, error) {
	if run == ledger.Root {
		return s.Network.Params.Settings(), nil
	}
	rules, err := loads[ledger.RunParams](ctx, b.Client, []string{ask.Key(ask.Params, run)})
	if err != nil {
		return nil, err
	}
	return rules[0].Settings(), nil
}
