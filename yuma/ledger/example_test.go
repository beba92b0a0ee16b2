package ledger_test

import (
	"crypto/ed25519"
	"fmt"

	"lode/protocol"
	"lode/yuma/ledger"
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
	g := ledger.DefaultGenesis("example")
	rules := ledger.DefaultRunParams()
	rules.Tempo, rules.CommitReveal, rules.WeightsRate = 3, 0, 0
	owner := pub("owner")
	g.Runs = []ledger.FirstRun{{ID: protocol.RunID{1}, Owner: ledger.Coldkey(owner), Hot: owner, Params: rules}}
	g.Seats = []ledger.Seat{{Hot: owner, Cold: ledger.Coldkey(owner), Run: 1}}
	for _, s := range []struct {
		name  string
		stake ledger.Amount
	}{{"first", 50 * ledger.Coin}, {"second", 30 * ledger.Coin}, {"worker", 0}} {
		k := pub(s.name)
		g.Seats = append(g.Seats, ledger.Seat{Hot: k, Cold: ledger.Coldkey(k), Run: 1, Stake: s.stake, Place: true})
	}
	m, err := ledger.New(g)
	if err != nil {
		panic(err)
	}
	weights := ledger.SetWeights{Run: 1, UIDs: []uint16{2}, Values: []uint16{1}}
	first := []ledger.Tx{
		ledger.Sign(keys["first"], g.Network(), 0, 0, weights),
		ledger.Sign(keys["second"], g.Network(), 0, 0, weights),
	}
	for _, txs := range [][]ledger.Tx{first, nil, nil} {
		if _, _, err := m.Execute(ledger.Block{Header: m.Next(0, protocol.Digest{}), Txs: txs}); err != nil {
			panic(err)
		}
	}
	account, _ := m.Account(ledger.Coldkey(pub("worker")))
	fmt.Printf("the worker has %.4f coins\n", float64(account.Balance)/float64(ledger.Coin))

	key, _ := ledger.Key('a', keys["worker"].Public().(ed25519.PublicKey))
	value, known, err := m.Prove(key).Check(m.Root(), []byte(key))
	record, _ := ledger.Record(key, value)
	fmt.Println("proved:", record.(ledger.Account).Balance == account.Balance, known, err)
	// Output:
	// the worker has 1.2300 coins
	// proved: true true <nil>
}
