package yuma_test

// This file holds the golden cases of the rules around the epoch.

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"

	"lode/yuma"
	"lode/yuma/casefile"
	"lode/yuma/economy"
)

const supply, perBlock = 21e15, 1e9 // the chain's, in rao

// table decodes the rows of a case, of which there must be some.
func table[T any](t *testing.T, c casefile.Case) []T {
	t.Helper()
	var f struct{ Cases []T }
	decode(t, c, &f)
	return f.Cases
}

func unknown(t *testing.T, c casefile.Case) int {
	t.Helper()
	t.Fatalf("no check for %s cases named %q", c.Kind, c.Name)
	return 0
}

func q32(x float64) yuma.Q32 { return yuma.Q32(math.Round(x * (1 << 32))) }

// within reports whether got is at most off from want.
func within(got, want, off uint64) bool { return max(got, want)-min(got, want) <= off }

func checkEmission(t *testing.T, c casefile.Case) int {
	switch c.Name {
	case "emission_halving_table":
		rows := table[struct {
			Issued uint64 `json:"total_issuance_rao"`
			Want   uint64 `json:"block_emission_rao"`
		}](t, c)
		for _, r := range rows {
			if got := economy.Emission(supply, perBlock, r.Issued); got != r.Want {
				t.Errorf("at %d: %d, want %d", r.Issued, got, r.Want)
			}
		}
		return len(rows)
	case "emission_halving_boundaries":
		rows := table[struct {
			K      uint
			First  uint64 `json:"first_total_issuance_rao"`
			Want   uint64 `json:"block_emission_rao"`
			Before uint64 `json:"block_emission_just_before"`
		}](t, c)
		for _, r := range rows {
			at, before := economy.Emission(supply, perBlock, r.First), economy.Emission(supply, perBlock, r.First-1)
			if at != r.Want || before != r.Before || economy.Halvings(supply, r.First) != r.K {
				t.Errorf("at %d: %d after %d, want %d after %d", r.First, at, before, r.Want, r.Before)
			}
		}
		return len(rows)
	case "emission_issuance_bound":
		rows := table[struct{ Start, Expect uint64 }](t, c)
		for _, r := range rows {
			issued := r.Start
			for range 100 {
				issued += 10_500_000 * economy.Emission(supply, perBlock, issued)
			}
			if issued != r.Expect {
				t.Errorf("converges to %d, want %d", issued, r.Expect)
			}
		}
		return len(rows)
	case "emission_41_41_18_split", "emission_pending_with_root":
		return checkPots(t, c)
	case "emission_moving_price":
		return checkMovingPrice(t, c)
	case "mechanism_emission_split":
		rows := table[struct {
			Alpha  uint64
			Count  int
			Split  []uint16
			Expect []uint64
		}](t, c)
		for _, r := range rows {
			if got := economy.SplitMechanisms(r.Alpha, r.Count, r.Split); !slices.Equal(got, r.Expect) {
				t.Errorf("%+v: got %v", r, got)
			}
		}
		return len(rows)
	}
	return unknown(t, c)
}

func checkPots(t *testing.T, c casefile.Case) int {
	rows := table[struct {
		Minted     uint64  `json:"alpha_out_rao"`
		Cut        uint16  `json:"owner_cut_u16"`
		RootTAO    uint64  `json:"root_tao_rao"`
		Weight     float64 `json:"tao_weight"`
		Issued     uint64  `json:"alpha_issuance_rao"`
		Proportion float64 `json:"root_proportion"`
		Owner      *uint64 `json:"owner_rao"`
		Server     *uint64 `json:"server_rao"`
		Validator  *uint64 `json:"validator_rao"`
		Root       *uint64 `json:"root_alpha_rao"`
	}](t, c)
	for _, r := range rows {
		root := economy.RootProportion(r.RootTAO, q32(r.Weight), r.Issued)
		if root != q32(r.Proportion) {
			t.Errorf("%+v: root proportion %d", r, root)
		}
		got := economy.Split(r.Minted, r.Cut, root)
		for _, x := range []struct {
			got  uint64
			want *uint64
		}{{got.Owner, r.Owner}, {got.Servers, r.Server}, {got.Validators, r.Validator}, {got.Root, r.Root}} {
			if x.want != nil && x.got != *x.want {
				t.Errorf("%d by %d: %+v, want %d", r.Minted, r.Cut, got, *x.want)
			}
		}
	}
	return len(rows)
}

func checkMovingPrice(t *testing.T, c casefile.Case) int {
	const halving = 201_600
	rows := table[struct {
		Block     uint64
		First     uint64  `json:"first_emission_block"`
		Rate      float64 `json:"moving_alpha"`
		Spot, Old float64
		Steps     int
		Less      float64 `json:"expect_less_than"`
		Expect    float64
		Tolerance float64
	}](t, c)
	for _, r := range rows {
		price := q32(r.Old)
		for range r.Steps {
			price = economy.MovingPrice(price, q32(r.Spot), q32(r.Rate), r.Block-(r.First-1), halving)
		}
		got := float64(price) / (1 << 32)
		if r.Less != 0 && got >= r.Less || r.Less == 0 && math.Abs(got-r.Expect) > r.Tolerance {
			t.Errorf("%+v: got %v", r, got)
		}
	}
	return len(rows)
}

func checkRegistration(t *testing.T, c casefile.Case) int {
	switch c.Name {
	case "registration_burn_decay":
		return checkBurn(t, c)
	case "registration_burn_decay_factors":
		rows := table[struct {
			HalfLife uint16            `json:"half_life"`
			Factor   yuma.Q32          `json:"factor_q32"`
			Burn     uint64            `json:"initial_burn"`
			After    map[string]uint64 `json:"burn_after_blocks"`
		}](t, c)
		for _, r := range rows {
			f := economy.DecayFactor(r.HalfLife)
			if f != r.Factor {
				t.Errorf("half-life %d: factor %d, want %d", r.HalfLife, f, r.Factor)
			}
			for blocks, want := range r.After {
				n, err := strconv.Atoi(blocks)
				if err != nil {
					t.Fatal(err)
				}
				burn := r.Burn
				for range n {
					burn = economy.PriceBounds{Max: math.MaxUint64}.Decay(burn, f)
				}
				if burn != want {
					t.Errorf("half-life %d, %d blocks: %d, want %d", r.HalfLife, n, burn, want)
				}
			}
		}
		return len(rows)
	case "registration_legacy_adjustment":
		rows := table[struct {
			Current, Registrations, Target, Expect uint64
			Alpha                                  uint64 `json:"adjustment_alpha"`
		}](t, c)
		for _, r := range rows {
			got := economy.PriceBounds{Max: math.MaxUint64}.Adjust(r.Current, r.Registrations, r.Target, r.Alpha)
			if !within(got, r.Expect, 1) {
				t.Errorf("%+v: got %d", r, got)
			}
		}
		return len(rows)
	case "pruning_choice":
		return checkPruning(t, c)
	}
	return unknown(t, c)
}

func checkBurn(t *testing.T, c casefile.Case) int {
	rows := table[struct {
		Burn, Expect uint64
		Event        string
		Mult         float64
		HalfLife     uint16  `json:"half_life"`
		Min          uint64  `json:"min_burn"`
		Max          *uint64 `json:"max_burn"`
	}](t, c)
	for _, r := range rows {
		b := economy.PriceBounds{Min: r.Min, Max: math.MaxUint64}
		if r.Max != nil {
			b.Max = *r.Max
		}
		got := r.Burn
		switch r.Event {
		case "register":
			got = b.Bump(got, uint16(math.Round(r.Mult*100)))
		case "2 blocks":
			got = b.Decay(got, economy.DecayFactor(r.HalfLife))
			fallthrough
		case "block":
			got = b.Decay(got, economy.DecayFactor(r.HalfLife))
		default:
			t.Fatalf("event %q", r.Event)
		}
		if got != r.Expect {
			t.Errorf("%+v: got %d", r, got)
		}
	}
	return len(rows)
}

func checkPruning(t *testing.T, c casefile.Case) int {
	rows := table[struct {
		Immunity, Block uint64
		MinFree         int   `json:"min_non_immune"`
		Owners          []int `json:"owner_uids"`
		Neurons         []struct{ Emission, Registered uint64 }
		Expect          int
	}](t, c)
	for _, r := range rows {
		var places []economy.Place
		for uid, n := range r.Neurons {
			places = append(places, economy.Place{Emission: n.Emission, Registered: n.Registered, Protected: slices.Contains(r.Owners, uid)})
		}
		if got := economy.Prune(r.Block, r.Immunity, r.MinFree, places); got != r.Expect {
			t.Errorf("%+v: got %d", r, got)
		}
	}
	return len(rows)
}

func checkDelegation(t *testing.T, c casefile.Case) int {
	switch c.Name {
	case "stake_inheritance_children":
		rows := table[struct {
			Own, Expect uint64
			Children    []uint64
			Parents     [][2]uint64
		}](t, c)
		for _, r := range rows {
			var parents []economy.Parent
			for _, p := range r.Parents {
				parents = append(parents, economy.Parent{Stake: p[0], Part: p[1]})
			}
			if got := economy.Inherited(r.Own, r.Children, parents); got != r.Expect {
				t.Errorf("%+v: got %d", r, got)
			}
		}
		return len(rows)
	case "dividends_to_parents_and_child_take":
		rows := table[struct {
			Dividend uint64
			Own      uint64 `json:"self_contribution"`
			Parents  []struct {
				Stake, Proportion uint64
				Same              bool `json:"same_owner"`
			}
			Take   uint16 `json:"take_u16"`
			Expect []uint64
		}](t, c)
		for _, r := range rows {
			var parents []economy.Parent
			for _, p := range r.Parents {
				parents = append(parents, economy.Parent{Stake: p.Stake, Part: p.Proportion, SameOwner: p.Same})
			}
			got, own := economy.Dividends(r.Dividend, r.Own, parents, r.Take)
			if got = append(got, own); !slices.Equal(got, r.Expect) {
				t.Errorf("%+v: got %d", r, got)
			}
		}
		return len(rows)
	case "delegate_take":
		rows := table[struct {
			Dividend   uint64
			Take       uint16 `json:"take_u16"`
			Owner      uint64 `json:"owner_gets"`
			Nominators uint64 `json:"nominators_get"`
		}](t, c)
		for _, r := range rows {
			if o, n := economy.Take(r.Dividend, r.Take); o != r.Owner || n != r.Nominators {
				t.Errorf("%+v: got %d and %d", r, o, n)
			}
		}
		return len(rows)
	case "dividend_split_root_alpha":
		return checkSplitRoot(t, c)
	}
	return unknown(t, c)
}

func checkSplitRoot(t *testing.T, c casefile.Case) int {
	rows := table[struct {
		Run     uint64  `json:"pending_validator_alpha"`
		Root    uint64  `json:"pending_root_alpha"`
		Weight  float64 `json:"tao_weight"`
		Hotkeys []struct{ Alpha, Root, Dividend uint64 }
		RunSum  uint64 `json:"expect_total_alpha"`
		RootSum uint64 `json:"expect_total_root"`
	}](t, c)
	for _, r := range rows {
		var holdings []economy.Holding
		for _, h := range r.Hotkeys {
			holdings = append(holdings, economy.Holding{Stake: h.Alpha, Root: h.Root, Dividend: h.Dividend})
		}
		runs, roots := economy.SplitRoot(r.Run, r.Root, q32(r.Weight), holdings)
		var runSum, rootSum uint64
		for i := range holdings {
			runSum += runs[i]
			rootSum += roots[i]
		}
		if runSum > r.Run || rootSum > r.Root || !within(runSum, r.RunSum, 1000) || !within(rootSum, r.RootSum, 1000) {
			t.Errorf("%+v: paid %d and %d", r, runSum, rootSum)
		}
	}
	return len(rows)
}

func checkSchedule(t *testing.T, c casefile.Case) int {
	if c.Name != "schedule_blocks_until_next_epoch" {
		return unknown(t, c)
	}
	var f struct {
		Stateful []struct {
			Last                 uint64 `json:"last_epoch_block"`
			Tempo, Block, Expect uint64
		}
		Legacy []struct {
			Tempo, Netuid uint16
			Block, Expect uint64
		}
	}
	decode(t, c, &f)
	for _, r := range f.Stateful {
		if got := economy.UntilEpoch(r.Last, r.Tempo, r.Block); got != r.Expect {
			t.Errorf("%+v: got %d", r, got)
		}
	}
	for _, r := range f.Legacy {
		if got := economy.UntilEpochLegacy(r.Netuid, r.Tempo, r.Block); got != r.Expect {
			t.Errorf("legacy %+v: got %d", r, got)
		}
	}
	return len(f.Stateful) + len(f.Legacy)
}

func checkWeights(t *testing.T, c casefile.Case) int {
	switch c.Name {
	case "weights_rules":
		rows := table[json.RawMessage](t, c)
		for _, raw := range rows {
			checkWeightRule(t, raw)
		}
		return len(rows)
	case "commit_reveal_windows":
		rows := table[struct {
			Commit  uint64 `json:"commit_epoch"`
			Period  uint64 `json:"reveal_period"`
			Now     uint64 `json:"current_epoch"`
			Open    bool   `json:"can_reveal"`
			Expired bool
		}](t, c)
		for _, r := range rows {
			got := economy.RevealPhase(r.Commit, r.Period, r.Now)
			if (got == economy.Open) != r.Open || (got == economy.Expired) != r.Expired {
				t.Errorf("%+v: got phase %d", r, got)
			}
		}
		var f struct {
			Max int `json:"max_unrevealed"`
		}
		decode(t, c, &f)
		if f.Max != economy.MaxCommits {
			t.Errorf("%d commits may wait, want %d", economy.MaxCommits, f.Max)
		}
		return len(rows)
	}
	return unknown(t, c)
}

// checkWeightRule starts from a row that is taken, changes what a case says, and
// wants the case's own reason if it is refused.
func checkWeightRule(t *testing.T, raw json.RawMessage) {
	t.Helper()
	var c struct {
		Rule             string
		OK               bool
		LastUpdate       uint64 `json:"last_update"`
		Block, Limit     uint64
		N                int
		MinAllowed       int `json:"min_allowed"`
		Given            int
		Self             bool `json:"self_weight"`
		Network          uint64
		Permit           *bool `json:"has_permit"`
		Owner            bool  `json:"is_owner"`
		UIDs             []uint16
		Stake, Threshold uint64
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	rules := economy.WeightRules{MaxWeight: 65535, RateLimit: c.Limit, MinTargets: c.MinAllowed, Version: c.Network, StakeThreshold: c.Threshold}
	s := economy.Setter{UID: 9, Stake: c.Stake, LastUpdate: c.LastUpdate, Permit: true, Owner: c.Owner}
	n, uids := 32, []uint16{1, 2, 3}
	if c.N > 0 {
		n, s.UID = c.N, 0
	}
	if c.Permit != nil {
		s.Permit = *c.Permit
	}
	var reason error
	switch c.Rule {
	case "rate limit":
		reason = economy.ErrRate
	case "min allowed weights":
		reason = economy.ErrTooFew
		uids = uids[:0]
		for k := range c.Given {
			uids = append(uids, uint16(k))
		}
	case "version key":
		reason, s.Version = economy.ErrVersion, uint64(c.Given)
	case "permit":
		reason = economy.ErrPermit
	case "duplicates":
		reason, uids = economy.ErrDuplicate, c.UIDs
	case "stake":
		reason = economy.ErrStake
	default:
		t.Fatalf("rule %q", c.Rule)
	}
	if c.Self {
		uids = []uint16{s.UID}
	}
	err := rules.Check(c.Block, n, s, uids, make([]uint16, len(uids)))
	if c.OK != (err == nil) || !c.OK && !errors.Is(err, reason) {
		t.Errorf("%s: got %v", raw, err)
	}
}
