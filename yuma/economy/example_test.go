package economy_test

import (
	"fmt"

	"lode/yuma/economy"
)

// The emission of a block and its pots, and the price of a place that somebody took.
func Example() {
	minted := economy.Emission(21_000_000e9, 1e9, 11_000_000e9)
	fmt.Printf("%d: %+v\n", minted, economy.Split(minted, 11796, 0))

	bounds := economy.PriceBounds{Min: 500_000, Max: 100e9}
	price := bounds.Bump(1e9, 126)
	for range 360 {
		price = bounds.Decay(price, economy.DecayFactor(360))
	}
	fmt.Println(price)
	// Output:
	// 500000000: {Owner:89997711 Servers:205001144 Validators:205001144 Root:0}
	// 629999864
}
