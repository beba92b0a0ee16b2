package chain_test

import (
	"crypto/ed25519"
	"fmt"

	"lode/protocol"
	"lode/yuma/chain"
)

// A run with two validators and a worker; the validators weigh it, and an epoch pays.
func Example() {
	keys := map[string]ed25519.PrivateKey{}
	pub := func(name string) (k protocol.NodeID) {
		seed := protocol.Sum([]byte(name))
		keys[name] = ed25519.NewKeyFromSeed(seed[:])
		copy(k[:], keys[name].Public().(ed25519.PublicKey))
		return k
	}
	g := chain.DefaultGenesis("example")
	rules := chain.DefaultRunParams()
	rules.Tempo, rules.CommitReveal, rules.WeightsRate = 3, 0, 0
	owner := pub("owner")
	g.Runs = []chain.FirstRun{{ID: protocol.RunID{1}, Owner: chain.Coldkey(owner), Hot: owner, Params: rules}}
	g.Seats = []chain.Seat{{Hot: owner, Cold: chain.Coldkey(owner), Run: 1}}
	for _, s := range []struct {
		name  string
		stake chain.Amount
	}{{"first", 50 * chain.Coin}, {"second", 30 * chain.Coin}, {"worker", 0}} {
		k := pub(s.name)
		g.Seats = append(g.Seats, chain.Seat{Hot: k, Cold: chain.Coldkey(k), Run: 1, Stake: s.stake, Place: true})
	}
	m, err := chain.New(g)
	if err != nil {
		panic(err)
	}
	weights := chain.SetWeights{Run: 1, UIDs: []uint16{2}, Values: []uint16{1}}
	first := []chain.Tx{
		chain.Sign(keys["first"], g.Network(), 0, 0, weights),
		chain.Sign(keys["second"], g.Network(), 0, 0, weights),
	}
	for _, txs := range [][]chain.Tx{first, nil, nil} {
		if _, _, err := m.Execute(chain.Block{Header: m.Next(0, protocol.Digest{}), Txs: txs}); err != nil {
			panic(err)
		}
	}
	account, _ := m.Account(chain.Coldkey(pub("worker")))
	fmt.Printf("the worker has %.4f coins\n", float64(account.Balance)/float64(chain.Coin))

	key, _ := chain.Key('a', keys["worker"].Public().(ed25519.PublicKey))
	value, known, err := m.Prove(key).Check(m.Root(), []byte(key))
	record, _ := chain.Record(key, value)
	fmt.Println("proved:", record.(chain.Account).Balance == account.Balance, known, err)
	// Output:
	// the worker has 1.2300 coins
	// proved: true true <nil>
}
