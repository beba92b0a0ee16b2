package ledger

// This file holds the halving rule against golden cases and against minting round
// by round.

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// emissionCase is a golden case; which fields are set depends on its name.
type emissionCase struct {
	Name  string
	Cases []struct {
		Issuance *Amount `json:"total_issuance_rao"`
		First    *Amount `json:"first_total_issuance_rao"`
		Emission Amount  `json:"block_emission_rao"`
		Before   Amount  `json:"block_emission_just_before"`

		Start, Expect json.RawMessage

		Minted    Amount  `json:"alpha_out_rao"`
		Cut       Share   `json:"owner_cut_u16"`
		Owner     Amount  `json:"owner_rao"`
		Server    *Amount `json:"server_rao"`
		Validator *Amount `json:"validator_rao"`
	}
}

func goldenEmission(t *testing.T) []emissionCase {
	t.Helper()
	dir := os.Getenv("LODE_YUMA_FIXTURES")
	if dir == "" {
		shared := os.Getenv("LODE_SHARED")
		if shared == "" {
			shared = filepath.Join("..", "..", "..", "shared") // ../shared of the project root
		}
		dir = filepath.Join(shared, "fixtures", "yuma")
	}
	data, err := os.ReadFile(filepath.Join(dir, "emission.json"))
	if os.IsNotExist(err) {
		t.Skipf("NO GOLDEN CASES: %s has no emission.json; set LODE_YUMA_FIXTURES", dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	var cases []emissionCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestEmissionFixtures(t *testing.T) {
	chain := DefaultParams(Hotkey{1})
	rows := 0
	for _, c := range goldenEmission(t) {
		switch c.Name {
		case "emission_halving_table", "emission_halving_boundaries", "emission_issuance_bound", "emission_41_41_18_split":
		default:
			t.Logf("skipped %s: it describes pools and prices", c.Name)
			continue
		}
		for _, k := range c.Cases {
			rows++
			switch {
			case k.Issuance != nil:
				if got := chain.emissionAt(*k.Issuance); got != k.Emission {
					t.Errorf("%s: at %d: %d, want %d", c.Name, *k.Issuance, got, k.Emission)
				}
			case k.First != nil:
				at, before := chain.emissionAt(*k.First), chain.emissionAt(*k.First-1)
				if at != k.Emission || before != k.Before {
					t.Errorf("%s: at %d: %d after %d, want %d after %d", c.Name, *k.First, at, before, k.Emission, k.Before)
				}
			case k.Expect != nil:
				checkBound(t, chain, k.Start, k.Expect)
			default:
				p := chain
				p.OwnerCut = k.Cut
				got := p.split(k.Minted)
				// The chain floors each half in fractions of a unit, hence one unit off.
				off := func(got Amount, want *Amount) bool { return want != nil && got-*want > 1 }
				if got.owner != k.Owner || off(got.workers, k.Server) || off(got.validators, k.Validator) {
					t.Errorf("%s: %+v of %d", c.Name, got, k.Minted)
				}
			}
		}
	}
	if rows == 0 {
		t.Fatal("no golden case was checked")
	}
	t.Logf("checked %d rows", rows)
}

// checkBound repeats the chain's test: a hundred leaps of 10.5 million blocks each.
func checkBound(t *testing.T, p Params, start, want json.RawMessage) {
	t.Helper()
	var issued, total Amount
	if json.Unmarshal(start, &issued) != nil || json.Unmarshal(want, &total) != nil {
		t.Fatalf("bound from %s to %s", start, want)
	}
	for range 100 {
		issued += 10_500_000 * p.emissionAt(issued)
	}
	if issued != total {
		t.Errorf("converges to %d, want %d", issued, total)
	}
}

func TestAccrueIsRoundByRound(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for range 3000 {
		p := Params{Cap: Amount(1 + rng.Uint64N(5000))}
		p.Emission = Amount(rng.Uint64N(uint64(p.Cap) + 1))
		start := Amount(rng.Uint64N(uint64(p.Cap) + 1))
		rounds := rng.Uint64N(300)
		issued := start
		for range rounds {
			issued += p.emissionAt(issued)
		}
		if got := p.accrue(start, rounds); got != issued-start || issued > p.Cap {
			t.Fatalf("%+v from %d, %d rounds: %d, want %d", p, start, rounds, got, issued-start)
		}
	}
}

// TestAccrueForever ends at once, at the total the chain converges to or below.
func TestAccrueForever(t *testing.T) {
	p := DefaultParams(Hotkey{1})
	all := p.accrue(0, uint64(maxRound))
	if all > p.Cap || all < p.Cap-Coin {
		t.Errorf("%d of %d is ever minted", all, p.Cap)
	}
	if more := p.accrue(all, uint64(maxRound)); more != 0 {
		t.Errorf("%d more after the end", more)
	}
}
