package ledger_test

import (
	"fmt"

	"lode/yuma/ledger"
)

// One validator, two workers, one epoch over ten rounds.
func Example() {
	owner, val := ledger.Hotkey{1}, ledger.Hotkey{2}
	good, fair := ledger.Hotkey{3}, ledger.Hotkey{4}
	m, err := ledger.New(ledger.DefaultParams(owner), []ledger.Grant{{Hotkey: val, Balance: 100 * ledger.Coin}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = m.Register(0, val, ledger.Validator, 60*ledger.Coin, val)
	_ = m.Register(0, good, ledger.Worker, 0, good)
	_ = m.Register(0, fair, ledger.Worker, 0, fair)

	rows := []ledger.Row{{Validator: val, Scores: []ledger.Score{{Worker: good, Value: 300}, {Worker: fair, Value: 100}}}}
	rep, err := m.Epoch(9, rows, []ledger.Hotkey{val, good, fair})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("minted", rep.Minted, "owner", rep.Owner, "unpaid", rep.Unpaid)
	for _, l := range rep.Lines {
		fmt.Println(l.Role, "stake", l.Stake, "earned", l.Credited)
	}
	fmt.Println("supply", m.Supply().Total())
	// Output:
	// minted 10000000000 owner 1799954222 unpaid 1
	// validator stake 60000000000 earned 4100022889
	// worker stake 0 earned 3075017166
	// worker stake 0 earned 1025005722
	// supply 110000000000
}
