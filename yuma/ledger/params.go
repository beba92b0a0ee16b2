package ledger

// This file holds the parameters that votes may change. Their numbers are their
// places in the lists below and never change.

import (
	"fmt"

	"lode/yuma"
)

// NetworkParams are the rules that hold for all runs. Heights and spans of time are
// in blocks, shares in 65535ths.
type NetworkParams struct {
	_ struct{} `cbor:",toarray"`
	// Emission is what the first block mints; it halves as the supply nears the cap.
	Emission uint64
	// Existential is the least balance an account may be left with, other than
	// none; MinStake the least stake.
	Existential, MinStake uint64
	IdentityFee           uint64 // burned for a new hotkey
	Unbond                uint64 // from unstaking to having the coin; it can be slashed until then
	MaxRuns               uint64
	// MinLock is the least price of a run. It doubles with each run and falls back
	// over LockInterval.
	MinLock, LockInterval uint64
	RunImmunity           uint64 // age from which a run may be dissolved for a newer one
	RunRate               uint64 // between two new runs
	OwnerCut              uint64 // share of a run's emission
	RootWeight            uint64 // of root stake on a run, in 65535ths of a run's own
	MaxTake               uint64 // share of dividends that a delegate may keep
	TakeRate              uint64 // between two raises of a take
	ChildRate             uint64 // between two changes of a hotkey's children
	ChildCooldown         uint64 // until such a change counts
	MaxEpochs             uint64 // in one block
	PriceRate             uint64 // of a run's moving price, in 10⁻⁹
	PriceHalving          uint64 // age at which half of that rate holds
	SwapFee               uint64 // share of what goes into a pool
	SlashTwice            uint64 // share of stake lost for contradicting oneself
	SlashFalse            uint64 // share of stake lost for a receipt that does not recompute
	VoteSpan              uint64 // during which a proposal is open
	VoteDelay             uint64 // from its end to its execution
	VoteQuorum            uint64 // share of all stake that must vote
	VoteMajority          uint64 // share of the votes that yes must pass
	VoteStake             uint64 // stake of who may propose
	VoteLeast             uint64 // share of all stake that a hotkey needs to vote; who has less delegates
}

// DefaultNetworkParams returns the reference chain's rules, with blocks of twelve
// seconds, and this package's own where that has none: unbonding, slashing, votes.
func DefaultNetworkParams() NetworkParams {
	const day = 7200
	return NetworkParams{
		Emission: uint64(Coin), Existential: 500, MinStake: 500_000, IdentityFee: 1_000_000, Unbond: day,
		MaxRuns: 128, MinLock: 1000 * uint64(Coin), LockInterval: 14 * day, RunImmunity: 1_296_000, RunRate: day,
		OwnerCut: 11796, RootWeight: 11796, MaxTake: 11796, TakeRate: 216_000, ChildRate: 150, ChildCooldown: day,
		MaxEpochs: 2, PriceRate: 3000, PriceHalving: 201_600, SwapFee: 33,
		SlashTwice: 6553, SlashFalse: 6553,
		VoteSpan: 3 * day, VoteDelay: day, VoteQuorum: 13107, VoteMajority: 32768, VoteStake: 100 * uint64(Coin), VoteLeast: 65,
	}
}

// RunParams are the rules of one run. Spans of time are in blocks, shares in 65535ths.
type RunParams struct {
	_                                   struct{} `cbor:",toarray"`
	Kappa, BondsPenalty                 uint64
	BondsMovingAverage                  uint64 // in 10⁻⁶
	LiquidAlpha                         uint64 // 1 is on
	AlphaLow, AlphaHigh, AlphaSteepness uint64
	Yuma                                uint64 // 3 or 2
	MaxValidators, MaxUIDs              uint64
	StakeThreshold                      uint64
	ActivityFactor                      uint64 // activity cutoff in 10⁻³ tempos
	Tempo                               uint64 // between epochs; 0 is never
	WeightsRate                         uint64 // between two rows of one validator
	MinWeights, MaxWeight               uint64
	WeightsVersion                      uint64
	CommitReveal                        uint64 // 1 is on
	RevealPeriod                        uint64 // epochs from commit to reveal
	Immunity                            uint64 // of a newcomer from losing its place
	MinPrice, MaxPrice                  uint64 // of a place
	PriceHalfLife                       uint64
	PriceStep                           uint64 // percent of the price after a registration
	MinFree                             uint64 // places beyond immunity before immune ones go
	Open                                uint64 // 1 lets newcomers register; a run that is closed mints nothing
	BurnOwner                           uint64 // 1 burns the incentive of the owner's hotkey
	CurrentPermits                      uint64 // 1 lets the stake of an epoch decide who votes in it, not that of the one before
	KeepStaked                          uint64 // stake, on its way out included, that keeps a place; 0: none does
}

// DefaultRunParams returns the reference chain's rules for a new subnet.
func DefaultRunParams() RunParams {
	y := yuma.DefaultParams()
	return RunParams{
		Kappa: uint64(y.Kappa), BondsPenalty: uint64(y.BondsPenalty), BondsMovingAverage: uint64(y.BondsMovingAverage),
		AlphaLow: uint64(y.AlphaLow), AlphaHigh: uint64(y.AlphaHigh), AlphaSteepness: uint64(y.Steepness), Yuma: 3,
		MaxValidators: 64, MaxUIDs: 256, ActivityFactor: 13889, Tempo: 360, WeightsRate: 100, MinWeights: 1, MaxWeight: full,
		CommitReveal: 1, RevealPeriod: 1, Immunity: 5000, MinPrice: 500_000, MaxPrice: 100 * uint64(Coin),
		PriceHalfLife: 360, PriceStep: 126, MinFree: 10, Open: 1, BurnOwner: 1,
	}
}

// consensus returns the rules of an epoch.
func (p RunParams) consensus() yuma.Params {
	y := yuma.DefaultParams()
	y.Kappa, y.BondsPenalty, y.BondsMovingAverage = uint16(p.Kappa), uint16(p.BondsPenalty), uint32(p.BondsMovingAverage)
	y.LiquidAlpha, y.AlphaLow, y.AlphaHigh, y.Steepness = p.LiquidAlpha == 1, uint16(p.AlphaLow), uint16(p.AlphaHigh), int16(p.AlphaSteepness)
	if p.Yuma == 2 {
		y.Version = yuma.Yuma2
	}
	y.MaxValidators, y.StakeThreshold = int(p.MaxValidators), p.StakeThreshold
	y.ActivityCutoff = max(1, p.ActivityFactor*p.Tempo/1000)
	y.Tempo, y.CommitReveal, y.CurrentPermits = p.Tempo, p.CommitReveal == 1, p.CurrentPermits == 1
	return y
}

// param is one parameter of rules P.
type param[P any] struct {
	name      string
	low, high uint64
	of        func(*P) *uint64
}

const maxSpan = 1 << 32 // blocks

var networkTable = []param[NetworkParams]{
	{"emission", 0, maxAmount, func(p *NetworkParams) *uint64 { return &p.Emission }},
	{"existential", 0, maxAmount, func(p *NetworkParams) *uint64 { return &p.Existential }},
	{"min_stake", 1, maxAmount, func(p *NetworkParams) *uint64 { return &p.MinStake }},
	{"identity_fee", 0, maxAmount, func(p *NetworkParams) *uint64 { return &p.IdentityFee }},
	{"unbond", 0, maxSpan, func(p *NetworkParams) *uint64 { return &p.Unbond }},
	{"max_runs", 0, 1 << 12, func(p *NetworkParams) *uint64 { return &p.MaxRuns }},
	{"min_lock", 1, maxAmount / 2, func(p *NetworkParams) *uint64 { return &p.MinLock }},
	{"lock_interval", 1, maxSpan, func(p *NetworkParams) *uint64 { return &p.LockInterval }},
	{"run_immunity", 0, maxSpan, func(p *NetworkParams) *uint64 { return &p.RunImmunity }},
	{"run_rate", 0, maxSpan, func(p *NetworkParams) *uint64 { return &p.RunRate }},
	{"owner_cut", 0, full, func(p *NetworkParams) *uint64 { return &p.OwnerCut }},
	{"root_weight", 0, full, func(p *NetworkParams) *uint64 { return &p.RootWeight }},
	{"max_take", 0, full, func(p *NetworkParams) *uint64 { return &p.MaxTake }},
	{"take_rate", 0, maxSpan, func(p *NetworkParams) *uint64 { return &p.TakeRate }},
	{"child_rate", 0, maxSpan, func(p *NetworkParams) *uint64 { return &p.ChildRate }},
	{"child_cooldown", 0, maxSpan, func(p *NetworkParams) *uint64 { return &p.ChildCooldown }},
	{"max_epochs", 1, 1 << 12, func(p *NetworkParams) *uint64 { return &p.MaxEpochs }},
	{"price_rate", 0, 1_000_000_000, func(p *NetworkParams) *uint64 { return &p.PriceRate }},
	{"price_halving", 0, maxSpan, func(p *NetworkParams) *uint64 { return &p.PriceHalving }},
	{"swap_fee", 0, full / 2, func(p *NetworkParams) *uint64 { return &p.SwapFee }},
	{"slash_twice", 0, full, func(p *NetworkParams) *uint64 { return &p.SlashTwice }},
	{"slash_false", 0, full, func(p *NetworkParams) *uint64 { return &p.SlashFalse }},
	{"vote_span", 1, maxSpan, func(p *NetworkParams) *uint64 { return &p.VoteSpan }},
	{"vote_delay", 1, maxSpan, func(p *NetworkParams) *uint64 { return &p.VoteDelay }},
	{"vote_quorum", 0, full, func(p *NetworkParams) *uint64 { return &p.VoteQuorum }},
	{"vote_majority", full / 2, full - 1, func(p *NetworkParams) *uint64 { return &p.VoteMajority }},
	{"vote_stake", 1, maxAmount, func(p *NetworkParams) *uint64 { return &p.VoteStake }},
	{"vote_least", 1, full, func(p *NetworkParams) *uint64 { return &p.VoteLeast }},
}

var runTable = []param[RunParams]{
	{"kappa", 0, full, func(p *RunParams) *uint64 { return &p.Kappa }},
	{"bonds_penalty", 0, full, func(p *RunParams) *uint64 { return &p.BondsPenalty }},
	{"bonds_moving_average", 0, 1_000_000, func(p *RunParams) *uint64 { return &p.BondsMovingAverage }},
	{"liquid_alpha", 0, 1, func(p *RunParams) *uint64 { return &p.LiquidAlpha }},
	{"alpha_low", full / 40, full, func(p *RunParams) *uint64 { return &p.AlphaLow }},
	{"alpha_high", full / 40, full, func(p *RunParams) *uint64 { return &p.AlphaHigh }},
	{"alpha_steepness", 0, 1<<15 - 1, func(p *RunParams) *uint64 { return &p.AlphaSteepness }},
	{"yuma", 2, 3, func(p *RunParams) *uint64 { return &p.Yuma }},
	{"max_validators", 1, maxUIDs, func(p *RunParams) *uint64 { return &p.MaxValidators }},
	{"max_uids", 1, maxUIDs, func(p *RunParams) *uint64 { return &p.MaxUIDs }},
	{"stake_threshold", 0, maxAmount, func(p *RunParams) *uint64 { return &p.StakeThreshold }},
	{"activity_factor", 1000, 50_000, func(p *RunParams) *uint64 { return &p.ActivityFactor }},
	{"tempo", 0, maxSpan, func(p *RunParams) *uint64 { return &p.Tempo }},
	{"weights_rate", 0, maxSpan, func(p *RunParams) *uint64 { return &p.WeightsRate }},
	{"min_weights", 0, maxUIDs, func(p *RunParams) *uint64 { return &p.MinWeights }},
	{"max_weight", 1, full, func(p *RunParams) *uint64 { return &p.MaxWeight }},
	{"weights_version", 0, maxSpan, func(p *RunParams) *uint64 { return &p.WeightsVersion }},
	{"commit_reveal", 0, 1, func(p *RunParams) *uint64 { return &p.CommitReveal }},
	{"reveal_period", 1, 100, func(p *RunParams) *uint64 { return &p.RevealPeriod }},
	{"immunity", 0, maxSpan, func(p *RunParams) *uint64 { return &p.Immunity }},
	{"min_price", 0, maxAmount / 4, func(p *RunParams) *uint64 { return &p.MinPrice }},
	{"max_price", 0, maxAmount / 4, func(p *RunParams) *uint64 { return &p.MaxPrice }},
	{"price_half_life", 1, 36_100, func(p *RunParams) *uint64 { return &p.PriceHalfLife }},
	{"price_step", 100, 300, func(p *RunParams) *uint64 { return &p.PriceStep }},
	{"min_free", 0, maxUIDs, func(p *RunParams) *uint64 { return &p.MinFree }},
	{"open", 0, 1, func(p *RunParams) *uint64 { return &p.Open }},
	{"burn_owner", 0, 1, func(p *RunParams) *uint64 { return &p.BurnOwner }},
	{"current_permits", 0, 1, func(p *RunParams) *uint64 { return &p.CurrentPermits }},
	{"keep_staked", 0, maxAmount, func(p *RunParams) *uint64 { return &p.KeepStaked }},
}

// maxUIDs is the most places a run may have: as many targets as a row may name.
const maxUIDs = 4096

// Check reports the first parameter out of range.
func (p NetworkParams) Check() error { return checkParams(networkTable, p) }

// Check reports the first parameter out of range.
func (p RunParams) Check() error {
	if p.AlphaLow > p.AlphaHigh || p.MinPrice > p.MaxPrice {
		return fmt.Errorf("ledger: alpha or price: the low bound is above the high one: %w", ErrRange)
	}
	return checkParams(runTable, p)
}

func checkParams[P any](table []param[P], p P) error {
	for _, e := range table {
		if v := *e.of(&p); v < e.low || v > e.high {
			return fmt.Errorf("ledger: %s = %d, must be %d to %d: %w", e.name, v, e.low, e.high, ErrRange)
		}
	}
	return nil
}

// Change sets one parameter.
type Change struct {
	_     struct{} `cbor:",toarray"`
	Param uint8    // its number
	Value uint64
}

// set makes the changes in p; whether the result is in range is for Check to say.
func set[P any](table []param[P], p *P, changes []Change) error {
	for _, c := range changes {
		if int(c.Param) >= len(table) {
			return fmt.Errorf("ledger: parameter %d: %w", c.Param, ErrUnknown)
		}
		*table[c.Param].of(p) = c.Value
	}
	return nil
}

// NetworkParam returns the number of a parameter of the network by its name.
func NetworkParam(name string) (number uint8, ok bool) { return numberOf(networkTable, name) }

// RunParam returns the number of a parameter of a run by its name.
func RunParam(name string) (number uint8, ok bool) { return numberOf(runTable, name) }

func numberOf[P any](table []param[P], name string) (uint8, bool) {
	for i, e := range table {
		if e.name == name {
			return uint8(i), true
		}
	}
	return 0, false
}
