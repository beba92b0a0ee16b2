package ask_test

import (
	"context"
	"fmt"

	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
)

func Example() {
	g := ledger.DefaultGenesis("example")
	alice := ledger.Coldkey{1}
	g.Grants = []ledger.Grant{{Cold: alice, Balance: 5 * ledger.Coin}}
	m, err := ledger.New(g)
	if err != nil {
		panic(err)
	}
	c := ask.Client{Ask: func(_ context.Context, question []byte) ([]byte, error) {
		return ask.Answer(ask.Of(m), nil, question) // somewhere else
	}}
	key := ask.Key(ask.Accounts, alice)
	state, err := c.Get(context.Background(), key)
	if err != nil {
		panic(err)
	}
	a, there, err := ask.Load[ledger.Account](state, key)
	fmt.Println(state.Root == m.Root(), a.Balance/ledger.Coin, there, err)
	// Output: true 5 true <nil>
}
