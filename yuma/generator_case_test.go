package yuma

// This file holds the golden cases that are given as a rule: large uniform graphs.

import (
	"encoding/json"
	"fmt"
	"testing"
)

type generatorSide struct {
	Consensus uint16 `json:"consensus_u16"`
	Incentive uint16 `json:"incentive_u16"`
	Dividends uint16 `json:"dividends_u16"`
	Emission  uint64
	Bond      *uint16 `json:"bond_u16_to_first_server"`
}

type generatorCase struct {
	Params struct {
		Version       string
		Kappa         uint16
		Penalty       uint16 `json:"bond_penalty"`
		Average       uint32 `json:"bonds_moving_average"`
		MaxValidators int    `json:"max_allowed_validators"`
		Cutoff        uint64 `json:"activity_cutoff"`
		Tempo         uint64
		Emission      uint64 `json:"rao_emission"`
	}
	Generator struct {
		N          int
		Validators string
		Stake      uint64 `json:"stake_per_validator"`
		Server     uint64 `json:"stake_per_server"`
		Registered uint64 `json:"registered_block"`
		WeightsAt  uint64 `json:"weights_block"`
		Epochs     int
	}
	Expect struct{ Validator, Server generatorSide }
}

// CheckGeneratorCase runs one epoch that hands out permits, then the others, each
// on the bonds and permits of the one before, and checks each of those.
func CheckGeneratorCase(t *testing.T, raw json.RawMessage) int {
	var c generatorCase
	decodeCase(t, raw, &c)
	g := c.Generator
	var last int
	if _, err := fmt.Sscanf(g.Validators, "uid 0..%d", &last); err != nil {
		t.Fatalf("validators %q: %v", g.Validators, err)
	}
	s := State{Emission: c.Params.Emission, Neurons: make([]Neuron, g.N)}
	for i := range s.Neurons {
		s.Neurons[i] = Neuron{Stake: g.Server, Registered: g.Registered}
		if i <= last {
			s.Neurons[i].Stake = g.Stake
		}
	}
	p := DefaultParams()
	p.Kappa, p.BondsPenalty, p.BondsMovingAverage = c.Params.Kappa, c.Params.Penalty, c.Params.Average
	p.MaxValidators, p.ActivityCutoff, p.Tempo = c.Params.MaxValidators, c.Params.Cutoff, c.Params.Tempo
	switch c.Params.Version {
	case "yuma2":
		p.Version = Yuma2
	case "yuma3":
	default:
		t.Fatalf("version %q", c.Params.Version)
	}
	r, err := Epoch(p, s)
	if err != nil {
		t.Fatal(err)
	}
	s.LastStep = s.Block
	var row []Entry
	for j := last + 1; j < g.N; j++ {
		row = append(row, Entry{uint16(j), full})
	}
	for k := range max(g.Epochs, 1) {
		s.Block = g.WeightsAt + uint64(k)
		for i := range s.Neurons {
			nn := &s.Neurons[i]
			nn.LastUpdate, nn.Permit, nn.Bonds = g.WeightsAt, r.Permits[i], r.Bonds[i]
			if i <= last {
				nn.Weights = row
			}
		}
		if r, err = Epoch(p, s); err != nil {
			t.Fatal(err)
		}
		for i := range s.Neurons {
			side, bond := c.Expect.Server, uint16(0)
			if i <= last {
				side, bond = c.Expect.Validator, r.Bonds[i][0].Value
			}
			side.compare(t, i, bond, r)
		}
		s.LastStep = s.Block
	}
	return max(g.Epochs, 1)
}

func (want generatorSide) compare(t *testing.T, i int, bond uint16, r Result) {
	t.Helper()
	got := generatorSide{
		r.Consensus[i].Uint16(), r.Incentive[i].Uint16(), r.Dividends[i].Uint16(), r.Combined[i], want.Bond,
	}
	if got != want || want.Bond != nil && *want.Bond != bond {
		t.Fatalf("uid %d: got %+v, bond %d, want %+v", i, got, bond, want)
	}
}
