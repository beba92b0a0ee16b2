package main

// This file tests exit codes: usage is told from failure, alike in every command.

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"lode/protocol"
)

func TestExitCodes(t *testing.T) {
	t.Chdir(t.TempDir())
	home := t.TempDir()
	t.Setenv("HOME", home)
	for name, text := range map[string]string{
		"bad.yaml": "name: [", "plan.yaml": "name: x", "file": "x", filepath.Join("full", "mine.txt"): "x", filepath.Join("empty", ".keep"): "",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		code int
		says string // on stderr
	}{
		{"", 0, ""},
		{"--help", 0, ""},
		{"--version", 0, ""},
		{"pull --help", 0, ""},
		{"bench", 0, ""},
		{"coordinator init", 0, ""},
		{"keys", 0, ""},
		{"yuma", 0, ""},
		{"yuma simulate switch --epochs 1", 0, ""},
		{"wallet", 0, ""},
		{"wallet list", 0, ""},
		{"delegate", 0, ""},
		{"ledger", 0, ""},
		{"vote --help", 0, ""},

		{"dance", exitUsage, "unknown command"},
		{"--loud", exitUsage, "unknown flag"},
		{"up now then", exitUsage, "accepts at most 1 arg"},
		{"up now", exitFailed, "run description: open now"},
		{"up --workers many", exitUsage, "invalid argument"},
		{"up --workers 0", exitUsage, "--workers is 0"},
		{"up --validators 51", exitUsage, "--validators is 51"},
		{"up --for -1s", exitUsage, "--for is -1s"},
		{"up --adversaries thief=1", exitUsage, "--adversaries"},
		{"up --log-level loud", exitUsage, "--log-level"},
		{"up --dir=", exitUsage, "--dir is empty"},
		{"pull", exitUsage, "accepts 1 arg"},
		{"pull a b", exitUsage, "accepts 1 arg"},
		{"pull file --run x", exitUsage, "--run"},
		{"pull file --trust x", exitUsage, "--trust"},
		{"pull --step one file", exitUsage, "invalid argument"},
		{"generate --tokens 0", exitUsage, "--tokens"},
		{"generate a b", exitUsage, "accepts at most 1 arg"},
		{"coordinator", exitUsage, "name a run.yaml"},
		{"coordinator a b", exitUsage, "accepts at most 1 arg"},
		{"coordinator init more", exitUsage, "unknown command"},
		{"worker", exitUsage, "accepts 1 arg"},
		{"worker file --conduct rude", exitUsage, "--conduct"},
		{"worker file --engine steam", exitUsage, "--engine"},
		{"worker file --device cuda", exitUsage, "--device is for --engine torch and cuda"},
		{"worker file --engine cuda --device mps", exitUsage, "--device is \"mps\""},
		{"worker file --engine cuda --device cuda:0,", exitUsage, "cuda:0,1, cuda:0-3 or cuda:all"},
		{"train --steps 3", exitUsage, "take 10, or --set train.inner_steps=3"},
		{"worker file --engine cuda --device cuda:", exitUsage, "--device is \"cuda:\""},
		{"worker file --engine cuda --device cuda1", exitUsage, "--device is \"cuda1\""},
		{"worker file --engine cuda --device cuda:3-1", exitUsage, "--device is \"cuda:3-1\""},
		{"worker file --engine cuda --device cuda:0-2,1", exitUsage, "names card 1 twice"},
		{"worker file --engine auto --card-memory much", exitUsage, "--card-memory is \"much\""},
		{"worker file --card-memory 1GB", exitUsage, "--card-memory is for --engine cuda"},
		{"worker file --engine cuda --precision bf8", exitUsage, "--precision is \"bf8\""},
		{"doctor now", exitUsage, "not a join link"},
		{"worker file --model nano:build", exitUsage, "--model is for --engine torch"},
		{"worker file --meet 10.0.0.1:29400", exitUsage, "--meet is for --engine torch"},
		{"worker file --shard", exitUsage, "--shard is for --engine torch"},
		{"describe", exitUsage, "--model is missing"},
		{"worker file --threads -2", exitUsage, "--threads"},
		{"up --for 0s", exitUsage, "--for"},
		{"up --rounds 0", exitUsage, "--rounds"},
		{"keys thief", exitUsage, "invalid argument"},
		{"keys --dir x", exitUsage, "--dir goes with a role"},
		{"bench train --rounds 0", exitUsage, "--rounds"},
		{"bench train --set x.y=1", exitUsage, "--set"},
		{"bench train --set name=a/b", exitUsage, "name: must have"},
		{"bench train --workers ,,", exitUsage, "--workers holds \"\"; it is a list like honest,honest,noise of honest, noise, "},
		{"bench train --workers honest,rude", exitUsage, "--workers holds \"rude\""},
		{"bench train --set members.min_workers=9", exitUsage, "--workers says who takes part"},
		{"bench train --set merge.rule=krum --set merge.liars=3", exitUsage, "a round may begin with 4 (members.min_workers, members.fraction)"},
		{"bench train --validators 300", exitUsage, "too few for 4 workers and 300 validators"},
		{"bench yuma now", exitUsage, "unknown command"},
		{"yuma run", exitUsage, "accepts 1 arg"},
		{"yuma simulate war", exitUsage, "invalid argument"},
		{"yuma simulate --rules yuma9", exitUsage, "no rule"},
		{"yuma simulate --epochs -1", exitUsage, "--epochs"},

		// A link that is none is usage, a thing that is not there is not.
		{"pull lode://x", exitUsage, "link"},
		{"verify lode://x", exitUsage, "link"},
		{"status lode://x", exitUsage, "link"},
		{"worker lode://x", exitUsage, "link"},
		{"validator lode://x", exitUsage, "link"},
		{"worker nowhere", exitUsage, "link"},
		{"runs --run lode://x", exitUsage, "link"},

		{"wallet new x --unencrypted now", exitUsage, "accepts at most 1 arg"},
		{"wallet send x", exitUsage, "accepts 2 arg"},
		{"wallet send x y", exitUsage, "neither an address"},
		{"wallet new", exitUsage, "nobody can be asked"},
		{"stake x 5", exitUsage, "no hotkey"},
		{"unstake x 5", exitUsage, "no hotkey"},
		{"delegate take x 5", exitUsage, "no hotkey"},
		{"vote maybe 1", exitUsage, "unknown command"},
		{"ledger tx x", exitUsage, "no digest"},
		{"ledger show nothing", exitUsage, "no records called"},
		{"ledger blocks --most 0", exitUsage, "--most"},

		{"wallet balance", exitFailed, "lode wallet new makes one"},
		{"runs", exitFailed, "no run in lode-run"},
		{"runs --run nowhere", exitFailed, "no run in nowhere"},
		{"ledger check nowhere", exitFailed, "nowhere: no such file"},
		{"ledger check bad.yaml", exitFailed, "bad.yaml: not a proof"},
		{"unstake withdraw", exitFailed, "lode wallet new makes one"},
		{"generate --model nowhere", exitFailed, "nowhere: no such file"},
		{"pull nowhere", exitFailed, "nowhere: no such file"},
		{"verify nowhere", exitFailed, "nowhere/run.manifest: no such file"},
		{"status nowhere", exitFailed, "nowhere/run.manifest: no such file"},
		{"verify", exitFailed, "lode-run/run.manifest: no such file"},
		{"coordinator nowhere", exitFailed, "nowhere: no such file"},
		{"coordinator plan.yaml --data nowhere", exitFailed, "nowhere: no such file"},
		{"coordinator --manifest nowhere", exitFailed, "nowhere: no such file"},
		{"coordinator run.yaml --dir c", exitFailed, "run.yaml: no such file"},
		{"up --data nowhere --dir u", exitFailed, "nowhere: no such file"},
		{"bench train --data nowhere", exitFailed, "nowhere: no such file"},
		{"yuma run nowhere", exitFailed, "nowhere: no such file"},
		{"yuma run file", exitFailed, "casefile: case 0: invalid character"},
		{"yuma run -", exitFailed, "casefile: case 0: unexpected end"},
		{"yuma simulate copier --plots file", exitFailed, "file: not a directory"},

		{"generate --model empty", exitFailed, "no checkpoint yet"},
		{"generate --model file", exitFailed, "is a file"},
		{"pull empty", exitFailed, "no checkpoint yet"},
		{"pull file", exitFailed, "is a file"},
		{"pull empty --output full", exitFailed, "not empty"},
		{"verify empty", exitFailed, "no such file"},
		{"status file", exitFailed, "not a directory"},
		{"coordinator bad.yaml", exitFailed, "bad.yaml"},
		{"coordinator empty", exitFailed, "is a directory"},
		{"pull ftp://host/x", exitFailed, "unknown kind"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(c.args), strings.NewReader(""), &stdout, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("lode %s: exit %d, want %d with %q:\n%s", c.args, code, c.code, c.says, &stderr)
		}
		if c.code != 0 && !strings.HasPrefix(stderr.String(), "lode: ") {
			t.Errorf("lode %s: nobody says who complains:\n%s", c.args, &stderr)
		}
		if c.code == 0 && stderr.Len() > 0 {
			t.Errorf("lode %s: all went well, and yet:\n%s", c.args, &stderr)
		}
	}
	if made, err := os.ReadDir(home); err != nil || len(made) > 0 {
		t.Errorf("failures leave %v in the home folder, %v", made, err)
	}
	left, err := filepath.Glob("*")
	if want := "bad.yaml empty file full plan.yaml"; err != nil || strings.Join(left, " ") != want {
		t.Errorf("failures leave %v, %v; want %s", left, err, want)
	}
}

// Who waits is told for what, and Ctrl-C ends the wait: the exit is that of an
// interrupt, not that of a wait in vain.
func TestInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for seconds")
	}
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send itself Ctrl-C")
	}
	deaf, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	link := protocol.Link{Coordinator: nodeIDOf(ed25519.NewKeyFromSeed(make([]byte, 32))), Addr: deaf.LocalAddr().String(), Run: protocol.RunID{1}}.Format()
	dir := t.TempDir()
	for _, args := range [][]string{
		{"status", link},
		{"pull", link, "--output", filepath.Join(dir, "model")},
		{"worker", link, "--dir", filepath.Join(dir, "worker")},
	} {
		heard, stderr := io.Pipe()
		code := make(chan int, 1)
		go func() { // ends with the signal
			code <- run(args, strings.NewReader(""), io.Discard, stderr)
			stderr.Close()
		}()
		lines := bufio.NewReader(heard)
		line, err := lines.ReadString('\n')
		for err == nil && !strings.Contains(line, "no answer yet") {
			line, err = lines.ReadString('\n')
		}
		if err != nil || args[0] != "worker" && !strings.Contains(line, deaf.LocalAddr().String()+" (UDP); trying for ") {
			t.Fatalf("%s: heard %q, %v", args[0], line, err)
		}
		go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with stderr
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if err := self.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if got := <-code; got != exitInterrupted {
			t.Errorf("%s: exit %d, want %d", args[0], got, exitInterrupted)
		}
	}
}

// full is an output that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// What could not be printed was not done.
func TestFullOutput(t *testing.T) {
	var stderr bytes.Buffer
	if code := run([]string{"tokenizer", "--help"}, strings.NewReader(""), full{}, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("exit %d, %q", code, stderr.String())
	}
}
