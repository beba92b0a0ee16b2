package main

// This file tests the commands around a ledger against one in memory, over the wire.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/cmd/lode/internal/audit/audittest"
	"lode/cmd/lode/internal/books"
	"lode/cmd/lode/internal/plan"
	"lode/coordinator/journal"
	"lode/coordinator/round"
	"lode/protocol"
	"lode/yuma/ledger"
)

func TestSend(t *testing.T) {
	w := newTown(t)
	w.says("wallet balance", "1000 coins free", "500 1 "+hotOf(1).String()+" 500", "at block 0, state "+w.machine.Root().String())
	line := fmt.Sprintf("wallet send %s 12.5", w.bob)
	w.fails(exitUsage, line, "say --yes")
	w.says(line+" --yes", "ann ("+w.ann.String()+") has 1000 coins free and will send 12.5 coins to "+w.bob.String(), "done at block 1; ann has 987.5 coins free")
	if got := w.balance(w.bob); got != 62_500_000_000 {
		t.Errorf("bob has %d", got)
	}
	var out struct {
		Signer       string
		Transactions []struct {
			Nonce uint64
			Says  string
		}
		Height, Balance uint64
	}
	w.json(&out, line+" --yes --json")
	if out.Signer != w.ann.String() || len(out.Transactions) != 1 || out.Transactions[0].Nonce != 1 || out.Height != 2 || out.Balance != 975_000_000_000 {
		t.Errorf("%+v", out)
	}
	to := "wallet send " + w.bob.String()
	w.fails(exitFailed, to+" 2000 --yes", "ann has 975 coins free, 2000 are needed")
	w.fails(exitFailed, to+" 974.9999999 --yes", "that would leave 0.0000001 coins to ann, less than the least balance of 0.0000005")
	w.fails(exitFailed, "wallet send "+hotOf(50).String()+" 0.0000001 --yes", "less than the least balance")
	for bad, word := range map[string]string{"0": "amount is 0", "1e3": "no number of coins", "1.0000000001": "10 decimals", "-1": "unknown shorthand", "99999999999": "more than there can be"} {
		w.fails(exitUsage, to+" "+bad+" --yes", word)
	}
	w.fails(exitUsage, "wallet send ann 5 --yes", "that is ann itself")
	w.fails(exitUsage, "wallet send nobody 5 --yes", "neither an address")
	w.fails(exitUsage, "wallet send "+w.bob.String()+"x 5 --yes", "no address")
	w.fails(exitFailed, to+" 5 --yes --wallet nobody", "no such file")
	w.says(to+" all --yes", "ann has 0 coins free")
	if got := w.balance(w.bob); got != 1050*ledger.Coin {
		t.Errorf("bob has %d", got)
	}
}

// A transaction that is taken and not done is not called done.
func TestSendIntoTheVoid(t *testing.T) {
	w := newTown(t)
	w.deaf = true
	w.says(fmt.Sprintf("wallet send %s 1 --yes --wait 1ms", w.bob), "handed in, and not done after 1ms; it may be until block 256")
}

func TestStakeAndUnstake(t *testing.T) {
	w := newTown(t)
	bobs := hotOf(2).String()
	w.fails(exitFailed, "stake "+bobs+" 0.0001 --yes", "a stake has at least 0.0005 coins")
	w.fails(exitFailed, "stake "+hotOf(7).String()+" 5 --yes", "the ledger knows no hotkey")
	w.fails(exitFailed, "stake "+bobs+" 5000 --yes", "ann has 1000 coins free")
	w.fails(exitFailed, "stake "+bobs+" 5 --on 9 --yes", "the ledger does not take it")
	w.fails(exitUsage, "stake "+bobs+" 5 --on x --yes", "no run")
	w.fails(exitUsage, "stake x 5 --yes", "no hotkey")
	w.says("stake "+bobs+" 100 --yes", "stake 100 coins on run 1 on "+bobs+", which keeps 18.00 % of what it earns", "ann has 900 coins free")
	w.says("stake "+hotOf(1).String()+" 10 --on root --yes", "which is its own")
	if got := w.machine.StakeOf(1, hotOf(2), w.ann); got != 100*ledger.Coin {
		t.Errorf("staked %d", got)
	}
	w.fails(exitFailed, "unstake "+bobs+" 101 --yes", "are to be taken back")
	w.fails(exitFailed, "unstake "+bobs+" 1 --on root --yes", "has no stake on run root")
	w.says("unstake "+bobs+" 40 --yes", "unstake 40 from run 1 from "+bobs+", free after 4 blocks", "ann has 890 coins free")
	w.says("wallet balance ann", "40 1 "+bobs+" from block 7, in 4 blocks")
	w.fails(exitFailed, "unstake withdraw --yes", "the first 40 coins from block 7 on, now is 3")
	w.pass(t, 4)
	w.says("wallet balance", "now: lode unstake withdraw")
	// What is free is withdrawn before more is unstaked, or it would wait anew.
	w.says("unstake "+bobs+" all --yes", "withdraw 40 coins", "unstake all ", "ann has 930 coins free")
	if got := w.machine.StakeOf(1, hotOf(2), w.ann); got != 0 {
		t.Errorf("staked %d", got)
	}
	w.pass(t, 4)
	w.says("unstake withdraw --yes", "withdraw ")
	if got := w.balance(w.ann); got != 990*ledger.Coin {
		t.Errorf("ann has %d", got)
	}
	w.fails(exitFailed, "unstake withdraw --yes", "nothing of ann was unstaked")
}

// Where prices move, nothing is traded without a bound.
func TestStakeOnMarket(t *testing.T) {
	w := newTown(t, func(g *ledger.Genesis) { g.Market, g.Runs[0].Pool = true, 1000*ledger.Coin })
	own := hotOf(1).String()
	w.fails(exitUsage, "stake "+own+" 10 --yes", "--least")
	w.fails(exitFailed, "stake "+own+" 10 --least 11 --yes", "worse than the limit set")
	w.says("stake "+own+" 10 --least 9.8 --yes", "done")
	w.fails(exitUsage, "unstake "+own+" 10 --yes", "--least")
	w.says("unstake "+own+" 5 --least 4.9 --yes", "done")
	w.says("stake "+own+" 10 --on root --yes", "done")
	w.says("runs", "1 aeaaaaaa")
}

func TestDelegate(t *testing.T) {
	w := newTown(t)
	own := hotOf(1).String()
	w.says("delegate show", own+" "+w.ann.String()+" 18.00 % 500 on 1", hotOf(2).String()+" "+w.bob.String()+" 18.00 % 300 on 1")
	w.fails(exitFailed, "delegate show "+hotOf(9).String(), "knows no hotkey")
	w.says("delegate take "+own+" 9 --yes", "from 18.00 % to 9.00 %")
	w.fails(exitFailed, "delegate take "+own+" 9 --yes", "it takes 9.00 % already")
	w.fails(exitFailed, "delegate take "+own+" 10 --yes", "can be again from 10 on; now is 1")
	w.fails(exitFailed, "delegate take "+own+" 19 --yes", "at most 18.00 %")
	w.fails(exitFailed, "delegate take "+hotOf(2).String()+" 1 --yes", "belongs to "+w.bob.String())
	w.fails(exitUsage, "delegate take "+own+" 101 --yes", "no percentage")
	w.pass(t, 10)
	w.says("delegate take "+own+" 10.5 --yes", "from 9.00 % to 10.50 %")

	if _, _, err := plan.LoadOrCreateKey("node-key"); err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Hotkey, Owner string
		Take          uint16
		Stakes        []books.Pool
	}
	w.json(&all, "delegate show --json")
	if len(all) != 2 {
		t.Errorf("%+v", all)
	}
	// A node's own key signs too, for what it owns.
	w.fails(exitFailed, "wallet send ann 1 --yes --key node-key", "node-key has 0 coins free")
	w.fails(exitUsage, "wallet send ann 1 --yes --key node-key --wallet ann", "two signers")
}

func TestRuns(t *testing.T) {
	w := newTown(t)
	w.pass(t, 7)
	id := protocol.RunID{1}
	w.says("runs", "1 "+id.Short()+" 2 of 256", "800")
	var all []struct {
		Run    int
		ID     string
		Stake  uint64
		Params map[string]uint64
	}
	w.json(&all, "runs --json")
	if len(all) != 1 || all[0].Run != 1 || all[0].ID != id.String() || all[0].Stake != 800e9 || all[0].Params["tempo"] != 3 {
		t.Errorf("%+v", all)
	}
	w.says("runs 1", "0 "+hotOf(1).String()+" yes 500", "1 "+hotOf(2).String()+" yes 300")
	w.fails(exitFailed, "runs 7", "the ledger has no run 7")
}

func TestVoting(t *testing.T) {
	w := newTown(t)
	w.says("vote", "nothing is voted on at block 0")
	w.says("vote params", "parameter of run 1 value least most", "tempo 3 0 4294967296")
	w.says("vote params --on root", "parameter of network value least most", "unbond 4 0")
	w.fails(exitUsage, "vote propose tempo=x --yes", "tempo must be a whole number")
	w.fails(exitUsage, "vote propose yuma=9 --yes", "from 2 to 3")
	w.fails(exitUsage, "vote propose tempi=9 --yes", "lode vote params lists them")
	w.fails(exitFailed, "vote propose alpha_low=60000 alpha_high=50000 --yes", "the ledger does not take it")
	w.fails(exitFailed, "vote yes 1 --yes", "there is no proposal 1")
	w.fails(exitUsage, "vote yes x --yes", "no number of a proposal")
	w.says("vote propose tempo=5 max_uids=99 --yes", "propose for run 1: tempo 3 → 5, max_uids 256 → 99, with the stake on "+hotOf(1).String())
	w.says("vote", "1 run 1 tempo 3 → 5, max_uids 256 → 99 0 0 counted at block 6, in 5")
	w.fails(exitFailed, "vote yes 1 --hotkey "+hotOf(2).String()+" --yes", "somebody else's")
	w.says("vote yes 1 --yes", "vote yes on proposal 1 of run 1")
	w.says("vote no 1 --yes", "done at block 3")
	w.says("vote", "0 500 counted at block 6")
	w.says("vote yes 1 --yes", "done at block 4")
	w.pass(t, 3)
	w.says("vote", "passed, made at block 9")
	w.fails(exitFailed, "vote yes 1 --yes", "the votes on proposal 1 are counted: it passed, and is made at block 9")
	w.pass(t, 3)
	w.says("vote params", "tempo 5 0")
}

func TestLedgerCommands(t *testing.T) {
	w := newTown(t)
	w.says(fmt.Sprintf("wallet send %s 12.5 --yes", w.bob))
	w.pass(t, 20)
	root := w.machine.Root()
	w.says("ledger show", "state root "+root.String(), "block 21, "+w.blocks[20].Digest().String(), "time 1970-01-01T00:00:21Z", "1850 at genesis")
	var h map[string]any
	w.json(&h, "ledger show --json")
	if h["root"] != root.String() || h["height"] != 21.0 || h["genesis"] != 1850e9 {
		t.Errorf("%v", h)
	}
	key := "account/" + w.ann.String()
	w.says("ledger show "+key, `"there": true`, `"Balance": 987500000000`)
	w.says("ledger show account/"+hotOf(50).String(), `"there": false`, `"record": null`)
	w.fails(exitUsage, "ledger show accounts", "docs/economy.md")
	w.says("ledger show --root " + root.String())
	w.fails(exitFailed, "ledger show --root "+protocol.Digest{1}.String(), "another state")
	w.fails(exitUsage, "ledger show --root 12", "--root")

	digest := w.blocks[0].Txs[0].Digest().String()
	w.says("ledger blocks --most 3", "21 1970-01-01T00:00:21Z "+w.blocks[20].Digest().String())
	w.says("ledger blocks --from 1 --most 1", "1 1970-01-01T00:00:01Z "+w.blocks[0].Digest().String()+" 1 Transfer")
	w.says("ledger blocks --from 1 --most 1 --json", `"kind":"Transfer"`, `"signer":"`+w.ann.String())
	w.fails(exitUsage, "ledger blocks --most 0", "--most")
	w.says("ledger tx "+digest, `"height": 1`, `"Amount": 12500000000`, `"To": "`+w.bob.String())
	w.fails(exitFailed, "ledger tx "+digest+" --blocks 3", "no such transaction")
	w.fails(exitUsage, "ledger tx 12", "no digest")

	w.says("ledger prove "+key+" proof.json", `"Balance": 987500000000`)
	w.fails(exitFailed, "ledger prove "+key+" proof.json", "file exists")
	w.says("ledger check proof.json --root "+root.String(), `"key": "`+key, `"Balance": 987500000000`)
	w.says("ledger prove account/" + hotOf(50).String() + " none.json")
	w.says("ledger check none.json", `"there": false`)
	w.fails(exitFailed, "ledger check proof.json --root "+protocol.Digest{1}.String(), "not of")
	b, err := os.ReadFile("proof.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"root.json":  strings.Replace(string(b), fmt.Sprintf("%x", root[:4]), "00000000", 1),
		"cut.json":   string(b[:len(b)/2]),
		"empty.json": "{}",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.fails(exitFailed, "ledger check "+name, name)
	}
	w.fails(exitFailed, "ledger check nowhere", "nowhere: no such file")
}

// stopped writes a run of three rounds to a folder.
func stopped(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	r := audittest.New(t, audittest.Config{Rounds: 3})
	r.Write(t, dir)
	if err := os.WriteFile(filepath.Join(dir, manifestName), protocol.Encode(r.Manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A server that answers from another ledger than the link's gets nothing signed.
func TestAnotherLedger(t *testing.T) {
	w := newTown(t)
	networkOf = func(man protocol.Manifest) protocol.Digest { return round.Genesis(man).Network() }
	for _, line := range []string{"wallet balance", "wallet send " + w.bob.String() + " 1 --yes", "delegate show"} {
		w.fails(exitFailed, line, "another ledger")
	}
}

func TestExport(t *testing.T) {
	w := newTown(t)
	w.fails(exitFailed, "ledger export state", "another beginning") // than the run's manifest says
	w.link = stopped(t)
	var e struct{ Root string }
	if err := json.Unmarshal([]byte(told(t, "", "ledger", "export", "state", "--json", "--run", w.link)), &e); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := w.try("ledger export state"); code != exitFailed || !strings.Contains(errs, "there already") {
		t.Errorf("a second export: exit %d, %s", code, errs)
	}
	w.says("ledger export again --root "+e.Root, "after block 3, root "+e.Root)
	if code, _, errs := w.try("ledger export other --root " + protocol.Digest{1}.String()); code != exitFailed || !strings.Contains(errs, "not "+protocol.Digest{1}.String()) {
		t.Errorf("another root: exit %d, %s", code, errs)
	}
	w.link = "state"
	w.fails(exitUsage, "wallet balance", "--root")
	w.says("wallet balance --root "+e.Root, "0 coins free", "state "+e.Root)
	w.says("delegate show --root "+e.Root, audittest.Worker(0).String())
	w.fails(exitFailed, "wallet balance --root "+protocol.Digest{1}.String(), "state")
	w.fails(exitFailed, "ledger blocks --root "+e.Root, "no blocks are kept")
	if err := (still{}).submit(t.Context(), ledger.Tx{}); err == nil || !strings.Contains(err.Error(), "takes no transactions") {
		t.Errorf("a transaction for a snapshot: %v", err)
	}
	w.link = filepath.Join("no", "where")
	w.fails(exitFailed, "wallet balance", "no run in no/where")
}

// The folder of a run that is stopped tells what its record comes to.
func TestLedgerOfStoppedRun(t *testing.T) {
	dir := stopped(t)
	var h struct{ Height uint64 }
	if err := json.Unmarshal([]byte(told(t, "", "ledger", "show", "--json", "--run", dir)), &h); err != nil || h.Height != 3 {
		t.Errorf("height %d, %v", h.Height, err)
	}
	if out := told(t, "", "delegate", "show", "--run", dir); !strings.Contains(out, audittest.Worker(0).String()) {
		t.Errorf("no worker in\n%s", out)
	}
}

// Blocks that were pruned are not there, which is no fault of the coordinator's.
func TestKeptBlocks(t *testing.T) {
	file, err := journal.Open(filepath.Join(t.TempDir(), "record.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	archive, err := file.Archive(protocol.RunID{1})
	if err != nil {
		t.Fatal(err)
	}
	for n := range byte(5) {
		var state []byte
		if n == 1 || n == 2 {
			state = []byte("state")
		}
		if err := archive.Add([]byte{n}, state, true); err != nil {
			t.Fatal(err)
		}
	}
	kept := kept{archive}
	if b, err := kept.Blocks(4, 9); err != nil || len(b) != 2 || b[0][0] != 3 {
		t.Errorf("%v, %v", b, err)
	}
	if _, err := kept.Blocks(1, 9); protocol.ReasonOf(err) != protocol.NotFound {
		t.Errorf("pruned: %v", err)
	}
}
