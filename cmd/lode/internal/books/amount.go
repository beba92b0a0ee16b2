package books

// This file holds amounts and shares as people write them.

import (
	"fmt"
	"strconv"
	"strings"

	"lode/yuma/ledger"
)

const decimals = 9 // of a coin

// Coins writes an amount in coins, with no more decimals than it has.
func Coins(a ledger.Amount) string {
	s := strconv.FormatUint(uint64(a/ledger.Coin), 10)
	if rest := a % ledger.Coin; rest > 0 {
		s += strings.TrimRight(fmt.Sprintf(".%0*d", decimals, rest), "0")
	}
	return s
}

// ParseCoins reads a number of coins with up to 9 decimals, exactly.
func ParseCoins(s string) (ledger.Amount, error) {
	whole, rest, dotted := strings.Cut(s, ".")
	if !digits(whole) || dotted && !digits(rest) {
		return 0, fmt.Errorf("%q is no number of coins: write digits, such as 12.5", s)
	}
	if len(rest) > decimals {
		return 0, fmt.Errorf("%q has %d decimals, a coin has %d", s, len(rest), decimals)
	}
	n, err := strconv.ParseUint(whole+rest+strings.Repeat("0", decimals-len(rest)), 10, 62)
	if err != nil {
		return 0, fmt.Errorf("%s is more than there can be", s)
	}
	return ledger.Amount(n), nil
}

func digits(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// full is the share that is everything.
const full = 65535

// Share writes a share as a percentage with two decimals, rounded.
func Share(n uint64) string {
	p := (n*10_000 + full/2) / full
	return fmt.Sprintf("%d.%02d %%", p/100, p%100)
}

// ParseShare reads a percentage, such as 18 or 17.5 or 18%, as the largest share that is
// not more.
func ParseShare(s string) (uint16, error) {
	n, err := ParseCoins(strings.TrimSpace(strings.TrimSuffix(s, "%")))
	if err != nil || n > 100*ledger.Coin {
		return 0, fmt.Errorf("%q is no percentage from 0 to 100 with up to %d decimals", s, decimals)
	}
	return uint16(uint64(n) * full / uint64(100*ledger.Coin)), nil
}
