package books

import (
	"fmt"
	"testing"

	"lode/yuma/ledger"
)

func TestCoins(t *testing.T) {
	for s, want := range map[string]ledger.Amount{
		"0": 0, "1": ledger.Coin, "12.5": 12_500_000_000, "0.000000001": 1, "4611686018.427387903": 1<<62 - 1, "007.50": 7_500_000_000,
		"1.100000000": 1_100_000_000,
	} {
		if got, err := ParseCoins(s); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "1_000", " 1", "1 ", "0x1", "１", "0.0000000001", "4611686018.427387904", "99999999999999999999", "1.2.3", "NaN", "all"} {
		if got, err := ParseCoins(s); err == nil {
			t.Errorf("%q is %d", s, got)
		}
	}
	for a, want := range map[ledger.Amount]string{0: "0", 1: "0.000000001", ledger.Coin: "1", 1_500_000_000: "1.5", 1<<62 - 1: "4611686018.427387903", 120_000_000_000: "120"} {
		if got := Coins(a); got != want {
			t.Errorf("%d: %s, want %s", a, got, want)
		}
	}
}

func TestShares(t *testing.T) {
	for s, want := range map[string]uint16{"0": 0, "100": 65535, "100%": 65535, "18": 11796, "18 %": 11796, "0.002": 1, "0.001": 0, "50": 32767, "99.999999999": 65534} {
		if got, err := ParseShare(s); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "%", "-1", "100.000000001", "101", "x", "18%%"} {
		if got, err := ParseShare(s); err == nil {
			t.Errorf("%q is %d", s, got)
		}
	}
	for n, want := range map[uint64]string{0: "0.00 %", 65535: "100.00 %", 11796: "18.00 %", 1: "0.00 %", 32767: "50.00 %"} {
		if got := Share(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// What is read is what was written, and nothing is rounded.
func FuzzParseCoins(f *testing.F) {
	f.Add("12.5")
	f.Add("0.000000001")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseCoins(s)
		if err != nil {
			return
		}
		again, err := ParseCoins(Coins(a))
		if err != nil || again != a {
			t.Fatalf("%q is %d, written %s", s, a, Coins(a))
		}
		if padded := fmt.Sprintf("%d.%09d", a/ledger.Coin, a%ledger.Coin); Coins(a) != padded {
			if b, err := ParseCoins(padded); err != nil || b != a {
				t.Fatalf("%s is %d, %v", padded, b, err)
			}
		}
	})
}
