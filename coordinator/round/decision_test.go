package round_test

import "testing"

// The decision, and with it the receipt that validators sign, covers every event
// so far: a record that leaves out one validator's sheet cannot go under the same
// receipt, although the verdicts are the same.
func TestDecisionCoversTheRecord(t *testing.T) {
	const before = `set workers=2 genesis=v1:100,v2:100,v3:100,v4:100
genesis
join validator v1,v2,v3,v4
join worker w1,w2
commit workers
sign validators
reveal listed
attest validators
sheet validators
`
	whole, _ := perform(t, before+"show v1,v2,v3,v4\n")
	cut, _ := perform(t, before+"show v1,v2,v3\nat 31s\ntick\n")
	a, b := whole.machine.Current(), cut.machine.Current()
	if len(a.Verdicts) != 2 || len(b.Verdicts) != 2 {
		t.Fatalf("verdicts %v and %v, want both decided", a.Verdicts, b.Verdicts)
	}
	if a.Verdicts[0] != b.Verdicts[0] {
		t.Fatalf("verdicts differ already: %v and %v", a.Verdicts[0], b.Verdicts[0])
	}
	if a.Decision == b.Decision {
		t.Error("a sheet was left out and the decision is the same")
	}
}
