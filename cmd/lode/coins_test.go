package main

// This file tests that what a worker earned can be owned, moved and shown, in a real run.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCoinsOfARun(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for seconds")
	}
	bin, corpus := program(t), text(t)
	dir, home := filepath.Join(t.TempDir(), "run"), []string{"HOME=" + t.TempDir()}
	r := start(t, bin, dir, nil, "--data", corpus, "--workers", "1", "--validators", "1", "--rounds", "200")
	r.round(12) // one epoch has paid

	var mine struct{ Address string }
	if err := json.Unmarshal([]byte(lode(t, bin, home, "wallet", "new", "mine", "--unencrypted", "--json")), &mine); err != nil {
		t.Fatal(err)
	}
	var sent struct {
		Height       uint64
		Transactions []struct{ Digest string }
	}
	args := []string{"wallet", "send", "mine", "0.5", "--key", filepath.Join(dir, "worker-1", "key"), "--yes", "--json", "--run", dir}
	// Standard error says what will be done; the last line is the JSON.
	lines := strings.Split(strings.TrimSpace(lode(t, bin, home, args...)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &sent); err != nil || sent.Height == 0 || len(sent.Transactions) != 1 {
		t.Fatalf("%v in %q", err, lines)
	}
	ask := func(words string, args ...string) {
		t.Helper()
		out := lode(t, bin, home, append(args, "--run", dir)...)
		if !strings.Contains(strings.Join(strings.Fields(out), " "), words) {
			t.Errorf("lode %v: no %q in\n%s", args, words, out)
		}
	}
	ask("0.5 coins free", "wallet", "balance", "mine")
	r.round(float64(sent.Height) + 3) // its block has ended
	ask(`"To": "`+mine.Address, "ledger", "tx", sent.Transactions[0].Digest)
	ask("1 Transfer", "ledger", "blocks", "--from", "1", "--most", "1000")

	state := filepath.Join(t.TempDir(), "state") // from the coordinator's blocks alone
	var e struct{ Root string }
	out := strings.Split(strings.TrimSpace(lode(t, bin, home, "ledger", "export", state, "--json", "--run", dir)), "\n")
	if err := json.Unmarshal([]byte(out[len(out)-1]), &e); err != nil {
		t.Fatal(err)
	}
	if out := lode(t, bin, home, "wallet", "balance", "mine", "--run", state, "--root", e.Root); !strings.Contains(out, "0.5 coins free") {
		t.Errorf("the exported state says\n%s", out)
	}

	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	r.end()
	ask("0.5 coins free", "wallet", "balance", "mine") // from the record
	ask("no", "runs", "1")
	if out := lode(t, bin, nil, "verify", dir); !strings.Contains(out, "everything is as it must be") {
		t.Errorf("verify says\n%s", out)
	}
}
