package main

// This file holds the ledger that commands are tested on.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"lode/cmd/lode/internal/audit/audittest"
	"lode/protocol"
	"lode/transport"
	"lode/yuma/ledger"
	"lode/yuma/ledger/ask"
)

// clerk is a coordinator that keeps nothing but a ledger; each transaction is a block.
type clerk struct {
	transport.Handler // nothing else is asked of it
	welcome           transport.Welcome
	link              string

	mu      sync.Mutex
	machine *ledger.Machine
	blocks  []ledger.Block
	deaf    bool // takes transactions and forgets them
}

func (c *clerk) Hello(context.Context, protocol.NodeID, transport.Hello) (transport.Welcome, error) {
	return c.welcome, nil
}
func (c *clerk) Gone(protocol.NodeID)                         {}
func (c *clerk) Member(context.Context, protocol.NodeID) bool { return false }

func (c *clerk) Ask(_ context.Context, _ protocol.NodeID, q []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ask.Answer(ask.Of(c.machine), c, q)
}

// StatePart implements [ask.Archive]: there are no snapshots.
func (c *clerk) StatePart(_, _ uint64, _ int) (height, size uint64, part []byte, err error) {
	return 0, 0, nil, nil
}

// Blocks implements [ask.Archive].
func (c *clerk) Blocks(from uint64, most int) (some [][]byte, err error) {
	for h := from; h >= 1 && h <= uint64(len(c.blocks)) && len(some) < most; h++ {
		some = append(some, protocol.Encode(c.blocks[h-1]))
	}
	return some, nil
}

func (c *clerk) Submit(_ context.Context, _ protocol.NodeID, message []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	tx, err := ledger.DecodeTx(message)
	if err == nil {
		err = c.machine.Check(tx)
	}
	if err != nil {
		return protocol.Refuse(protocol.Malformed, "%v", err)
	}
	if c.deaf {
		return nil
	}
	return c.block(tx)
}

func (c *clerk) block(txs ...ledger.Tx) error {
	b := ledger.Block{Header: c.machine.Next(protocol.Instant(len(c.blocks)+1)*protocol.Instant(protocol.Second), protocol.Digest{}), Txs: txs}
	_, _, err := c.machine.Execute(b)
	c.blocks = append(c.blocks, b)
	return err
}

// pass lets blocks go by.
func (c *clerk) pass(t *testing.T, blocks int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for range blocks {
		if err := c.block(); err != nil {
			t.Fatal(err)
		}
	}
}

// open starts a ledger from a genesis and serves it until the test ends.
func (c *clerk) open(t *testing.T, g ledger.Genesis) {
	t.Helper()
	r := audittest.New(t, audittest.Config{Rounds: 1})
	var err error
	if c.machine, err = ledger.New(g); err != nil {
		t.Fatal(err)
	}
	own := networkOf // the town's ledger is not the one that its manifest makes
	networkOf = func(protocol.Manifest) protocol.Digest { return g.Network() }
	t.Cleanup(func() { networkOf = own })
	c.welcome = transport.Welcome{Version: protocol.Version, Run: r.Manifest.ID(), Manifest: protocol.Encode(r.Manifest), Software: "clerk"}
	s, err := transport.Listen("127.0.0.1:0", r.Key, transport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, c) }()
	t.Cleanup(func() { cancel(); <-ended })
	c.link = protocol.Link{Coordinator: r.Manifest.Coordinator, Addr: s.Addr().String(), Run: r.Manifest.ID()}.Format()
}

func seededKey(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func hotOf(n byte) ledger.Hotkey { return nodeIDOf(seededKey(n)) }

// town is a ledger with a wallet ann that has 1,000 coins, a hotkey of hers (1) with a
// stake of 500 and a place on run 1, and a hotkey of bob's (2) with 300.
type town struct {
	clerk
	t   *testing.T
	ann ledger.Coldkey
	bob ledger.Coldkey
}

func newTown(t *testing.T, tune ...func(*ledger.Genesis)) *town {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("HOME", t.TempDir())
	w := &town{t: t, bob: ledger.Coldkey(hotOf(99))}
	told(t, "", "wallet", "new", "ann", "--unencrypted")
	ws, err := ownWallet("ann")
	if err != nil {
		t.Fatal(err)
	}
	w.ann = ws.Address
	g := ledger.DefaultGenesis("town")
	g.Params.Emission, g.Params.Unbond, g.Params.VoteSpan, g.Params.VoteDelay, g.Params.TakeRate, g.Params.VoteStake = 0, 4, 5, 3, 10, 1
	g.Grants = []ledger.Grant{{Cold: w.ann, Balance: 1000 * ledger.Coin}, {Cold: w.bob, Balance: 50 * ledger.Coin}}
	rules := ledger.DefaultRunParams()
	rules.Tempo = 3
	g.Runs = []ledger.FirstRun{{ID: protocol.RunID{1}, Owner: w.bob, Hot: hotOf(2), Params: rules}}
	g.Seats = []ledger.Seat{
		{Hot: hotOf(1), Cold: w.ann, Run: 1, Stake: 500 * ledger.Coin, Place: true},
		{Hot: hotOf(2), Cold: w.bob, Run: 1, Stake: 300 * ledger.Coin, Place: true},
	}
	for _, f := range tune {
		f(&g)
	}
	w.open(t, g)
	return w
}

// try runs a command line on the town's ledger.
func (w *town) try(line string) (code int, stdout, stderr string) {
	args := strings.Fields(line)
	if args[0] != "wallet" || !slices.Contains([]string{"new", "list"}, args[1]) {
		if args[0] != "ledger" || args[1] != "check" {
			args = append(args, "--run", w.link)
		}
	}
	var out, errs bytes.Buffer
	code = run(args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// says runs a command that must succeed and wants words in its table.
func (w *town) says(line string, words ...string) {
	w.t.Helper()
	code, out, errs := w.try(line)
	if code != 0 {
		w.t.Fatalf("lode %s: exit %d: %s", line, code, errs)
	}
	flat := strings.Join(strings.Fields(out), " ")
	for _, s := range words {
		if !strings.Contains(flat, s) {
			w.t.Errorf("lode %s: %q is not in\n%s", line, s, out)
		}
	}
}

// fails runs a command that must fail with words on stderr, and change nothing.
func (w *town) fails(code int, line string, words ...string) {
	w.t.Helper()
	root := w.machine.Root()
	got, out, errs := w.try(line)
	if got != code {
		w.t.Errorf("lode %s: exit %d, want %d:\n%s%s", line, got, code, out, errs)
	}
	for _, s := range words {
		if !strings.Contains(errs, s) {
			w.t.Errorf("lode %s: %q is not in\n%s", line, s, errs)
		}
	}
	if w.machine.Root() != root {
		w.t.Errorf("lode %s: failed, and changed the ledger", line)
	}
}

// json runs a command and reads its JSON.
func (w *town) json(v any, line string) {
	w.t.Helper()
	code, out, errs := w.try(line)
	if code != 0 {
		w.t.Fatalf("lode %s: exit %d: %s", line, code, errs)
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		w.t.Fatalf("lode %s: %v in\n%s", line, err, out)
	}
}

func (w *town) balance(c ledger.Coldkey) ledger.Amount {
	a, _ := w.machine.Account(c)
	return a.Balance
}
